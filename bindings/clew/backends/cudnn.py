"""Switches of cuDNN: without effect where there is no CUDA.

Attributes:
    enabled: use cuDNN where it is installed; False takes Clew's own kernels.
    benchmark: try several algorithms.
    deterministic: only repeatable algorithms.
    allow_tf32: lower precision of float32 convolutions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from clew import _C

__all__ = [
    "allow_tf32",
    "benchmark",
    "deterministic",
    "enabled",
    "flags",
    "is_available",
    "problem",
    "version",
]

_SWITCHES = {
    "enabled": "cudnn",
    "benchmark": "cudnn_benchmark",
    "deterministic": "cudnn_deterministic",
    "allow_tf32": "cudnn_tf32",
}


class _Switches(ModuleType):
    """A module whose switches reach the backend when they are set."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SWITCHES:
            if not isinstance(value, bool):
                raise TypeError(f"backends.cudnn.{name}: expected a bool, got {type(value).__name__}")
            _C._set_library_switch(_SWITCHES[name], value)
        super().__setattr__(name, value)


enabled = True
benchmark = False
deterministic = False
allow_tf32 = True
sys.modules[__name__].__class__ = _Switches


def is_available() -> bool:
    """True when there is a CUDA device and cuDNN is installed."""
    return version() is not None


def version() -> int | None:
    """Version of cuDNN, such as 91900; None where it is not available."""
    return _C._cuda_library_version("cudnn")[0] or None


def problem() -> str:
    """What is missing for cuDNN and how to get it; empty where it is available."""
    return _C._cuda_library_version("cudnn")[1]


@contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """Sets all switches within a block."""
    new = {
        "enabled": enabled,
        "benchmark": benchmark,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }
    module = sys.modules[__name__]
    old = {key: getattr(module, key) for key in new}
    for key, value in new.items():
        setattr(module, key, value)
    try:
        yield
    finally:
        for key, value in old.items():
            setattr(module, key, value)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.cudnn", name)
