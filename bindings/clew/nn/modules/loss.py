"""Losses as modules."""

from __future__ import annotations

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]

_cross_entropy = F.cross_entropy
_nll_loss = F.nll_loss
_mse_loss = F.mse_loss
_l1_loss = F.l1_loss
_bce_with_logits = F.binary_cross_entropy_with_logits


def _check_reduction(loss: str, reduction: str) -> str:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{loss}: expected reduction none, mean or sum, got {reduction!r}")
    return reduction


class _Loss(Module):
    reduction: str

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = _check_reduction(type(self).__name__, reduction)


class CrossEntropyLoss(_Loss):
    """The negative log-likelihood of classes under softmax(input).

        loss = -weight[t] * log_softmax(x)[t]

    The mean divides by the sum of the weights used.

    Args:
        weight: shape (C,), a factor per class; None means 1.
        ignore_index: class index that adds nothing.
        reduction: none, mean or sum.
        label_smoothing: mixes the target with the uniform distribution, in [0, 1].
    Shape:
        input (C,), (N, C) or (N, C, d1, ...) of logits; target class indices (), (N,), (N, d1, ...)
        or probabilities of the input's shape.
    Example:
        >>> loss = clew.nn.CrossEntropyLoss()
        >>> round(loss(clew.zeros(1, 2), clew.tensor([1])).item(), 4)
        0.6931
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(f"CrossEntropyLoss: expected label_smoothing in [0, 1], got {label_smoothing}")
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """The negative log-likelihood of classes, from log-probabilities.

        loss = -weight[t] * x[t]

    The mean divides by the sum of the weights used.

    Args:
        weight: shape (C,), a factor per class; None means 1.
        ignore_index: class index that adds nothing.
        reduction: none, mean or sum.
    Shape:
        input (C,), (N, C) or (N, C, d1, ...) of log-probabilities; target class indices (), (N,) or
        (N, d1, ...).
    Example:
        >>> clew.nn.NLLLoss()(clew.tensor([[-1.0, -2.0]]), clew.tensor([1])).item()
        2.0
    """

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """The squared difference.

        loss = (x - t)^2

    Args:
        reduction: none, mean or sum.
    Shape:
        input and target of the same shape.
    Example:
        >>> clew.nn.MSELoss()(clew.ones(2), clew.zeros(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The absolute difference.

        loss = |x - t|

    Args:
        reduction: none, mean or sum.
    Shape:
        input and target of the same shape.
    Example:
        >>> clew.nn.L1Loss()(clew.ones(2), clew.zeros(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _l1_loss(input, target, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of sigmoid(input), computed without overflow.

        loss = -weight * (pos_weight * t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x)))

    Args:
        weight: a factor per element, broadcast to the input; None means 1.
        reduction: none, mean or sum.
        pos_weight: a factor of the positive term, broadcast to the input; None means 1.
    Shape:
        input of logits and target in [0, 1], of the same shape.
    Example:
        >>> round(clew.nn.BCEWithLogitsLoss()(clew.zeros(2), clew.ones(2)).item(), 4)
        0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _bce_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
