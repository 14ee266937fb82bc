"""Dropout layers."""

from __future__ import annotations

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = ["Dropout"]

_dropout = F.dropout


class Dropout(Module):
    """In training, zeroes each element with probability p and scales the others by 1 / (1 - p).

    Args:
        p: probability of zero.
        inplace: overwrite the input.
    Raises:
        ValueError: p outside [0, 1].
    Reference:
        Hinton et al. Improving neural networks by preventing co-adaptation. 2012. arXiv:1207.0580.
    Example:
        >>> clew.nn.Dropout(0.5).eval()(clew.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: expected p in [0, 1], got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
