"""Intel's MKL, which this build does not compute with."""

from __future__ import annotations

from typing import Any

__all__ = ["is_available"]


def is_available() -> bool:
    """True when this build can use it."""
    return False


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.mkl", name)
