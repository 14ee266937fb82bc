"""Losses as modules."""

from __future__ import annotations

from collections.abc import Callable

from clew import Tensor
from clew.nn import functional as F
from clew.nn._losses import _reduction
from clew.nn.modules.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PairwiseDistance",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


def _check_reduction(loss: str, reduction: str, extra: tuple[str, ...] = ()) -> str:
    if reduction not in ("none", "mean", "sum", *extra):
        raise ValueError(f"{loss}: expected reduction none, mean or sum, got {reduction!r}")
    return reduction


class _Loss(Module):
    reduction: str
    _more_reductions: tuple[str, ...] = ()

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        name = type(self).__name__
        reduction = _reduction(name, size_average, reduce, reduction)
        self.reduction = _check_reduction(name, reduction, self._more_reductions)


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """The negative log-likelihood of classes under softmax(input).

        loss = -weight[t] * log_softmax(x)[t]

    The mean divides by the sum of the weights used.

    Args:
        weight: shape (C,), a factor per class; None means 1.
        size_average, reduce: old spellings of `reduction`.
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

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(f"CrossEntropyLoss: expected label_smoothing in [0, 1], got {label_smoothing}")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of classes, from log-probabilities.

        loss = -weight[t] * x[t]

    The mean divides by the sum of the weights used.

    Args:
        weight: shape (C,), a factor per class; None means 1.
        size_average, reduce: old spellings of `reduction`.
        ignore_index: class index that adds nothing.
        reduction: none, mean or sum.
    Shape:
        input (C,), (N, C) or (N, C, d1, ...) of log-probabilities; target class indices (), (N,) or
        (N, d1, ...).
    Example:
        >>> clew.nn.NLLLoss()(clew.tensor([[-1.0, -2.0]]), clew.tensor([1])).item()
        2.0
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """The squared difference.

        loss = (x - t)^2

    Args:
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Shape:
        input and target of the same shape.
    Example:
        >>> clew.nn.MSELoss()(clew.ones(2), clew.zeros(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The absolute difference.

        loss = |x - t|

    Args:
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Shape:
        input and target of the same shape.
    Example:
        >>> clew.nn.L1Loss()(clew.ones(2), clew.zeros(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross entropy of probabilities.

        loss = -weight * (t * log(x) + (1 - t) * log(1 - x))

    Args:
        weight: a factor per element, broadcast to the input; None means 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Shape:
        input and target in [0, 1], of the same shape.
    Example:
        >>> round(clew.nn.BCELoss()(clew.full((2,), 0.5), clew.ones(2)).item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross entropy of sigmoid(input), computed without overflow.

        loss = -weight * (pos_weight * t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x)))

    Args:
        weight: a factor per element, broadcast to the input; None means 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
        pos_weight: a factor of the positive term, broadcast to the input; None means 1.
    Shape:
        input of logits and target in [0, 1], of the same shape.
    Example:
        >>> round(clew.nn.BCEWithLogitsLoss()(clew.zeros(2), clew.ones(2)).item(), 4)
        0.6931
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class SmoothL1Loss(_Loss):
    """Squared error below beta, absolute error above.

    Args:
        beta: where the two pieces meet, >= 0.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.SmoothL1Loss()(clew.ones(2), clew.zeros(2)).item()
        0.5
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(_Loss):
    """Squared error below delta, absolute error above.

    Args:
        delta: where the two pieces meet, > 0.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.HuberLoss()(clew.ones(2), clew.zeros(2)).item()
        0.5
    """

    def __init__(
        self,
        reduction: str = "mean",
        delta: float = 1.0,
    ) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of log-probabilities from a target distribution.

    Args:
        log_target: the target holds logarithms.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean, batchmean or sum.
    Example:
        >>> clew.nn.KLDivLoss(reduction="sum")(clew.zeros(1), clew.ones(1)).item()
        0.0
    """

    _more_reductions = ("batchmean",)

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """Negative log likelihood of counts under a Poisson distribution.

    Args:
        log_input: the input is a logarithm.
        full: add Stirling's approximation of log t!.
        eps: keeps the logarithm finite.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.PoissonNLLLoss()(clew.zeros(2), clew.ones(2)).item()
        1.0
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """Negative log likelihood under normal distributions.

    Args:
        full: add log(2 pi) / 2.
        eps: least variance.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.GaussianNLLLoss()(clew.zeros(2), clew.ones(2), clew.ones(2)).item()
        0.5
    """

    def __init__(
        self,
        *,
        full: bool = False,
        eps: float = 1e-6,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """Asks that one input exceeds the other.

    Args:
        margin: by how much.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.MarginRankingLoss()(clew.ones(1), clew.zeros(1), -clew.ones(1)).item()
        1.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """Small distances for targets of 1, large ones for targets of -1.

    Args:
        margin: what distance is large enough.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.HingeEmbeddingLoss()(clew.full((1,), 0.5), -clew.ones(1)).item()
        0.5
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """Like directions for targets of 1, unlike ones for targets of -1.

    Args:
        margin: the cosine that is unlike enough.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> round(clew.nn.CosineEmbeddingLoss()(clew.ones(1, 2), -clew.ones(1, 2), clew.ones(1)).item(), 4)
        2.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """Logistic loss of targets 1 and -1.

    Args:
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> round(clew.nn.SoftMarginLoss()(clew.zeros(2), clew.ones(2)).item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """Asks that the anchor is nearer to the positive than to the negative.

    Args:
        margin: by how much, > 0.
        p: which norm.
        eps: added to each difference.
        swap: take the smaller of the distances of anchor and positive to the negative.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> clew.nn.TripletMarginLoss(0.5)(clew.zeros(1, 2), clew.zeros(1, 2), clew.ones(1, 2)).item()
        0.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """TripletMarginLoss with a distance of one's own.

    Args:
        distance_function: of two tensors (N, D); None means PairwiseDistance.
        margin: by how much, > 0.
        swap: take the smaller of the distances of anchor and positive to the negative.
        reduction: none, mean or sum.
    Example:
        >>> a, n = clew.zeros(1, 2), clew.ones(1, 2)
        >>> clew.nn.TripletMarginWithDistanceLoss()(a, a, n).item()
        0.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross entropy of logits, averaged over the classes.

    Args:
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Example:
        >>> round(clew.nn.MultiLabelSoftMarginLoss()(clew.zeros(1, 2), clew.ones(1, 2)).item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Asks that the target's score exceeds all others.

    Args:
        p: 1 or 2.
        margin: by how much.
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Raises:
        ValueError: p is neither 1 nor 2.
    Example:
        >>> clew.nn.MultiMarginLoss()(clew.ones(1, 2), clew.tensor([0])).item()
        0.5
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p 1 or 2, got {p}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class CosineSimilarity(Module):
    """The cosine of the angle between two vectors.

    Args:
        dim: the dimension of the vectors.
        eps: least length.
    Example:
        >>> clew.nn.CosineSimilarity(dim=0)(clew.tensor([1.0, 0.0]), clew.tensor([2.0, 0.0])).item()
        1.0
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The norm of the difference of vectors.

    Args:
        p: which norm.
        eps: added to each difference.
        keepdim: keep the last dimension with size 1.
    Example:
        >>> x = clew.tensor([[3.0, 4.0]])
        >>> round(clew.nn.PairwiseDistance()(x, clew.zeros(1, 2)).item(), 4)
        5.0
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
