"""Functions on images: resampling, sliding windows as matrices, rearranging, sampling on a grid."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import clew
from clew import _C, Tensor
from clew.nn._pooling import _tuple

_ops = _C.ops


def _interpolated_size(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    n = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise clew.ArgumentError(
            f"interpolate: expected either size or scale_factor, got {size} and {scale_factor}"
        )
    if size is not None:
        if recompute:
            raise clew.ArgumentError(
                "interpolate: expected recompute_scale_factor only with scale_factor, got size"
            )
        sizes = [size] * n if isinstance(size, int) else [int(s) for s in size]
        if len(sizes) != n:
            raise clew.ArgumentError(f"interpolate: expected size as an int or {n} ints, got {size}")
        return sizes, [None] * n
    scales = list(scale_factor) if isinstance(scale_factor, tuple | list) else [scale_factor] * n
    if len(scales) != n:
        raise clew.ArgumentError(
            f"interpolate: expected scale_factor as a number or {n} numbers, got {scale_factor}"
        )
    sizes = [math.floor(float(input.shape[i + 2]) * scales[i]) for i in range(n)]
    return sizes, [None] * n if recompute else [float(s) for s in scales]


def _antialias(size: int, new_size: int, mode: str, corners: bool, factor: float | None) -> np.ndarray:
    """Weights (new_size, size) of a filter as wide as the distance of the samples."""
    if corners:
        scale = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    else:
        scale = 1 / factor if factor else size / new_size
    half = 1.0 if mode == "bilinear" else 2.0
    width = max(scale, 1.0)
    support = half * width
    weights = np.zeros((new_size, size))
    for i in range(new_size):
        center = scale * (i + 0.5)
        first = max(int(center - support + 0.5), 0)
        last = min(int(center + support + 0.5), size)
        x = np.abs((np.arange(first, last) - center + 0.5) / width)
        if mode == "bilinear":
            w = np.maximum(1 - x, 0)
        else:
            # Keys' cubic with a = -0.5.
            near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
            w = np.where(x < 1, near, np.where(x < 2, far, 0))
        weights[i, first:last] = w / w.sum()
    return weights


def _smoothed(
    input: Tensor, sizes: list[int], scales: list[float | None], mode: str, corners: bool
) -> Tensor:
    """interpolate with antialias."""
    dtype = input.dtype
    if input.ndim != 4:
        raise NotImplementedError(
            f"interpolate: expected input of 4 dimensions for mode {mode}, got shape {list(input.shape)}"
        )
    if any(s <= 0 for s in sizes) or 0 in input.shape[1:]:
        raise clew.ShapeError(
            f"interpolate: expected sizes > 0, got input {list(input.shape)} and output {sizes}"
        )
    # One rounding at the end instead of one per dimension.
    wide = dtype not in (clew.float32, clew.float64)
    if wide and dtype not in (clew.float16, clew.bfloat16, clew.uint8):
        raise clew.DTypeError(f"interpolate: expected a floating dtype or uint8, got {dtype}")
    result = input.float() if wide else input
    for i in range(len(sizes) - 1, -1, -1):
        weights = _antialias(input.shape[i + 2], sizes[i], mode, corners, scales[i])
        weights = clew.from_numpy(weights).to(result.dtype)
        # float32 sums, as elsewhere; a matrix, as each result reads few elements of a short dimension.
        result = (result.movedim(i + 2, -1) @ weights.mT).movedim(-1, i + 2)
    if dtype == clew.uint8:
        result = (result + 0.5).floor().clamp(0, 255)
    return result.to(dtype) if wide else result


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resamples signals, images or volumes to another size.

    Args:
        input: shape (N, C, L), (N, C, H, W) or (N, C, D, H, W), floating point or uint8.
        size: the new sizes, an int or one per dimension.
        scale_factor: instead of `size`, the new sizes as multiples of the old ones.
        mode: nearest, nearest-exact, linear (3-d), bilinear, bicubic (4-d), trilinear (5-d) or area.
        align_corners: the centres of corner elements stay in place, for the linear and cubic modes.
        recompute_scale_factor: sample by the ratio of the sizes, not by `scale_factor`.
        antialias: when sampling down, widen the filter of mode bilinear or bicubic to all that it skips.
    Returns:
        Tensor of shape (N, C, ...), dtype of `input`.
    Raises:
        ValueError: both or none of `size` and `scale_factor`, or options that the mode does not have.
        NotImplementedError: a mode for another rank.
    Example:
        >>> x = clew.tensor([[[1.0, 3.0]]])
        >>> clew.nn.functional.interpolate(x, scale_factor=2).tolist()
        [[[1.0, 1.0, 3.0, 3.0]]]
        >>> clew.nn.functional.interpolate(x, 3, mode="linear", align_corners=True).tolist()
        [[[1.0, 2.0, 3.0]]]
    """
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: expected antialias with mode bilinear or bicubic, got mode {mode!r}")
    sizes, scales = _interpolated_size(input, size, scale_factor, recompute_scale_factor)
    if antialias:
        return _smoothed(input, sizes, scales, mode, bool(align_corners))
    return _ops.resample(input, sizes, mode, align_corners, *scales)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, by its old name.

    Args:
        input, size, scale_factor, mode, align_corners: as in interpolate.
    Returns:
        Tensor of shape (N, C, ...).
    Example:
        >>> clew.nn.functional.upsample(clew.tensor([[[1.0]]]), scale_factor=2).tolist()
        [[[1.0, 1.0]]]
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates volumes with a bank of filters.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W), floating point.
        weight: shape (O, C / groups, kD, kH, kW), dtype of `input`.
        bias: shape (O,), or None for 0.
        stride, padding, dilation: an int or (depth, height, width); padding also "same" or "valid".
        groups: channels are split into this many independent groups.
    Returns:
        Tensor of shape (N, O, OD, OH, OW), or without N as `input`.
    Raises:
        clew.ShapeError: channels do not match, or the kernel is larger than the padded volume.
    Example:
        >>> clew.nn.functional.conv3d(clew.ones(1, 1, 2, 2, 2), clew.ones(1, 1, 2, 2, 2)).tolist()
        [[[[[8.0]]]]]
    """
    name = "conv3d"
    if weight.ndim != 5:
        raise clew.ShapeError(f"{name}: expected weight of 5 dimensions, got shape {list(weight.shape)}")
    if input.ndim not in (4, 5):
        raise clew.ShapeError(f"{name}: expected input of 4 or 5 dimensions, got shape {list(input.shape)}")
    s, d = _tuple(name, "stride", stride, 3), _tuple(name, "dilation", dilation, 3)
    if any(v < 1 for v in (*s, *d)):
        raise clew.ArgumentError(f"{name}: expected stride and dilation >= 1, got {s} and {d}")
    x = input if input.ndim == 5 else input.unsqueeze(0)
    kernel = weight.shape[2:]
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and s != (1, 1, 1)):
            raise clew.ArgumentError(
                f"{name}: expected padding 'same' (stride 1), 'valid' or ints, got {padding!r} (stride {s})"
            )
        total = [d[i] * (kernel[i] - 1) if padding == "same" else 0 for i in range(3)]
        x = _ops.pad(x, [v for t in reversed(total) for v in (t // 2, t - t // 2)])
        p = (0, 0, 0)
    else:
        p = _tuple(name, "padding", padding, 3)
        if any(v < 0 for v in p):
            raise clew.ArgumentError(f"{name}: expected padding >= 0, got {p}")
    # Depth becomes a part of the channels: each output depth sees the slices under its kernel.
    if p[0]:
        x = _ops.pad(x, [0, 0, 0, 0, p[0], p[0]])
    n, c, depth, h, w = x.shape
    count = (depth - d[0] * (kernel[0] - 1) - 1) // s[0] + 1
    if count <= 0:
        raise clew.ShapeError(
            f"{name}: expected input at least as large as the kernel, "
            f"got {list(input.shape)} and {list(kernel)}"
        )
    index = [o * s[0] + k * d[0] for o in range(count) for k in range(kernel[0])]
    slices = x.index_select(2, clew.tensor(index, dtype=clew.int64, device=x.device))
    slices = slices.reshape(n, c, count, kernel[0], h, w).permute(0, 2, 1, 3, 4, 5)
    flat = weight.reshape(weight.shape[0], -1, *kernel[1:])
    y = _ops.conv2d(slices.reshape(n * count, c * kernel[0], h, w), flat, bias, s[1:], p[1:], d[1:], groups)
    y = y.reshape(n, count, *y.shape[1:]).permute(0, 2, 1, 3, 4)
    return y.contiguous() if input.ndim == 5 else y.squeeze(0).contiguous()


def _window_index(size: int, k: int, d: int, p: int, s: int) -> tuple[list[int], int]:
    count = (size + 2 * p - d * (k - 1) - 1) // s + 1
    return [o * s + i * d for i in range(k) for o in range(count)], count


def _fold_params(name: str, k: Any, d: Any, p: Any, s: Any) -> list[tuple[int, ...]]:
    params = [
        _tuple(name, label, value, 2)
        for label, value in (("kernel_size", k), ("dilation", d), ("padding", p), ("stride", s))
    ]
    for label, values, least in zip(
        ("kernel_size", "dilation", "padding", "stride"), params, (1, 1, 0, 1), strict=True
    ):
        if any(v < least for v in values):
            raise clew.ArgumentError(f"{name}: expected {label} >= {least}, got {values}")
    return params


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Sliding windows of images as columns.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size, dilation, padding, stride: an int or a pair (height, width).
    Returns:
        Tensor of shape (N, C * kH * kW, L), L being the number of windows; without N as `input`.
    Raises:
        clew.ShapeError: no window fits.
    Example:
        >>> clew.nn.functional.unfold(clew.arange(4.0).reshape(1, 1, 2, 2), 2).tolist()
        [[[0.0], [1.0], [2.0], [3.0]]]
    """
    k, d, p, s = _fold_params("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise clew.ShapeError(
            f"unfold: expected input of shape (N, C, H, W) or (C, H, W), got {list(input.shape)}"
        )
    x = input if input.ndim == 4 else input.unsqueeze(0)
    rows, oh = _window_index(x.shape[2], k[0], d[0], p[0], s[0])
    columns, ow = _window_index(x.shape[3], k[1], d[1], p[1], s[1])
    if oh <= 0 or ow <= 0:
        raise clew.ShapeError(
            f"unfold: expected input at least as large as the kernel, got {list(input.shape)} (kernel {k})"
        )
    if p != (0, 0):
        x = _ops.pad(x, (p[1], p[1], p[0], p[0]))
    x = x.index_select(2, clew.tensor(rows, dtype=clew.int64, device=x.device))
    x = x.index_select(3, clew.tensor(columns, dtype=clew.int64, device=x.device))
    n, c = x.shape[:2]
    x = x.reshape(n, c, k[0], oh, k[1], ow).permute(0, 1, 2, 4, 3, 5).reshape(n, c * k[0] * k[1], oh * ow)
    return x if input.ndim == 4 else x.squeeze(0)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The transpose of unfold: adds columns into images where their windows were.

    Args:
        input: shape (N, C * kH * kW, L) or (C * kH * kW, L).
        output_size: (height, width) of the images.
        kernel_size, dilation, padding, stride: an int or a pair (height, width).
    Returns:
        Tensor of shape (N, C, height, width), or without N as `input`.
    Raises:
        clew.ShapeError: the sizes do not belong together.
    Example:
        >>> clew.nn.functional.fold(clew.ones(1, 4, 2), (2, 3), 2).tolist()
        [[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]
    """
    k, d, p, s = _fold_params("fold", kernel_size, dilation, padding, stride)
    size = _tuple("fold", "output_size", output_size, 2)
    if any(v < 1 for v in size):
        raise clew.ShapeError(f"fold: expected output_size >= 1, got {size}")
    if input.ndim not in (2, 3):
        raise clew.ShapeError(f"fold: expected input of 2 or 3 dimensions, got shape {list(input.shape)}")
    x = input if input.ndim == 3 else input.unsqueeze(0)
    rows, oh = _window_index(size[0], k[0], d[0], p[0], s[0])
    columns, ow = _window_index(size[1], k[1], d[1], p[1], s[1])
    n, m, length = x.shape
    if m == 0 or m % (k[0] * k[1]) or oh <= 0 or ow <= 0 or length != oh * ow:
        raise clew.ShapeError(
            f"fold: expected input of shape (N, C * {k[0] * k[1]}, {max(oh, 0) * max(ow, 0)}), "
            f"got {list(input.shape)}"
        )
    c = m // (k[0] * k[1])
    x = x.reshape(n, c, k[0], k[1], oh, ow).permute(0, 1, 2, 4, 3, 5).reshape(n, c, k[0] * oh, k[1] * ow)
    h, w = size[0] + 2 * p[0], size[1] + 2 * p[1]
    wide = clew.zeros(n, c, k[0] * oh, w, dtype=x.dtype, device=x.device)
    wide = wide.index_add(3, clew.tensor(columns, dtype=clew.int64, device=x.device), x)
    out = clew.zeros(n, c, h, w, dtype=x.dtype, device=x.device)
    out = out.index_add(2, clew.tensor(rows, dtype=clew.int64, device=x.device), wide)
    out = out[:, :, p[0] : h - p[0], p[1] : w - p[1]].contiguous()
    return out if input.ndim == 3 else out.squeeze(0)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Moves channels into space: (*, C * r^2, H, W) becomes (*, C, H * r, W * r).

    Args:
        input: at least 3 dimensions.
        upscale_factor: r.
    Returns:
        Tensor of shape (*, C, H * r, W * r).
    Raises:
        clew.ShapeError: r^2 does not divide the channels.
    Reference:
        Shi et al. Real-Time Single Image and Video Super-Resolution. 2016. arXiv:1609.05158.
    Example:
        >>> clew.nn.functional.pixel_shuffle(clew.arange(4.0).reshape(4, 1, 1), 2).tolist()
        [[[0.0, 1.0], [2.0, 3.0]]]
    """
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise clew.ShapeError(
            f"pixel_shuffle: expected input of shape (*, C * {r}^2, H, W) and a factor >= 1, "
            f"got {list(input.shape)} and {r}"
        )
    *lead, c, h, w = input.shape
    x = (
        input.reshape(-1, c // (r * r), r, r, h, w)
        if input.numel()
        else input.reshape(math.prod(lead), c // (r * r), r, r, h, w)
    )
    return x.permute(0, 1, 4, 2, 5, 3).reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Moves space into channels: (*, C, H * r, W * r) becomes (*, C * r^2, H, W).

    Args:
        input: at least 3 dimensions.
        downscale_factor: r.
    Returns:
        Tensor of shape (*, C * r^2, H, W).
    Raises:
        clew.ShapeError: r does not divide height and width.
    Example:
        >>> clew.nn.functional.pixel_unshuffle(clew.arange(4.0).reshape(1, 2, 2), 2).tolist()
        [[[0.0]], [[1.0]], [[2.0]], [[3.0]]]
    """
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-1] % r or input.shape[-2] % r:
        raise clew.ShapeError(
            f"pixel_unshuffle: expected input of shape (*, C, H * {r}, W * {r}) and a factor >= 1, "
            f"got {list(input.shape)} and {r}"
        )
    *lead, c, h, w = input.shape
    x = input.reshape(math.prod(lead), c, h // r, r, w // r, r)
    return x.permute(0, 1, 3, 5, 2, 4).reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleaves groups of channels.

    Args:
        input: shape (N, C, ...).
        groups: how many groups the channels are made of.
    Returns:
        Tensor with the shape of `input`.
    Raises:
        clew.ShapeError: `groups` does not divide the channels.
    Example:
        >>> clew.nn.functional.channel_shuffle(clew.arange(4.0).reshape(1, 4, 1), 2).flatten().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise clew.ShapeError(
            f"channel_shuffle: expected input (N, C, *) with C divisible by groups={groups}, "
            f"got {list(input.shape)}"
        )
    n, c = input.shape[:2]
    x = input.reshape(n, groups, c // groups, *input.shape[2:])
    return x.transpose(1, 2).reshape(input.shape)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Positions for grid_sample that an affine map of the unit square gives.

    Args:
        theta: shape (N, 2, 3), floating point.
        size: (N, C, H, W) of the sampled images.
        align_corners: -1 and 1 are the centres of the corner pixels, not the edges of the image.
    Returns:
        Tensor of shape (N, H, W, 2).
    Raises:
        ValueError: other shapes.
    Example:
        >>> identity = clew.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> clew.nn.functional.affine_grid(identity, (1, 1, 1, 2), align_corners=True).tolist()
        [[[[-1.0, 0.0], [1.0, 0.0]]]]
    """
    if len(size) != 4 or theta.ndim != 3 or tuple(theta.shape[1:]) != (2, 3):
        raise NotImplementedError(
            f"affine_grid: expected theta of shape (N, 2, 3) and size (N, C, H, W), "
            f"got {list(theta.shape)} and {list(size)}"
        )
    if align_corners is None:
        warnings.warn("affine_grid: expected align_corners; False is taken", stacklevel=2)
    n, _, h, w = size

    def line(count: int) -> Tensor:
        if count <= 1:
            return clew.zeros(count, dtype=theta.dtype, device=theta.device)
        at = clew.linspace(-1, 1, count, dtype=theta.dtype, device=theta.device)
        return at if align_corners else at * (count - 1) / count

    x, y = line(w).expand(h, w), line(h).unsqueeze(1).expand(h, w)
    base = clew.stack([x, y, clew.ones_like(x)], -1).reshape(1, h * w, 3).expand(n, h * w, 3)
    return base.bmm(theta.transpose(1, 2)).reshape(n, h, w, 2)


def _reflect(at: Tensor, low: float, high: float) -> Tensor:
    span = high - low
    if span <= 0:
        return at * 0
    at = (at - low).abs()
    extra = at.detach() - (at.detach() / span).floor() * span
    flips = ((at.detach() / span).floor() % 2) == 1
    # The value is `extra` or its mirror; the gradient is that of `at`.
    inside = at - (at.detach() - extra)
    return clew.where(flips, span - inside, inside) + low


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """Weights of the four points around a place `t` behind the second of them."""
    a = -0.75

    def near(d: Tensor) -> Tensor:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [weight.unsqueeze(1) for weight in (far(t + 1), near(t), near(1 - t), far(2 - t))]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Samples images at given positions.

    Args:
        input: shape (N, C, H, W), floating point.
        grid: shape (N, OH, OW, 2): (x, y) in [-1, 1] from edge to edge.
        mode: bilinear, nearest or bicubic (Keys' kernel with a = -0.75).
        padding_mode: what lies outside of the image: zeros, border or reflection.
        align_corners: -1 and 1 are the centres of the corner pixels, not the edges of the image.
    Returns:
        Tensor of shape (N, C, OH, OW).
    Raises:
        ValueError: an unknown mode.
        clew.ShapeError: other shapes.
    Reference:
        Jaderberg et al. Spatial Transformer Networks. 2015. arXiv:1506.02025.
    Example:
        >>> x = clew.tensor([[[[1.0, 3.0]]]])
        >>> clew.nn.functional.grid_sample(x, clew.zeros(1, 1, 1, 2), align_corners=True).tolist()
        [[[[2.0]]]]
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise clew.ArgumentError(f"grid_sample: expected mode bilinear, nearest or bicubic, got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise clew.ArgumentError(
            f"grid_sample: expected padding_mode zeros, border or reflection, got {padding_mode!r}"
        )
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or grid.shape[0] != input.shape[0]:
        raise clew.ShapeError(
            f"grid_sample: expected input (N, C, H, W) and grid (N, OH, OW, 2), "
            f"got {list(input.shape)} and {list(grid.shape)}"
        )
    if align_corners is None:
        warnings.warn("grid_sample: expected align_corners; False is taken", stacklevel=2)
    n, c, h, w = input.shape
    oh, ow = grid.shape[1:3]

    def place(at: Tensor, size: int) -> Tensor:
        return (at + 1) / 2 * (size - 1) if align_corners else ((at + 1) * size - 1) / 2

    def padded(at: Tensor, size: int) -> Tensor:
        if padding_mode == "reflection":
            at = _reflect(at, 0.0, size - 1.0) if align_corners else _reflect(at, -0.5, size - 0.5)
        return at if padding_mode == "zeros" else at.clamp(0, size - 1)

    x, y = place(grid[..., 0], w), place(grid[..., 1], h)
    flat = input.reshape(n, c, h * w)

    def take(ix: Tensor, iy: Tensor) -> Tensor:
        inside = (ix >= 0) & (ix <= w - 1) & (iy >= 0) & (iy <= h - 1)
        at = iy.clamp(0, h - 1).long() * w + ix.clamp(0, w - 1).long()
        index = at.reshape(n, 1, oh * ow).expand(n, c, oh * ow)
        values = flat.gather(2, index).reshape(n, c, oh, ow)
        return clew.where(inside.unsqueeze(1), values, 0)

    if mode == "bicubic":
        x0, y0 = x.detach().floor(), y.detach().floor()
        across, down = _cubic_weights(x - x0), _cubic_weights(y - y0)
        rows = []
        for k in range(4):
            iy = padded(y0 + (k - 1), h)
            taps = [take(padded(x0 + (i - 1), w), iy) * across[i] for i in range(4)]
            rows.append((taps[0] + taps[1] + taps[2] + taps[3]) * down[k])
        return rows[0] + rows[1] + rows[2] + rows[3]
    x, y = padded(x, w), padded(y, h)
    if mode == "nearest":
        return take(x.detach().round(), y.detach().round())
    x0, y0 = x.detach().floor(), y.detach().floor()
    wx, wy = (x - x0).unsqueeze(1), (y - y0).unsqueeze(1)
    top = take(x0, y0) * (1 - wx) + take(x0 + 1, y0) * wx
    bottom = take(x0, y0 + 1) * (1 - wx) + take(x0 + 1, y0 + 1) * wx
    return top * (1 - wy) + bottom * wy


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distances between all pairs of rows.

    Args:
        input: shape (N, M), floating point.
        p: which norm, not negative.
    Returns:
        Tensor of shape (N * (N - 1) / 2,): of rows 0 and 1, 0 and 2, ..., 1 and 2, ...
    Raises:
        clew.ShapeError: not a matrix.
        ValueError: a negative p.
    Example:
        >>> clew.nn.functional.pdist(clew.tensor([[0.0], [3.0], [1.0]])).tolist()
        [3.0, 1.0, 2.0]
    """
    if input.dim() != 2:
        raise clew.ShapeError(f"pdist: expected shape (N, M), got {tuple(input.shape)}")
    if p < 0:
        raise ValueError(f"pdist: expected p >= 0, got {p}")
    i, j = clew.triu_indices(input.shape[0], input.shape[0], 1)
    return _ops.linalg_vector_norm(input[i] - input[j], float(p), -1)


__all__ = [
    "affine_grid",
    "channel_shuffle",
    "conv3d",
    "fold",
    "grid_sample",
    "pdist",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
    "upsample",
]
