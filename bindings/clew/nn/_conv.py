"""Convolutions as functions: padding may be given by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor
from clew.nn._pooling import _tuple

_ops = _C.ops


def _named_padding(
    name: str,
    op: Callable[..., Tensor],
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: str,
    dilation: Any,
    groups: int,
) -> Tensor:
    if padding == "valid":
        return op(input, weight, bias, stride, 0, dilation, groups)
    steps, gaps = _tuple(name, "stride", stride, n), _tuple(name, "dilation", dilation, n)
    if padding != "same" or any(s != 1 for s in steps):
        raise clew.ArgumentError(
            f"{name}: expected padding 'same' (stride 1), 'valid' or ints, got {padding!r} (stride {steps})"
        )
    if weight.ndim != n + 2:
        raise clew.ShapeError(f"{name}: expected weight of {n + 2} dimensions, got {list(weight.shape)}")
    total = [d * (k - 1) for d, k in zip(gaps, weight.shape[2:], strict=True)]
    # Where the sum of both sides is odd, the end gets one more.
    if any(t % 2 for t in total):
        input = _ops.pad(input, [side for t in reversed(total) for side in (0, t % 2)])
    return op(input, weight, bias, stride, [t // 2 for t in total], dilation, groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates signals with a bank of filters.

        out[n, o, x] = bias[o] + sum_{c, i} weight[o, c, i] * input[n, c', x*s - p + i*d]

    Args:
        input: shape (N, C, L) or (C, L), floating point.
        weight: shape (O, C / groups, k), dtype of `input`.
        bias: shape (O,), or None for 0.
        stride, dilation: an int.
        padding: zeros on each side; or "valid" (none), or "same" (result as long as the input, stride 1).
        groups: channels are split into this many independent groups.
    Returns:
        Tensor of shape (N, O, OL), OL = floor((L + 2*p - d*(k - 1) - 1) / s) + 1; without N as `input`.
    Raises:
        clew.ShapeError: channels do not match, or the kernel is larger than the padded signal.
        ValueError: a parameter is out of range.
    Example:
        >>> clew.nn.functional.conv1d(clew.ones(1, 1, 4), clew.ones(1, 1, 3)).tolist()
        [[[3.0, 3.0]]]
    """
    if isinstance(padding, str):
        return _named_padding(
            "conv1d", _ops.conv1d, 1, input, weight, bias, stride, padding, dilation, groups
        )
    return _ops.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates images with a bank of filters.

        out[n, o, y, x] = bias[o]
            + sum_{c, i, j} weight[o, c, i, j] * input[n, c', y*sH - pH + i*dH, x*sW - pW + j*dW]

    Args:
        input: shape (N, C, H, W) or (C, H, W), floating point.
        weight: shape (O, C / groups, kH, kW), dtype of `input`.
        bias: shape (O,), or None for 0.
        stride, dilation: an int or a pair (height, width).
        padding: the same, zeros on each side; or "valid" (none), or "same" (result as large as the input,
            stride 1).
        groups: channels are split into this many independent groups.
    Returns:
        Tensor of shape (N, O, OH, OW), OH = floor((H + 2*pH - dH*(kH - 1) - 1) / sH) + 1; no N without N.
    Raises:
        clew.ShapeError: channels do not match, or the kernel is larger than the padded image.
        ValueError: a parameter is out of range.
    Example:
        >>> x, w = clew.ones(1, 1, 3, 3), clew.ones(1, 1, 2, 2)
        >>> clew.nn.functional.conv2d(x, w).tolist()
        [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    if isinstance(padding, str):
        return _named_padding(
            "conv2d", _ops.conv2d, 2, input, weight, bias, stride, padding, dilation, groups
        )
    return _ops.conv2d(input, weight, bias, stride, padding, dilation, groups)


__all__ = ["conv1d", "conv2d"]
