"""Ranges in the traces of NVIDIA's tools; nothing reads them without CUDA."""

from __future__ import annotations

from typing import Any

__all__ = ["mark", "range_pop", "range_push"]

_depth = [0]


def range_push(msg: str) -> int:
    """Opens a range and returns its depth."""
    _depth[0] += 1
    return _depth[0] - 1


def range_pop() -> int:
    """Closes the innermost range and returns its depth."""
    _depth[0] = max(0, _depth[0] - 1)
    return _depth[0]


def mark(msg: str) -> None:
    """Marks a moment."""


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("cuda.nvtx", name)
