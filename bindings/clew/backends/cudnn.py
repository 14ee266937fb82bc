"""Switches of cuDNN: kept as they are set, and without effect where there is no CUDA.

Attributes:
    enabled: use cuDNN.
    benchmark: try several algorithms.
    deterministic: only repeatable algorithms.
    allow_tf32: lower precision of float32 convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "flags", "is_available", "version"]

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """True when this build can use cuDNN."""
    return False


def version() -> int | None:
    """Version of cuDNN; None where it is not available."""
    return None


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
    state = globals()
    old = {key: state[key] for key in new}
    state.update(new)
    try:
        yield
    finally:
        state.update(old)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.cudnn", name)
