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


def asarray(obj: Any, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of `obj`; shares memory unless `copy` is True or a conversion is needed."""
    make = _C.tensor if copy else _C.as_tensor
    return make(obj, dtype=dtype, device=device)


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
