"""Data loading and other helpers."""

from __future__ import annotations

from typing import Any

import clew
from clew.utils import data, hooks

# For CMAKE_PREFIX_PATH: where `find_package(Clew)` finds the headers and the library of this package.
cmake_prefix_path: str = clew.__path__[0]

__all__ = ["checkpoint", "cmake_prefix_path", "cpp_extension", "data", "hooks", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in ("checkpoint", "cpp_extension", "tensorboard"):
        import importlib

        return importlib.import_module(f"clew.utils.{name}")
    from clew._missing import missing

    raise missing("utils", name)
