"""Layers that change only the shape."""

from __future__ import annotations

from clew import Tensor
from clew.nn.modules.module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Joins a run of dimensions into one.

    Args:
        start_dim: first dimension to join.
        end_dim: last dimension to join.
    Example:
        >>> list(clew.nn.Flatten()(clew.ones(2, 3, 4)).shape)
        [2, 12]
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
