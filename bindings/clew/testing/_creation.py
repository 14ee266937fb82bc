"""Tensors to test with."""

from __future__ import annotations

import math
from typing import Any

import clew
from clew import Tensor

__all__ = ["make_tensor"]


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random values from [low, high).

    Args:
        shape: the sizes, as one tuple or several ints.
        dtype: any; the bounds default to [-9, 9) for floating dtypes, [-9, 10) for signed integers, [0, 10)
            for uint8, [0, 2) for bool.
        device: where.
        low, high: see above.
        requires_grad: for floating dtypes.
        noncontiguous: leave gaps between the elements in memory.
        exclude_zero: put the smallest step away from zero in place of zeros.
        memory_format: accepted when it is None; excludes `noncontiguous` otherwise.
    Raises:
        ValueError: low >= high.
    Example:
        >>> list(clew.testing.make_tensor((2, 3), dtype=clew.int64).shape)
        [2, 3]
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError("make_tensor: expected noncontiguous or memory_format, got both")
    floating = dtype.is_floating_point
    if dtype == clew.bool:
        lowest, highest = 0, 2
    elif floating:
        limit = clew.finfo(dtype).max
        lowest, highest = -9, 9
    else:
        lowest, highest = (0 if dtype == clew.uint8 else -9), 10
    low = lowest if low is None else low
    high = highest if high is None else high
    if floating:
        low, high = max(float(low), -limit), min(float(high), limit)
    if math.isnan(low) or math.isnan(high) or low >= high:
        raise ValueError(f"make_tensor: expected low < high, got low={low}, high={high}")
    if requires_grad and not floating:
        raise ValueError(f"make_tensor: expected a floating dtype with requires_grad, got {dtype}")
    wide = (*size[:-1], 2 * size[-1]) if noncontiguous and size and math.prod(size) > 1 else size
    if floating:
        exact = clew.float64 if dtype == clew.float64 else clew.float32
        result = clew.rand(*wide, dtype=exact).mul_(high - low).add_(low).to(dtype)
        result = result.masked_fill_(result >= high, low)  # rounded up to the bound
    else:
        result = clew.randint(math.ceil(low), math.ceil(high), wide, dtype=clew.int64).to(dtype)
    if device is not None:
        result = result.to(device)
    if wide is not size:
        result = result[..., ::2]
    if exclude_zero:
        step = clew.finfo(dtype).tiny if floating else 1
        result = result.masked_fill_(result == 0, step)
    return result.requires_grad_() if requires_grad else result
