"""Activation functions that are composed of other ops, as modules."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU6",
    "SELU",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanhshrink",
    "Threshold",
]


class ELU(Module):
    """x where x > 0, else alpha * (exp(x) - 1).

    Args:
        alpha: minus the limit at minus infinity.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.ELU()(clew.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """scale * elu(x, alpha), with the constants that keep mean 0 and variance 1.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.SELU()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """x where x > 0, else alpha * (exp(x / alpha) - 1).

    Args:
        alpha: minus the limit at minus infinity.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.CELU()(clew.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Mish(Module):
    """x * tanh(softplus(x)).

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.Mish()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta.

    Args:
        beta: how sharp the bend is.
        threshold: where beta * x exceeds it, x itself is taken.
    Example:
        >>> clew.nn.Softplus()(clew.tensor([100.0])).tolist()
        [100.0]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """x cut off at min_val and max_val.

    Args:
        min_val: lower limit.
        max_val: upper limit.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.Hardtanh()(clew.tensor([-2.0, 0.5])).tolist()
        [-1.0, 0.5]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Module):
    """x cut off at 0 and 6.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.ReLU6()(clew.tensor([-1.0, 9.0])).tolist()
        [0.0, 6.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """x * min(max(x + 3, 0), 6) / 6.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.Hardswish()(clew.tensor([0.0, 3.0])).tolist()
        [0.0, 3.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6.

    Args:
        inplace: overwrite the input.
    Example:
        >>> clew.nn.Hardsigmoid()(clew.tensor([-3.0, 0.0])).tolist()
        [0.0, 0.5]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    Args:
        lambd: the threshold.
    Example:
        >>> clew.nn.Hardshrink()(clew.tensor([-1.0, 0.25])).tolist()
        [-1.0, 0.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class Softshrink(Module):
    """x moved by lambd towards 0, and 0 where |x| <= lambd.

    Args:
        lambd: the threshold, >= 0.
    Example:
        >>> clew.nn.Softshrink()(clew.tensor([-1.0, 0.25])).tolist()
        [-0.5, 0.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class Tanhshrink(Module):
    """x - tanh(x).

    Example:
        >>> clew.nn.Tanhshrink()(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Softsign(Module):
    """x / (1 + |x|).

    Example:
        >>> clew.nn.Softsign()(clew.ones(1)).tolist()
        [0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow.

    Example:
        >>> clew.nn.LogSigmoid()(clew.tensor([-1000.0])).tolist()
        [-1000.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of the input.

    Args:
        dim: the dimension that is halved.
    Example:
        >>> clew.nn.GLU()(clew.tensor([2.0, 0.0])).tolist()
        [1.0]
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """softmax(-x) along a dimension.

    Args:
        dim: the dimension whose entries sum to 1.
    Example:
        >>> clew.nn.Softmin(dim=0)(clew.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class PReLU(Module):
    """x where x > 0, else weight * x, with learned weights.

    Args:
        num_parameters: 1, or the number of channels.
        init: what the weights start from.
        device, dtype: of the weights.
    Reference:
        He et al. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
    Example:
        >>> clew.nn.PReLU()(clew.tensor([-4.0, 2.0])).tolist()
        [-1.0, 2.0]
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(clew.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weights to `init`."""
        with clew.no_grad():
            self.weight.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """Leaky relu whose slope is drawn from U(lower, upper) in training, and their mean otherwise.

    Args:
        lower, upper: limits of the slope.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.RReLU(0.25, 0.75).eval()(clew.tensor([-2.0, 2.0])).tolist()
        [-1.0, 2.0]
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class Threshold(Module):
    """x where x > threshold, else value.

    Args:
        threshold: the limit.
        value: what stands below it.
        inplace: overwrite the input.
    Example:
        >>> clew.nn.Threshold(1.0, 9.0)(clew.tensor([0.5, 2.0])).tolist()
        [9.0, 2.0]
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        text = f"threshold={self.threshold}, value={self.value}"
        return text + (", inplace=True" if self.inplace else "")


class Softmax2d(Module):
    """Softmax over the channels at each position of images.

    Shape:
        input (N, C, H, W) or (C, H, W); output the same.
    Example:
        >>> clew.nn.Softmax2d()(clew.zeros(2, 1, 1)).tolist()
        [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input of 3 or 4 dimensions, got {list(input.shape)}")
        return F.softmax(input, -3)
