"""Pooling beyond the kernels for two dimensions: one and three dimensions, adaptive maxima, inverses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

_ops = _C.ops


def _tuple(op: str, name: str, value: Any, n: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * n
    values = tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise clew.ArgumentError(f"{op}: expected {name} as an int or {n} ints, got {value!r}")
    return values


def _check_rank(op: str, input: Tensor, n: int) -> None:
    if input.ndim not in (n + 1, n + 2):
        raise clew.ShapeError(
            f"{op}: expected input of {n + 1} or {n + 2} dimensions, got shape {list(input.shape)}"
        )


def _output_size(op: str, input: Tensor, output_size: Any, n: int) -> tuple[int, ...]:
    size = (output_size,) * n if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(size) == 1:
        size = size * n
    if len(size) != n:
        raise clew.ArgumentError(f"{op}: expected output_size as an int or {n} ints, got {output_size!r}")
    return tuple(input.shape[i - n] if s is None else s for i, s in enumerate(size))


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size: an int or a pair (height, width); so are `stride`, `padding` and `dilation`.
        stride: step of the window; None means `kernel_size`.
        padding: minus infinity on each side, at most half the kernel.
        dilation: distance between the window's points.
        ceil_mode: round the output size up instead of down.
        return_indices: also return where the maxima were, as positions in the flattened (H, W).
    Returns:
        Tensor of shape (..., OH, OW), OH = floor((H + 2*pH - dH*(kH - 1) - 1) / sH) + 1; with
        `return_indices` a pair of such tensors.
    Raises:
        clew.ShapeError: the window is larger than the padded image.
        ValueError: a parameter is out of range.
    Example:
        >>> clew.nn.functional.max_pool2d(clew.arange(16.0).reshape(1, 4, 4), 2).tolist()
        [[[5.0, 7.0], [13.0, 15.0]]]
    """
    if return_indices:
        return _ops.max_pool2d_with_indices(
            input, kernel_size, () if stride is None else stride, padding, dilation, ceil_mode
        )
    return _ops.max_pool2d(input, kernel_size, () if stride is None else stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """max_pool2d that also returns where each maximum was found.

    Args:
        input, kernel_size, stride, padding, dilation, ceil_mode: as in max_pool2d.
        return_indices: has no effect.
    Returns:
        (values, indices), both of shape (..., OH, OW); int64 positions in the flattened (H, W).
    Example:
        >>> x = clew.arange(16.0).reshape(1, 4, 4)
        >>> clew.nn.functional.max_pool2d_with_indices(x, 2)[1].tolist()
        [[[5, 7], [13, 15]]]
    """
    return _ops.max_pool2d_with_indices(
        input, kernel_size, () if stride is None else stride, padding, dilation, ceil_mode
    )


def _row_pool(op: Callable[..., Any], name: str, input: Tensor, params: dict[str, Any], *rest: Any) -> Any:
    """Calls a pooling op of two dimensions on signals, as images of one row."""
    _check_rank(name, input, 1)
    pairs = []
    for key, (value, neutral) in params.items():
        pairs.append((neutral, *_tuple(name, key, value, 1)) if value is not None else ())
    result = op(input.unsqueeze(-2), *pairs, *rest)
    if isinstance(result, tuple):
        return tuple(r.squeeze(-2) for r in result)
    return result.squeeze(-2)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window of a signal.

    Args:
        input: shape (N, C, L) or (C, L).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in max_pool2d.
    Returns:
        Tensor of shape (..., OL), or a pair of such tensors.
    Raises:
        clew.ShapeError: the window is larger than the padded signal.
    Example:
        >>> clew.nn.functional.max_pool1d(clew.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
        [[3.0, 2.0]]
    """
    params = {
        "kernel_size": (kernel_size, 1),
        "stride": (stride, 1),
        "padding": (padding, 0),
        "dilation": (dilation, 1),
    }
    op = _ops.max_pool2d_with_indices if return_indices else _ops.max_pool2d
    return _row_pool(op, "max_pool1d", input, params, ceil_mode)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a signal.

    Args:
        input: shape (N, C, L) or (C, L), floating point.
        kernel_size, stride, padding, ceil_mode, count_include_pad: as in avg_pool2d.
    Returns:
        Tensor of shape (..., OL).
    Raises:
        clew.ShapeError: the window is larger than the padded signal.
    Example:
        >>> clew.nn.functional.avg_pool1d(clew.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
        [[2.0, 1.0]]
    """
    params = {"kernel_size": (kernel_size, 1), "stride": (stride, 1), "padding": (padding, 0)}
    return _row_pool(_ops.avg_pool2d, "avg_pool1d", input, params, ceil_mode, count_include_pad)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows chosen so that the result has the given size.

    Args:
        input: shape (N, C, H, W) or (C, H, W), floating point.
        output_size: an int or a pair (height, width); None keeps the input's size there.
    Returns:
        Tensor of shape (..., OH, OW).
    Raises:
        clew.ShapeError: `input` has another rank, or an empty plane.
    Example:
        >>> clew.nn.functional.adaptive_avg_pool2d(clew.arange(16.0).reshape(1, 4, 4), 1).tolist()
        [[[7.5]]]
    """
    return _ops.adaptive_avg_pool2d(input, _output_size("adaptive_avg_pool2d", input, output_size, 2))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """adaptive_avg_pool2d for signals.

    Args:
        input: shape (N, C, L) or (C, L), floating point.
        output_size: an int.
    Returns:
        Tensor of shape (..., output_size).
    Example:
        >>> clew.nn.functional.adaptive_avg_pool1d(clew.arange(4.0).reshape(1, 4), 2).tolist()
        [[0.5, 2.5]]
    """
    _check_rank("adaptive_avg_pool1d", input, 1)
    size = _output_size("adaptive_avg_pool1d", input, output_size, 1)
    return _ops.adaptive_avg_pool2d(input.unsqueeze(-2), (1, *size)).squeeze(-2)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """adaptive_avg_pool2d for volumes.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W), floating point.
        output_size: an int or (depth, height, width); None keeps the input's size there.
    Returns:
        Tensor of shape (..., OD, OH, OW).
    Example:
        >>> clew.nn.functional.adaptive_avg_pool3d(clew.arange(8.0).reshape(1, 2, 2, 2), 1).tolist()
        [[[[3.5]]]]
    """
    _check_rank("adaptive_avg_pool3d", input, 3)
    size = _output_size("adaptive_avg_pool3d", input, output_size, 3)
    result = input.float() if input.dtype in (clew.float16, clew.bfloat16) else input
    for dim in (-1, -2, -3):
        result = _ops.resize_dim(result, dim, size[dim], "area")
    return result.to(input.dtype)


def _window_max(input: Tensor, tables: list[list[list[int]]]) -> tuple[Tensor, Tensor]:
    """Maxima over windows; tables[i][o] lists what output o covers along dimension i of the last ones.

    All lists of a dimension have one length; what is listed twice counts once.
    """
    n, rank = len(tables), input.ndim
    lead = list(input.shape[: rank - n])
    windows = input
    for i, table in enumerate(tables):
        index = clew.tensor([k for row in table for k in row], dtype=clew.int64, device=input.device)
        windows = windows.index_select(rank - n + i, index)
    shape = list(lead)
    for table in tables:
        shape += [len(table), len(table[0])]
    first = len(lead)
    order = [*range(first), *(first + 2 * i for i in range(n)), *(first + 2 * i + 1 for i in range(n))]
    outputs = [len(t) for t in tables]
    flat = windows.reshape(shape).permute(order).reshape(lead + outputs + [-1])
    values, at = flat.max(-1)
    # Position within the window, then within the input.
    position = clew.zeros_like(at)
    scale = 1
    for i in range(n - 1, -1, -1):
        table = tables[i]
        width = len(table[0])
        starts = clew.tensor([k for row in table for k in row], dtype=clew.int64, device=input.device)
        row = clew.arange(len(table), device=input.device).reshape([-1] + [1] * (n - 1 - i)) * width
        where = starts[row + at % width]
        position = position + where * scale
        at = at // width
        scale *= input.shape[rank - n + i]
    return values, position


def _adaptive_table(size: int, out: int) -> list[list[int]]:
    rows = [list(range(o * size // out, -(-(o + 1) * size // out))) for o in range(out)]
    width = max((len(r) for r in rows), default=1)
    return [r + [r[-1]] * (width - len(r)) for r in rows]


def _adaptive_max(name: str, input: Tensor, output_size: Any, n: int, return_indices: bool) -> Any:
    _check_rank(name, input, n)
    size = _output_size(name, input, output_size, n)
    if any(s < 0 for s in size):
        raise clew.ArgumentError(f"{name}: expected output_size >= 0, got {output_size}")
    if 0 in input.shape[-n - 1 :]:
        raise clew.ShapeError(f"{name}: expected sizes > 0 except for the batch, got {list(input.shape)}")
    if 0 in size:
        shape = [*input.shape[:-n], *size]
        empty = input.new_zeros(shape), clew.zeros(*shape, dtype=clew.int64, device=input.device)
        return empty if return_indices else empty[0]
    tables = [_adaptive_table(input.shape[i - n], size[i]) for i in range(n)]
    result = _window_max(input, tables)
    return result if return_indices else result[0]


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of windows chosen so that the result has the given length.

    Args:
        input: shape (N, C, L) or (C, L).
        output_size: an int.
        return_indices: also return where the maxima were.
    Returns:
        Tensor of shape (..., output_size), or a pair of such tensors.
    Example:
        >>> clew.nn.functional.adaptive_max_pool1d(clew.arange(4.0).reshape(1, 4), 2).tolist()
        [[1.0, 3.0]]
    """
    return _adaptive_max("adaptive_max_pool1d", input, output_size, 1, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of windows chosen so that the result has the given size.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        output_size: an int or (height, width); None keeps the input's size there.
        return_indices: also return where the maxima were, as positions in the flattened (H, W).
    Returns:
        Tensor of shape (..., OH, OW), or a pair of such tensors.
    Example:
        >>> clew.nn.functional.adaptive_max_pool2d(clew.arange(16.0).reshape(1, 4, 4), 1).tolist()
        [[[15.0]]]
    """
    return _adaptive_max("adaptive_max_pool2d", input, output_size, 2, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """adaptive_max_pool2d for volumes.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W).
        output_size: an int or (depth, height, width); None keeps the input's size there.
        return_indices: also return where the maxima were, as positions in the flattened (D, H, W).
    Returns:
        Tensor of shape (..., OD, OH, OW), or a pair of such tensors.
    Example:
        >>> clew.nn.functional.adaptive_max_pool3d(clew.arange(8.0).reshape(1, 2, 2, 2), 1).tolist()
        [[[[7.0]]]]
    """
    return _adaptive_max("adaptive_max_pool3d", input, output_size, 3, return_indices)


def _count(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    room = size + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)
    if room < 0:
        return 0
    n = room // s + 1
    # A last window that starts in the padding at the end is dropped.
    return n - 1 if ceil_mode and (n - 1) * s >= size + p else n


def _check_windows(name: str, input: Tensor, k: Any, s: Any, p: Any, d: Any) -> None:
    for label, values, least in (
        ("kernel_size", k, 1),
        ("stride", s, 1),
        ("padding", p, 0),
        ("dilation", d, 1),
    ):
        if any(v < least for v in values):
            raise clew.ArgumentError(f"{name}: expected {label} >= {least}, got {values}")
    if any(pad > (dil * (kernel - 1) + 1) // 2 for pad, dil, kernel in zip(p, d, k, strict=True)):
        raise clew.ArgumentError(
            f"{name}: expected padding of at most half the kernel's extent, got padding {p} (kernel_size {k})"
        )


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d for volumes.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in max_pool2d, an int or three.
    Returns:
        Tensor of shape (..., OD, OH, OW), or a pair of such tensors.
    Raises:
        clew.ShapeError: the window is larger than the padded volume.
    Example:
        >>> clew.nn.functional.max_pool3d(clew.arange(8.0).reshape(1, 2, 2, 2), 2).tolist()
        [[[[7.0]]]]
    """
    name = "max_pool3d"
    _check_rank(name, input, 3)
    k = _tuple(name, "kernel_size", kernel_size, 3)
    s = k if stride is None or stride == () else _tuple(name, "stride", stride, 3)
    p, d = _tuple(name, "padding", padding, 3), _tuple(name, "dilation", dilation, 3)
    _check_windows(name, input, k, s, p, d)
    tables = []
    for i in range(3):
        size = input.shape[i - 3]
        count = _count(size, k[i], s[i], p[i], d[i], ceil_mode)
        if count <= 0 or size == 0:
            raise clew.ShapeError(
                f"{name}: expected input at least as large as the window, got {list(input.shape)} ({k})"
            )
        rows = []
        for o in range(count):
            inside = [x for x in (o * s[i] - p[i] + j * d[i] for j in range(k[i])) if 0 <= x < size]
            rows.append(inside + [inside[-1]] * (k[i] - len(inside)))
        tables.append(rows)
    result = _window_max(input, tables)
    return result if return_indices else result[0]


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """avg_pool2d for volumes.

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W), floating point.
        kernel_size, stride, padding: as in avg_pool2d, an int or three.
        ceil_mode, count_include_pad, divisor_override: as in avg_pool2d.
    Returns:
        Tensor of shape (..., OD, OH, OW).
    Raises:
        clew.ShapeError: the window is larger than the padded volume.
    Example:
        >>> clew.nn.functional.avg_pool3d(clew.arange(8.0).reshape(1, 2, 2, 2), 2).tolist()
        [[[[3.5]]]]
    """
    name = "avg_pool3d"
    _check_rank(name, input, 3)
    if divisor_override == 0:
        raise clew.ArgumentError(f"{name}: expected divisor_override other than 0, got 0")
    k = _tuple(name, "kernel_size", kernel_size, 3)
    s = k if stride is None or stride == () else _tuple(name, "stride", stride, 3)
    p = _tuple(name, "padding", padding, 3)
    _check_windows(name, input, k, s, p, (1, 1, 1))
    batch = input if input.ndim == 5 else input.unsqueeze(0)
    n, c, depth, h, w = batch.shape
    planes = batch.reshape(n, c * depth, h, w)
    planes = _ops.avg_pool2d(planes, k[1:], s[1:], p[1:], ceil_mode, True, 1)
    oh, ow = planes.shape[2:]
    columns = planes.reshape(n, c, depth, oh * ow)
    sums = _ops.avg_pool2d(columns, (k[0], 1), (s[0], 1), (p[0], 0), ceil_mode, True, 1)
    sums = sums.reshape(n, c, sums.shape[2], oh, ow)
    if divisor_override is not None:
        result = sums / divisor_override
    else:
        result = sums
        for i in range(3):
            counts = []
            for o in range(sums.shape[2 + i]):
                start = o * s[i] - p[i]
                end = min(start + k[i], batch.shape[2 + i] + p[i])
                inside = min(end, batch.shape[2 + i]) - max(start, 0)
                counts.append(end - start if count_include_pad else inside)
            shape = [1] * 5
            shape[2 + i] = -1
            result = result / clew.tensor(counts, dtype=input.dtype, device=input.device).reshape(shape)
    return result if input.ndim == 5 else result.squeeze(0)


def _lp_pool(pool: Callable[..., Tensor], input: Tensor, norm_type: float, area: int, args: tuple) -> Tensor:
    out = pool(input.pow(norm_type), *args)
    return (out.sign() * out.abs().relu() * area).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) over each window of a signal.

    Args:
        input: shape (N, C, L) or (C, L), floating point.
        norm_type: p.
        kernel_size, stride, ceil_mode: as in avg_pool1d.
    Returns:
        Tensor of shape (..., OL).
    Example:
        >>> clew.nn.functional.lp_pool1d(clew.tensor([[3.0, 4.0]]), 2, 2).tolist()
        [[5.0]]
    """
    return _lp_pool(avg_pool1d, input, norm_type, kernel_size, (kernel_size, stride, 0, ceil_mode))


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) over each window of an image.

    Args:
        input: shape (N, C, H, W) or (C, H, W), floating point.
        norm_type: p.
        kernel_size, stride, ceil_mode: as in avg_pool2d.
    Returns:
        Tensor of shape (..., OH, OW).
    Example:
        >>> clew.nn.functional.lp_pool2d(clew.ones(1, 2, 2), 2, 2).tolist()
        [[[2.0]]]
    """
    kh, kw = _tuple("lp_pool2d", "kernel_size", kernel_size, 2)
    return _lp_pool(
        _ops.avg_pool2d,
        input,
        norm_type,
        kh * kw,
        (kernel_size, () if stride is None else stride, 0, ceil_mode),
    )


def _unpool(
    name: str, input: Tensor, indices: Tensor, k: Any, s: Any, p: Any, output_size: Any, n: int
) -> Tensor:
    _check_rank(name, input, n)
    if input.shape != indices.shape:
        raise clew.ShapeError(
            f"{name}: expected indices of the input's shape {list(input.shape)}, got {list(indices.shape)}"
        )
    k = _tuple(name, "kernel_size", k, n)
    s = k if s is None else _tuple(name, "stride", s, n)
    p = _tuple(name, "padding", p, n)
    size = [(input.shape[i - n] - 1) * s[i] - 2 * p[i] + k[i] for i in range(n)]
    if output_size is not None:
        size = list(output_size)[-n:]
    lead = list(input.shape[: input.ndim - n])
    total = 1
    for v in size:
        total *= v
    flat = clew.zeros(*lead, total, dtype=input.dtype, device=input.device)
    result = flat.scatter(-1, indices.flatten(-n), input.flatten(-n))
    return result.reshape(lead + size)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts maxima back to where max_pool1d found them, among zeros.

    Args:
        input, indices: shape (N, C, L) or (C, L), from max_pool1d with `return_indices`.
        kernel_size, stride, padding: those of max_pool1d.
        output_size: where the size is not (L - 1)*s - 2*p + k.
    Returns:
        Tensor of shape (..., OL).
    Example:
        >>> y, i = clew.nn.functional.max_pool1d(clew.tensor([[1.0, 3.0]]), 2, return_indices=True)
        >>> clew.nn.functional.max_unpool1d(y, i, 2).tolist()
        [[0.0, 3.0]]
    """
    return _unpool("max_unpool1d", input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts maxima back to where max_pool2d found them, among zeros.

    Args:
        input, indices: shape (N, C, H, W) or (C, H, W), from max_pool2d with `return_indices`.
        kernel_size, stride, padding: those of max_pool2d.
        output_size: where the size is not (H - 1)*s - 2*p + k.
    Returns:
        Tensor of shape (..., OH, OW).
    Example:
        >>> y, i = clew.nn.functional.max_pool2d(clew.eye(2)[None], 2, return_indices=True)
        >>> clew.nn.functional.max_unpool2d(y, i, 2).tolist()
        [[[1.0, 0.0], [0.0, 0.0]]]
    """
    return _unpool("max_unpool2d", input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts maxima back to where max_pool3d found them, among zeros.

    Args:
        input, indices: shape (N, C, D, H, W) or (C, D, H, W), from max_pool3d with `return_indices`.
        kernel_size, stride, padding: those of max_pool3d.
        output_size: where the size is not (D - 1)*s - 2*p + k.
    Returns:
        Tensor of shape (..., OD, OH, OW).
    Example:
        >>> x = clew.ones(1, 1, 1, 2)
        >>> y, i = clew.nn.functional.max_pool3d(x, (1, 1, 2), return_indices=True)
        >>> clew.nn.functional.max_unpool3d(y, i, (1, 1, 2)).tolist()
        [[[[1.0, 0.0]]]]
    """
    return _unpool("max_unpool3d", input, indices, kernel_size, stride, padding, output_size, 3)


__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]
