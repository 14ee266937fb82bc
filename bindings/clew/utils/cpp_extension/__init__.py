"""Building extensions in C++: at run time with `load` and `load_inline`, at install time with setuptools."""

from __future__ import annotations

from typing import Any

from clew.utils.cpp_extension._paths import CompileError, include_paths, library_paths
from clew.utils.cpp_extension.jit import load, load_inline

__all__ = [
    "BuildExtension",
    "CUDAExtension",
    "CompileError",
    "CppExtension",
    "include_paths",
    "library_paths",
    "load",
    "load_inline",
]


def __getattr__(name: str) -> Any:
    if name in ("BuildExtension", "CUDAExtension", "CppExtension"):  # they need setuptools
        from clew.utils.cpp_extension import setup_tools

        return getattr(setup_tools, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
