"""The stateless operations behind the layers; each is one op with its own gradient."""

from __future__ import annotations

from typing import Any

from clew import _C, Tensor
from clew.nn._attention import multi_head_attention_forward

_ops = _C.ops

linear = _ops.linear
conv2d = _ops.conv2d
max_pool2d = _ops.max_pool2d
max_pool2d_with_indices = _ops.max_pool2d_with_indices
avg_pool2d = _ops.avg_pool2d
adaptive_avg_pool2d = _ops.adaptive_avg_pool2d
batch_norm = _ops.batch_norm
layer_norm = _ops.layer_norm
softmax = _ops.softmax
log_softmax = _ops.log_softmax
cross_entropy = _ops.cross_entropy
nll_loss = _ops.nll_loss
mse_loss = _ops.mse_loss
l1_loss = _ops.l1_loss
binary_cross_entropy_with_logits = _ops.binary_cross_entropy_with_logits
gelu = _ops.gelu
sigmoid = _ops.sigmoid
tanh = _ops.tanh
embedding = _ops.embedding
one_hot = _ops.one_hot
scaled_dot_product_attention = _ops.scaled_dot_product_attention


def _write_back(input: Tensor, op: Any, *args: Any) -> Tensor:
    # The op may save its input, which is about to change: it gets a copy.
    return input.copy_(op(input.clone(), *args))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), element by element.

    Args:
        input: any shape.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.relu(clew.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return input.relu_() if inplace else _ops.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x.

    Args:
        input: any shape, floating point.
        negative_slope: the factor below zero.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.leaky_relu(clew.tensor([-1.0, 2.0]), 0.5).tolist()
        [-0.5, 2.0]
    """
    if inplace:
        return _write_back(input, _ops.leaky_relu, negative_slope)
    return _ops.leaky_relu(input, negative_slope)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), element by element.

    Args:
        input: any shape, floating point.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Example:
        >>> clew.nn.functional.silu(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """
    return _write_back(input, _ops.silu) if inplace else _ops.silu(input)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes each element with probability p and scales the others by 1 / (1 - p).

    Args:
        input: any shape, floating point.
        p: probability of zero, in [0, 1].
        training: otherwise the result is `input`.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: p outside [0, 1].
    Reference:
        Hinton et al. Improving neural networks by preventing co-adaptation. 2012. arXiv:1207.0580.
    Example:
        >>> clew.nn.functional.dropout(clew.ones(2), 0.5, training=False).tolist()
        [1.0, 1.0]
    """
    if inplace and training:
        return _write_back(input, _ops.dropout, p, True)
    return _ops.dropout(input, p, training)


__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mse_loss",
    "multi_head_attention_forward",
    "nll_loss",
    "one_hot",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.functional", name)
