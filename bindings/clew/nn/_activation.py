"""Activation functions that are composed of other ops."""

from __future__ import annotations

import warnings
from typing import Any

import clew
from clew import _C, Tensor

_ops = _C.ops


def _in_place(input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    return input.copy_(result) if inplace else result


def _source(input: Tensor, inplace: bool) -> Tensor:
    # What the ops save must not be what is about to change.
    return input.clone() if inplace else input


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


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).

    Args:
        input: any shape, floating point.
        alpha: minus the limit at minus infinity.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Reference:
        Clevert, Unterthiner, Hochreiter. Exponential Linear Units. 2015. arXiv:1511.07289.
    Example:
        >>> clew.nn.functional.elu(clew.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return _in_place(input, _ops.elu(_source(input, inplace), alpha), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale * elu(x, alpha), with the constants that keep mean 0 and variance 1.

    Args:
        input: any shape, floating point.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Reference:
        Klambauer et al. Self-Normalizing Neural Networks. 2017. arXiv:1706.02515.
    Example:
        >>> round(clew.nn.functional.selu(clew.tensor([1.0])).item(), 4)
        1.0507
    """
    return _in_place(input, _ops.selu(_source(input, inplace)), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x / alpha) - 1).

    Args:
        input: any shape, floating point.
        alpha: minus the limit at minus infinity; not 0.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ZeroDivisionError: alpha is 0.
    Reference:
        Barron. Continuously Differentiable Exponential Linear Units. 2017. arXiv:1704.07483.
    Example:
        >>> clew.nn.functional.celu(clew.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    if alpha == 0:
        raise ZeroDivisionError("celu: expected alpha other than 0, got 0")
    return _in_place(input, _ops.celu(_source(input, inplace), alpha), inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.

    Args:
        input: any shape, floating point.
        beta: how sharp the bend is.
        threshold: above it the line is taken.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> round(clew.nn.functional.softplus(clew.zeros(1)).item(), 4)
        0.6931
    """
    return _ops.softplus(input, beta, threshold)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    Args:
        input: any shape, floating point.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Reference:
        Misra. Mish: A Self Regularized Non-Monotonic Activation Function. 2019. arXiv:1908.08681.
    Example:
        >>> clew.nn.functional.mish(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """
    return _in_place(input, _ops.mish(_source(input, inplace)), inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x cut off at min_val and max_val, where the gradient is 0.

    Args:
        input: any shape.
        min_val, max_val: the limits.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: min_val > max_val.
    Example:
        >>> clew.nn.functional.hardtanh(clew.tensor([-2.0, 0.5, 2.0])).tolist()
        [-1.0, 0.5, 1.0]
    """
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


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6.

    Args:
        input: any shape, floating point.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.hardsigmoid(clew.tensor([-3.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return _in_place(input, _ops.hardsigmoid(_source(input, inplace)), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * min(max(x + 3, 0), 6) / 6.

    Args:
        input: any shape, floating point.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Reference:
        Howard et al. Searching for MobileNetV3. 2019. arXiv:1905.02244.
    Example:
        >>> clew.nn.functional.hardswish(clew.tensor([-3.0, 0.0, 3.0])).tolist()
        [-0.0, 0.0, 3.0]
    """
    return _in_place(input, _ops.hardswish(_source(input, inplace)), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.

    Args:
        input: any shape, floating point.
        lambd: the threshold.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.hardshrink(clew.tensor([-1.0, 0.25])).tolist()
        [-1.0, 0.0]
    """
    return _ops.hardshrink(input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved by lambd towards 0, and 0 where |x| <= lambd.

    Args:
        input: any shape, floating point.
        lambd: the threshold, >= 0.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: lambd < 0.
    Example:
        >>> clew.nn.functional.softshrink(clew.tensor([-1.0, 0.25])).tolist()
        [-0.5, 0.0]
    """
    return _ops.softshrink(input, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    Args:
        input: any shape, floating point.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.tanhshrink(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """
    return _ops.tanhshrink(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    Args:
        input: any shape, floating point.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.softsign(clew.tensor([1.0])).tolist()
        [0.5]
    """
    return _ops.softsign(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value.

    Args:
        input: any shape.
        threshold: the limit.
        value: what stands below it.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.threshold(clew.tensor([0.5, 2.0]), 1.0, 9.0).tolist()
        [9.0, 2.0]
    """
    return _in_place(input, _ops.threshold(_source(input, inplace), threshold, value), inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of the input.

    Args:
        input: floating point, with an even size at `dim`.
        dim: the dimension that is halved.
    Returns:
        Tensor with half the size at `dim`.
    Raises:
        RuntimeError: the size at `dim` is odd.
    Reference:
        Dauphin et al. Language Modeling with Gated Convolutional Networks. 2016. arXiv:1612.08083.
    Example:
        >>> clew.nn.functional.glu(clew.tensor([2.0, 0.0])).tolist()
        [1.0]
    """
    return _ops.glu(input, dim)


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


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with one weight or one per channel.

    Args:
        input: shape (N, C, ...) or any, floating point.
        weight: one element, or shape (C,).
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        RuntimeError: another number of weights.
    Reference:
        He et al. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
    Example:
        >>> clew.nn.functional.prelu(clew.tensor([-2.0, 2.0]), clew.tensor([0.5])).tolist()
        [-1.0, 2.0]
    """
    return _ops.prelu(input, weight)


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
