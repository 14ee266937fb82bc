"""Dropout layers."""

from __future__ import annotations

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]

_dropout = F.dropout


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: expected p in [0, 1], got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
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

    def forward(self, input: Tensor) -> Tensor:
        return _dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        p: probability of zero.
        inplace: overwrite the input.
    Shape:
        input (N, C, L) or (C, L); output the same.
    Raises:
        ValueError: p outside [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        p: probability of zero.
        inplace: overwrite the input.
    Shape:
        input (N, C, H, W) or (N, C, L); output the same.
    Raises:
        ValueError: p outside [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        p: probability of zero.
        inplace: overwrite the input.
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output the same.
    Raises:
        ValueError: p outside [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of SELU's outputs.

    Args:
        p: probability of being dropped to SELU's lower limit.
        inplace: overwrite the input.
    Raises:
        ValueError: p outside [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)
