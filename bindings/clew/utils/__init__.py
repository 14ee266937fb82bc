"""Data loading and other helpers."""

from __future__ import annotations

from typing import Any

from clew.utils import data, hooks

__all__ = ["data", "hooks"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("utils", name)
