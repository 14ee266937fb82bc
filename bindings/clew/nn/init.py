"""Starting values for parameters; every function fills its tensor in place and returns it."""

from __future__ import annotations

import math
from typing import Any

import clew
from clew import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fills `tensor` from the uniform distribution on [a, b).

    Args:
        tensor: any shape, floating point.
        a, b: the bounds.
        generator: where the random numbers come from; None means the default one.
    Returns:
        `tensor`.
    """
    with clew.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fills `tensor` from the normal distribution with the given mean and standard deviation.

    Args:
        tensor: any shape, floating point.
        mean, std: of the distribution.
        generator: where the random numbers come from; None means the default one.
    Returns:
        `tensor`.
    """
    with clew.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills `tensor` with `val`."""
    with clew.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills `tensor` with one."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills `tensor` with zero."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fills the matrix `tensor` with the identity.

    Raises:
        ValueError: `tensor` is not 2-dimensional.
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got {tensor.ndim} dimensions")
    with clew.no_grad():
        return tensor.copy_(clew.eye(tensor.shape[0], tensor.shape[1]))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Returns the factor that keeps the variance of a layer's output through a nonlinearity.

    Args:
        nonlinearity: linear, conv2d (and its kin), sigmoid, tanh, relu, leaky_relu or selu.
        param: the negative slope of leaky_relu; None means 0.01.
    Raises:
        ValueError: another name, or a slope that is no number.
    Reference:
        He, Zhang, Ren, Sun. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
    Example:
        >>> clew.nn.init.calculate_gain("tanh")
        1.6666666666666667
    """
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: expected a number as negative slope, got {param!r}")
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(
        "calculate_gain: expected linear, conv*, sigmoid, tanh, relu, leaky_relu or selu, "
        f"got {nonlinearity!r} (argument 'nonlinearity')"
    )


def _fans(op: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(
            f"{op}: expected a tensor of 2 or more dimensions, got {tensor.ndim} (fan in and out)"
        )
    shape = tensor.shape
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def _kaiming_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{op}: expected mode fan_in or fan_out, got {mode!r}")
    fan_in, fan_out = _fans(op, tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills `tensor` from U(-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)).

    Args:
        tensor: shape (out, in, ...), floating point.
        gain: see `calculate_gain`.
        generator: where the random numbers come from; None means the default one.
    Reference:
        Glorot, Bengio. Understanding the difficulty of training deep feedforward neural networks. 2010.
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6.0 / max(1, fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills `tensor` from N(0, std^2) with std = gain * sqrt(2 / (fan_in + fan_out)).

    Args:
        tensor: shape (out, in, ...), floating point.
        gain: see `calculate_gain`.
        generator: where the random numbers come from; None means the default one.
    Reference:
        Glorot, Bengio. Understanding the difficulty of training deep feedforward neural networks. 2010.
    """
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / max(1, fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills `tensor` from U(-b, b) with b = gain * sqrt(3 / fan).

    Args:
        tensor: shape (out, in, ...), floating point.
        a: negative slope of the leaky_relu that follows.
        mode: fan_in keeps the variance forward, fan_out backward.
        nonlinearity: see `calculate_gain`.
        generator: where the random numbers come from; None means the default one.
    Reference:
        He, Zhang, Ren, Sun. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills `tensor` from N(0, std^2) with std = gain / sqrt(fan).

    Args:
        tensor: shape (out, in, ...), floating point.
        a: negative slope of the leaky_relu that follows.
        mode: fan_in keeps the variance forward, fan_out backward.
        nonlinearity: see `calculate_gain`.
        generator: where the random numbers come from; None means the default one.
    Reference:
        He, Zhang, Ren, Sun. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.init", name)
