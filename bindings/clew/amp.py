"""Mixed precision: `autocast`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from clew import _C

__all__ = ["autocast", "get_autocast_dtype", "is_autocast_available", "is_autocast_enabled"]


def is_autocast_available(device_type: str) -> bool:
    """True when `autocast` works for the device type."""
    if device_type not in ("cpu", "cuda"):
        raise ValueError(f"is_autocast_available: expected device_type 'cpu' or 'cuda', got {device_type!r}")
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """True inside an enabled `autocast` of this thread."""
    return is_autocast_available(device_type) and _C._autocast_dtype() is not None


def get_autocast_dtype(device_type: str = "cpu") -> _C.dtype:
    """The dtype that the innermost `autocast` of this thread casts to; bfloat16 outside."""
    is_autocast_available(device_type)
    return _C._autocast_dtype() or _C.bfloat16


class autocast:
    """Runs matrix products and convolutions in a 16-bit dtype, and what needs range or precision in float32.

    Ops whose results suffer little get their float32 arguments cast to `dtype`; losses, softmax and norms get
    16-bit arguments cast to float32; the rest takes what comes. Casts are recorded, so gradients arrive in
    the dtype of the parameters. In-place ops are left alone. A context manager and a decorator, per thread.

    Args:
        device_type: "cpu"; "cuda" does nothing, with a warning, where there is no CUDA.
        dtype: bfloat16 (default) or float16.
        enabled: False shields a part from an autocast around it.
        cache_enabled: cast each parameter once per context.
    Raises:
        ValueError: unknown device type or dtype.
    Example:
        >>> with clew.amp.autocast("cpu"):
        ...     y = clew.ones(2, 3) @ clew.ones(3, 2)
        >>> y.dtype
        clew.bfloat16
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: _C.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"autocast: expected device_type 'cpu' or 'cuda', got {device_type!r}")
        if enabled and not is_autocast_available(device_type):
            warnings.warn(
                "autocast: expected a CUDA device, got none; nothing is cast", UserWarning, stacklevel=2
            )
            enabled = False
        self.device = device_type
        self.dtype = _C.bfloat16 if dtype is None else dtype
        if enabled and self.dtype not in (_C.bfloat16, _C.float16):
            raise ValueError(f"autocast: expected dtype bfloat16 or float16, got {self.dtype}")
        self.enabled = enabled
        self.cache_enabled = cache_enabled is None or cache_enabled
        self._active: list[Any] = []

    def __enter__(self) -> autocast:
        # An autocast for a device that is not there leaves one of the CPU in force.
        applies = is_autocast_available(self.device)
        scope = _C._Autocast(self.dtype, self.enabled, self.cache_enabled) if applies else None
        self._active.append(scope)
        return self

    def __exit__(self, *exc_info: object) -> None:
        scope = self._active.pop()
        if scope is not None:
            scope.end()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.dtype, self.enabled, self.cache_enabled):
                return function(*args, **kwargs)

        return wrapped
