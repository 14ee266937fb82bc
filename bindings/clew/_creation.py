"""Small functions of the namespace that are no ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from clew import _C

__all__ = [
    "asarray",
    "get_rng_state",
    "is_floating_point",
    "is_tensor",
    "nonzero",
    "numel",
    "set_rng_state",
    "from_numpy",
]

Tensor = _C.Tensor
from_numpy = _C.from_numpy


def is_tensor(obj: Any) -> bool:
    """True when `obj` is a Tensor.

    Example:
        >>> clew.is_tensor(clew.ones(1))
        True
    """
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """True when `input` has a floating dtype."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Number of elements of `input`."""
    return input.numel()


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `obj`; shares memory unless `copy` is True or a conversion is needed.

    Args:
        obj: a number, nested sequences, an array, a tensor, or what speaks DLPack or the buffer protocol.
        dtype, device: as for `tensor`.
        copy: True always copies; False never does; None does when it must.
        requires_grad: whether backward should reach the result.
    Raises:
        ValueError: `copy` is False and a copy would be needed.
    Example:
        >>> clew.asarray([1, 2]).tolist()
        [1, 2]
    """
    result = (_C.tensor if copy else _C.as_tensor)(obj, dtype=dtype, device=device)
    if copy is False and not _shows(result, obj):
        raise ValueError(
            f"asarray: expected memory that can be shared with copy=False, got {type(obj).__name__} "
            "(leave copy away)"
        )
    return result.requires_grad_() if requires_grad else result


def _shows(result: Tensor, obj: Any) -> bool:
    """Whether `result` lies in the memory of `obj`."""
    if isinstance(obj, Tensor):
        return result is obj or result.data_ptr() == obj.data_ptr()
    if hasattr(obj, "__array_interface__"):
        return obj.__array_interface__["data"][0] == result.data_ptr()
    return hasattr(obj, "__dlpack__")


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """Positions of the elements that are not 0, in row-major order.

    Args:
        input: shape (*) with d dimensions.
        as_tuple: d tensors of shape (n,), which index `input`, instead of one.
    Returns:
        int64 tensor of shape (n, d), or the tuple of its columns.
    Example:
        >>> clew.nonzero(clew.tensor([0, 3, 5])).tolist()
        [[1], [2]]
        >>> clew.nonzero(clew.tensor([0, 3, 5]), as_tuple=True)[0].tolist()
        [1, 2]
    """
    if as_tuple and input.ndim == 0:
        input = input.unsqueeze(0)  # a number counts as a vector of one here, so that the result indexes
    positions = _C.functions.nonzero(input)
    return positions.unbind(1) if as_tuple else positions


def get_rng_state() -> Tensor:
    """State of the default generator, for `set_rng_state`: 16 bytes, seed and offset."""
    state = np.array(_C.default_generator.get_state(), dtype=np.uint64)
    return _C.from_numpy(state.view(np.uint8))


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator where `get_rng_state` found it.

    Raises:
        TypeError: `new_state` is not a tensor of 16 bytes.
    """
    if not isinstance(new_state, Tensor) or new_state.dtype != _C.uint8 or new_state.numel() != 16:
        what = f"{tuple(new_state.shape)} {new_state.dtype}" if isinstance(new_state, Tensor) else new_state
        raise TypeError(f"set_rng_state: expected 16 bytes as a uint8 tensor, got {what}")
    seed, offset = new_state.contiguous().numpy().view(np.uint64).tolist()
    _C.default_generator.set_state((seed, offset))
