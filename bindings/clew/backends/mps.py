"""Apple's GPUs, which this build does not compute with."""

from __future__ import annotations

from typing import Any

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """True when this build can use it."""
    return False


def is_built() -> bool:
    """True when this build has it in it."""
    return False


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.mps", name)
