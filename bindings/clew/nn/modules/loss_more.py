"""Losses over alignments and over sets of labels, as modules."""

from __future__ import annotations

from typing import Any

from clew import Tensor
from clew.nn import functional as F
from clew.nn._losses import _reduction
from clew.nn.modules.loss import _check_reduction
from clew.nn.modules.module import Module

__all__ = ["CTCLoss", "MultiLabelMarginLoss"]


class CTCLoss(Module):
    """Connectionist temporal classification: the labels in order, wherever in the input they stand.

    Args:
        blank: the class that stands for no label.
        reduction: mean (of the losses divided by their target lengths), sum or none.
        zero_infinity: no loss, instead of an infinite one, where no alignment fits.
    Shape:
        log_probs (T, N, C), targets (N, S) or in a row, input_lengths (N,), target_lengths (N,).
    Reference:
        Graves et al. Connectionist Temporal Classification. 2006.
    Example:
        >>> log_probs = clew.full((2, 1, 2), 0.5).log()
        >>> round(clew.nn.CTCLoss()(log_probs, clew.tensor([[1]]), [2], [1]).item(), 4)
        0.2877
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank = blank
        self.reduction = _check_reduction("CTCLoss", reduction)
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class MultiLabelMarginLoss(Module):
    """Asks that the scores of all labels exceed those of all other classes.

    Args:
        size_average, reduce: old spellings of `reduction`.
        reduction: none, mean or sum.
    Shape:
        input (N, C) or (C,); target the same, labels up to the first -1.
    Example:
        >>> loss = clew.nn.MultiLabelMarginLoss()
        >>> loss(clew.zeros(2), clew.tensor([1, -1])).item()
        0.5
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        reduction = _reduction("MultiLabelMarginLoss", size_average, reduce, reduction)
        self.reduction = _check_reduction("MultiLabelMarginLoss", reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)
