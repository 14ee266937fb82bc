"""OpenBLAS, which computes matrix products on the CPU."""

from __future__ import annotations

from typing import Any

__all__ = ["is_available"]


def is_available() -> bool:
    """True: every build has it."""
    return True


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.openblas", name)
