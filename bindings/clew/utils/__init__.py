"""Data loading and other helpers."""

from __future__ import annotations

from typing import Any

from clew.utils import data, hooks

__all__ = ["checkpoint", "cpp_extension", "data", "hooks", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in ("checkpoint", "cpp_extension", "tensorboard"):
        import importlib

        return importlib.import_module(f"clew.utils.{name}")
    from clew._missing import missing

    raise missing("utils", name)
