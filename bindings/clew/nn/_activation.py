"""Activation functions that are composed of other ops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

_ops = _C.ops

glu = _ops.glu
hardshrink = _ops.hardshrink
prelu = _ops.prelu
softplus = _ops.softplus
softshrink = _ops.softshrink
softsign = _ops.softsign
tanhshrink = _ops.tanhshrink


def _in_place(input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    return input.copy_(result) if inplace else result


def _source(input: Tensor, inplace: bool) -> Tensor:
    # What the ops save must not be what is about to change.
    return input.clone() if inplace else input


def _page_of_op(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # The op's page documents it; `inplace` is the one argument that the op does not know.
    page = getattr(_ops, function.__name__).__doc__
    head, tail = page.split("\n\n", 1)[1].split("\nReturns:")  # the signature stands before
    function.__doc__ = f"{head}\n    inplace: overwrite `input`.\nReturns:{tail.rstrip()}\n"
    return function


def _implicit_dim(name: str, ndim: int) -> int:
    warnings.warn(
        f"{name}: expected dim to be named; without it the choice depends on the rank", stacklevel=3
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along a dimension.

    Args:
        input: any shape, floating point.
        dim: the dimension whose entries sum to 1; None picks one by the rank, with a warning.
        dtype: of the result; None keeps the input's.
    Returns:
        Tensor with the shape of `input`.
    Example:
        >>> clew.nn.functional.softmax(clew.zeros(2), dim=0).tolist()
        [0.5, 0.5]
    """
    return _ops.softmax(input, _implicit_dim("softmax", input.ndim) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """x - log(sum(exp(x))) along a dimension.

    Args:
        input: any shape, floating point.
        dim: the dimension whose exponentials sum to 1; None picks one by the rank, with a warning.
        dtype: of the result; None keeps the input's.
    Returns:
        Tensor with the shape of `input`.
    Example:
        >>> clew.nn.functional.log_softmax(clew.zeros(1), dim=0).tolist()
        [0.0]
    """
    return _ops.log_softmax(input, _implicit_dim("log_softmax", input.ndim) if dim is None else dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax(-x) along a dimension.

    Args:
        input: any shape, floating point.
        dim: the dimension whose entries sum to 1.
        dtype: of the result; None keeps the input's.
    Returns:
        Tensor with the shape of `input`.
    Example:
        >>> clew.nn.functional.softmin(clew.zeros(2), dim=0).tolist()
        [0.5, 0.5]
    """
    return _ops.softmax(-input, _implicit_dim("softmin", input.ndim) if dim is None else dim, dtype)


@_page_of_op
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.elu(_source(input, inplace), alpha), inplace)


@_page_of_op
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.selu(_source(input, inplace)), inplace)


@_page_of_op
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    if alpha == 0:
        raise ZeroDivisionError("celu: expected alpha other than 0, got 0")
    return _in_place(input, _ops.celu(_source(input, inplace), alpha), inplace)


@_page_of_op
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.mish(_source(input, inplace)), inplace)


@_page_of_op
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.hardtanh(_source(input, inplace), min_val, max_val), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x cut off at 0 and 6.

    Args:
        input: any shape.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.relu6(clew.tensor([-1.0, 3.0, 9.0])).tolist()
        [0.0, 3.0, 6.0]
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@_page_of_op
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.hardsigmoid(_source(input, inplace)), inplace)


@_page_of_op
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.hardswish(_source(input, inplace)), inplace)


@_page_of_op
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    return _in_place(input, _ops.threshold(_source(input, inplace), threshold, value), inplace)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow.

    Args:
        input: any shape, floating point.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.logsigmoid(clew.tensor([-1000.0])).tolist()
        [-1000.0]
    """
    return _ops.log_sigmoid(input)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky relu whose slope is drawn from U(lower, upper) in training, and their mean otherwise.

    Args:
        input: any shape, floating point.
        lower, upper: limits of the slope.
        training: draw a slope for each element.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: lower > upper.
    Reference:
        Xu et al. Empirical Evaluation of Rectified Activations. 2015. arXiv:1505.00853.
    Example:
        >>> clew.nn.functional.rrelu(clew.tensor([-2.0, 2.0]), 0.25, 0.75).tolist()
        [-1.0, 2.0]
    """
    if lower > upper:
        raise clew.ArgumentError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    x = _source(input, inplace)
    slope: Any = clew.rand_like(x) * (upper - lower) + lower if training else (lower + upper) / 2
    return _in_place(input, clew.where(x >= 0, x, x * slope), inplace)


def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample from the relaxed categorical distribution: softmax((logits + g) / tau), g from Gumbel(0, 1).

    Args:
        logits: any shape, floating point, not normalised.
        tau: the temperature.
        hard: one-hot values, whose gradient is that of the soft ones.
        eps: has no effect.
        dim: the dimension of the classes.
    Returns:
        Tensor with the shape of `logits`.
    Reference:
        Jang, Gu, Poole. Categorical Reparameterization with Gumbel-Softmax. 2016. arXiv:1611.01144.
    Example:
        >>> clew.nn.functional.gumbel_softmax(clew.zeros(3), hard=True).sum().item()
        1.0
    """
    # -log of an exponential variate; 1 - rand is never 0.
    noise = -(-(1 - clew.rand_like(logits)).log()).clamp(min=1e-38).log()
    soft = _ops.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    one_hot = clew.zeros_like(soft.detach()).scatter_(dim, index, clew.ones_like(soft.detach()))
    return one_hot - soft.detach() + soft


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """elu, in place."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """selu, in place."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """celu, in place."""
    return celu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """hardtanh, in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """threshold, in place."""
    return globals()["threshold"](input, threshold, value, inplace=True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """rrelu, in place."""
    return rrelu(input, lower, upper, training, inplace=True)


__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
    "threshold_",
]
