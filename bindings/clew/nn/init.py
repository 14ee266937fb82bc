"""Starting values for parameters; every function fills its tensor in place and returns it."""

from __future__ import annotations

import math
from typing import Any

import clew
from clew import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
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


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Fan in and fan out of a weight; PyTorch's name for it, which layers of one's own call."""
    return _fans("_calculate_fan_in_and_fan_out", tensor)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """Fan in or fan out of a weight, by mode; PyTorch's name for it."""
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"_calculate_correct_fan: expected mode fan_in or fan_out, got {mode!r}")
    return _fans("_calculate_correct_fan", tensor)[mode.lower() == "fan_out"]


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


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fills `tensor` from the normal distribution, with values outside [a, b] drawn anew.

    Args:
        tensor: any shape, floating point.
        mean, std: of the distribution before it is cut.
        a, b: bounds of the values.
        generator: where the random numbers come from; None means the default one.
    Returns:
        `tensor`.
    Example:
        >>> w = clew.nn.init.trunc_normal_(clew.empty(1000), std=0.02, a=-0.04, b=0.04)
        >>> w.abs().max().item() <= 0.04
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        import warnings

        warnings.warn(
            f"trunc_normal_: expected a mean within two std of [a, b], got {mean} with std {std} and "
            f"[{a}, {b}]; the values may not be distributed well",
            stacklevel=2,
        )
    with clew.no_grad():
        low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
        uniform = clew.empty(tuple(tensor.shape), dtype=clew.float64).uniform_(low, high, generator=generator)
        values = uniform.erfinv_().mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)
        tensor.copy_(values)
        # Rounding to fewer digits may step over a bound.
        return tensor.clamp_(a, b)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fills `tensor`, seen as a matrix (rows, the rest), with orthogonal rows or columns, times `gain`.

    Args:
        tensor: two or more dimensions, floating point.
        gain: see `calculate_gain`.
        generator: where the random numbers come from; None means the default one.
    Returns:
        `tensor`.
    Raises:
        ValueError: fewer than two dimensions.
    Reference:
        Saxe, McClelland, Ganguli. Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks. 2013. arXiv:1312.6120.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected 2 or more dimensions, got {tensor.ndim}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    with clew.no_grad():
        random = clew.empty(rows, columns, dtype=clew.float64).normal_(0, 1, generator=generator)
        q, r = clew.linalg.qr(random.t() if rows < columns else random)
        q = q * r.diag().sign()  # otherwise some matrices are more likely than others
        return tensor.copy_(((q.t() if rows < columns else q) * gain).reshape(tuple(tensor.shape)))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fills the weight of a convolution so that it hands on as many channels as it can.

    Args:
        tensor: shape (out, in / groups, ...), 3 to 5 dimensions.
        groups: of the convolution.
    Returns:
        `tensor`.
    Raises:
        ValueError: another number of dimensions, or output channels that groups do not divide.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected 3 to 5 dimensions, got {tensor.ndim}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: expected output channels divisible by groups, got {tensor.shape[0]}")
    per_group = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    with clew.no_grad():
        tensor.zero_()
        for g in range(groups):
            for d in range(min(per_group, tensor.shape[1])):
                tensor[(g * per_group + d, d, *middle)] = 1
    return tensor


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fills the matrix `tensor` from N(0, std^2), with part of each column zero.

    Args:
        tensor: two dimensions, floating point.
        sparsity: part of each column that is zero.
        std: of the distribution.
        generator: where the random numbers come from; None means the default one.
    Returns:
        `tensor`.
    Raises:
        ValueError: not two dimensions.
    Reference:
        Martens. Deep learning via Hessian-free optimization. 2010.
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected 2 dimensions, got {tensor.ndim}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with clew.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[clew.randperm(rows, generator=generator)[:zeros], column] = 0
    return tensor


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.init", name)
