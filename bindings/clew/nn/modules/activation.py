"""Activation functions as modules."""

from __future__ import annotations

from clew import _C, Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = ["GELU", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]

_relu = _C.ops.relu
_gelu = F.gelu
_sigmoid = F.sigmoid
_tanh = F.tanh


class ReLU(Module):
    """max(x, 0), element by element.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.ReLU()(clew.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return input.relu_() if self.inplace else _relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else negative_slope * x.

    Args:
        negative_slope: the factor below zero.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.LeakyReLU(0.5)(clew.tensor([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """x * P(X <= x) for a standard normal X.

    Args:
        approximate: "none" uses erf, "tanh" the usual approximation.
    Reference:
        Hendrycks, Gimpel. Gaussian Error Linear Units. 2016. arXiv:1606.08415.
    Example:
        >>> clew.nn.GELU()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return _gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x), element by element.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.SiLU()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element.

    Example:
        >>> clew.nn.Sigmoid()(clew.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return _sigmoid(input)


class Tanh(Module):
    """tanh(x), element by element.

    Example:
        >>> clew.nn.Tanh()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return _tanh(input)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along a dimension.

    Args:
        dim: the dimension whose entries sum to 1; None picks one by the rank, with a warning.
    Example:
        >>> clew.nn.Softmax(dim=0)(clew.zeros(4)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along a dimension.

    Args:
        dim: the dimension whose exponentials sum to 1; None picks one by the rank, with a warning.
    Example:
        >>> clew.nn.LogSoftmax(dim=0)(clew.zeros(1)).tolist()
        [0.0]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
