"""Where the headers, the library and the compilers are."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

__all__ = ["CompileError", "compiler", "cuda_compiler", "include_paths", "library_paths", "shared_library"]

# What every source of an extension is compiled with; the public headers need C++20.
FLAGS = [
    "-std=c++20",
    "-O2",
    "-g0",
    "-DNDEBUG",
    "-fPIC",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
]


class CompileError(RuntimeError):
    """An extension did not compile; the message has the compiler's own and its command."""

    __module__ = "clew.utils.cpp_extension"


def _package() -> Path:
    import clew

    return Path(clew.__path__[0])


def include_paths() -> list[str]:
    """Folders of the C++ headers, to be given to the compiler with -I.

    Raises:
        RuntimeError: the package came without its headers.
    Example:
        >>> import pathlib
        >>> (pathlib.Path(clew.utils.cpp_extension.include_paths()[0]) / "clew" / "extension.h").is_file()
        True
    """
    installed = _package() / "include"
    # In a build tree the package is a folder of links into the source tree, which has the headers.
    source = Path(__file__).resolve().parents[4] / "include"
    for folder in (installed, source):
        if (folder / "clew" / "extension.h").is_file():
            return [str(folder)]
    raise RuntimeError(f"include_paths: expected headers in {installed}, found none (install Clew again)")


def library_paths() -> list[str]:
    """Folders of libclew, to be given to the linker with -L and -rpath."""
    return [str(shared_library().parent)]


def shared_library() -> Path:
    """The shared library that extensions link with."""
    # The versioned name first: the plain one may be a linker script.
    found = sorted((_package() / "lib").glob("libclew.so*"), key=lambda p: -len(p.name))
    if not found:
        raise RuntimeError(f"libclew: expected it in {_package() / 'lib'}, found none (install Clew again)")
    return found[0]


@functools.cache
def compiler() -> str:
    """The C++ compiler: $CXX, or the first of c++, g++, clang++ on PATH.

    Raises:
        RuntimeError: there is none.
    """
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in wanted:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        f"cpp_extension: expected a C++ compiler ({', '.join(wanted)}) on PATH, found none "
        f"(install g++, or set CXX)"
    )


def cuda_compiler(what: str) -> str:
    """nvcc, from $CUDA_HOME or PATH.

    Raises:
        RuntimeError: there is none.
    """
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    path = shutil.which("nvcc", path=os.path.join(home, "bin")) if home else None
    path = path or shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if path is None:
        raise RuntimeError(
            f"{what}: expected nvcc in $CUDA_HOME/bin, on PATH or in /usr/local/cuda/bin, found none "
            f"(install the CUDA toolkit, or leave the .cu sources out)"
        )
    return path


def cuda_flags(flags: list[str]) -> list[str]:
    """The same flags as nvcc takes them: those of the host compiler behind -Xcompiler."""
    out = []
    for flag in flags:
        own = flag.startswith(("-std", "-O", "-D", "-I"))
        out += [flag] if own else ["-Xcompiler", flag]
    return out
