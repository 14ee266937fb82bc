"""The stateless operations behind the layers; each is one op with its own gradient."""

from __future__ import annotations

from typing import Any

from clew import _C, Tensor
from clew.nn import _activation, _conv, _losses, _losses_more, _norms, _pooling, _vision
from clew.nn._activation import *  # noqa: F403
from clew.nn._attention import multi_head_attention_forward
from clew.nn._conv import *  # noqa: F403
from clew.nn._losses import *  # noqa: F403
from clew.nn._losses_more import *  # noqa: F403
from clew.nn._norms import *  # noqa: F403
from clew.nn._pooling import *  # noqa: F403
from clew.nn._vision import *  # noqa: F403

_ops = _C.ops

linear = _ops.linear
conv_transpose1d = _ops.conv_transpose1d
conv_transpose2d = _ops.conv_transpose2d
avg_pool2d = _ops.avg_pool2d
pad = _ops.pad
batch_norm = _ops.batch_norm
layer_norm = _ops.layer_norm
normalize = _ops.normalize
cosine_similarity = _ops.cosine_similarity
gelu = _ops.gelu
sigmoid = _ops.sigmoid
tanh = _ops.tanh
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


def relu_(input: Tensor) -> Tensor:
    """relu, in place."""
    return input.relu_()


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """leaky_relu, in place."""
    return leaky_relu(input, negative_slope, inplace=True)


__all__ = [
    *_activation.__all__,
    *_conv.__all__,
    *_losses.__all__,
    *_losses_more.__all__,
    *_norms.__all__,
    *_pooling.__all__,
    *_vision.__all__,
    "avg_pool2d",
    "batch_norm",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "dropout",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "multi_head_attention_forward",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu_",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "tanh",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.functional", name)
