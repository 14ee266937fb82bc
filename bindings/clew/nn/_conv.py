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


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of conv3d: each element of the input adds a scaled kernel to the result.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W), floating point.
        weight: shape (C, O / groups, kD, kH, kW), dtype of `input`.
        bias: shape (O,), or None for 0.
        stride, padding, dilation: of the convolution that is transposed; an int or three.
        output_padding: added at the end of the result, less than stride or dilation; an int or three.
        groups: channels are split into this many independent groups.
    Returns:
        Tensor of shape (N, O, OD, OH, OW), OD = (D - 1)*s - 2*p + d*(kD - 1) + output_padding + 1; no N
        without N.
    Raises:
        clew.ShapeError: channels do not match.
        ValueError: a parameter is out of range.
    Example:
        >>> x, w = clew.ones(1, 1, 1, 1, 1), clew.ones(1, 2, 2, 2, 2)
        >>> clew.nn.functional.conv_transpose3d(x, w).shape
        clew.Size([1, 2, 2, 2, 2])
    """
    name = "conv_transpose3d"
    if input.dim() not in (4, 5) or weight.dim() != 5:
        raise clew.ShapeError(
            f"{name}: expected input of 4 or 5 and weight of 5 dimensions, got {tuple(input.shape)} and "
            f"{tuple(weight.shape)}"
        )
    s, p, o, d = (
        _tuple(name, what, value, 3)
        for what, value in (
            ("stride", stride),
            ("padding", padding),
            ("output_padding", output_padding),
            ("dilation", dilation),
        )
    )
    if min(s) < 1 or min(d) < 1 or min(p) < 0 or min(o) < 0 or groups < 1:
        raise ValueError(
            f"{name}: expected stride, dilation and groups >= 1 and paddings >= 0, got stride {s}, "
            f"dilation {d}, groups {groups}, padding {p}, output_padding {o}"
        )
    if any(extra >= max(step, gap) for extra, step, gap in zip(o, s, d, strict=True)):
        raise ValueError(
            f"{name}: expected output_padding less than stride or dilation, got {o} (stride {s}, "
            f"dilation {d})"
        )
    x = input if input.dim() == 5 else input.unsqueeze(0)
    channels, kernel = weight.shape[0], weight.shape[2:]
    if x.shape[1] != channels or channels % groups:
        raise clew.ShapeError(
            f"{name}: expected {channels} channels, which {groups} groups divide, got {x.shape[1]}"
        )
    sizes = x.shape[2:]
    if any(
        (n - 1) * step - 2 * pad + gap * (k - 1) + extra + 1 < 1
        for n, step, pad, gap, k, extra in zip(sizes, s, p, d, kernel, o, strict=True)
    ):
        raise ValueError(f"{name}: expected a result with elements, got none (input {tuple(input.shape)})")
    if any(step > 1 for step in s):
        spread = x.new_zeros(*x.shape[:2], *((n - 1) * step + 1 for n, step in zip(sizes, s, strict=True)))
        spread[:, :, :: s[0], :: s[1], :: s[2]] = x
        x = spread
    sides = []
    for pad, gap, k, extra in reversed(list(zip(p, d, kernel, o, strict=True))):
        around = gap * (k - 1) - pad
        sides += [around, around + extra]
    x = _ops.pad(x, sides)
    per_group = weight.shape[1]
    turned = weight.reshape(groups, channels // groups, per_group, *kernel).transpose(1, 2)
    turned = turned.reshape(groups * per_group, channels // groups, *kernel).flip((2, 3, 4))
    from clew.nn._vision import conv3d

    out = conv3d(x, turned, bias, 1, 0, d, groups)
    return out if input.dim() == 5 else out.squeeze(0)


__all__ = ["conv1d", "conv2d", "conv_transpose3d"]
