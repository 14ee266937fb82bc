"""Every registered op by name, building blocks of other ops included; those of libraries below their names.

>>> clew.ops.exp is clew.exp
True
"""

from __future__ import annotations

import os
import sys
import types
from typing import TYPE_CHECKING, Any

from clew import _C

if TYPE_CHECKING:
    import pathlib

globals().update({name: getattr(_C.ops, name) for name in dir(_C.ops) if not name.startswith("__")})
__all__ = sorted(name for name in dir(_C.ops) if not name.startswith("__"))

# Ops that Python code defined (clew.library), by namespace.
_defined: dict[str, dict[str, Any]] = {}


def load_library(path: str | os.PathLike[str]) -> None:
    """Loads a shared library of ops; they appear as `clew.ops.<library>.<op>`.

    Args:
        path: a library that defines CLEW_LIBRARY (clew/extension.h). It stays loaded; a second call for the
            same file does nothing.
    Raises:
        clew.Error: the file is missing, or cannot be linked.
        ValueError: it has no CLEW_LIBRARY, or another library has its name.
    """
    _C._load_library(os.path.abspath(path), False)


def loaded_libraries() -> list[str]:
    """Names of the libraries whose ops are registered, from C++ or Python."""
    return sorted({*_defined, *(name for name, _ in _C._libraries())})


def write_stubs(library: str, folder: str | os.PathLike[str]) -> pathlib.Path:
    """Writes the type stub of a library that C++ registered, for editors and type checkers.

    Args:
        library: name of the library.
        folder: where `<library>.pyi` goes; `clew/ops` below a folder of stubs is where tools look for it.
    Returns:
        The path of the stub.
    Raises:
        ValueError: no library of that name is loaded.
    """
    from clew.utils._stubs import library_stub

    text = library_stub(_C.op_table(library))
    import pathlib  # here, because few programs need it

    path = pathlib.Path(folder) / f"{library}.pyi"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _add(namespace: str, name: str, op: Any) -> None:
    """Makes an op known as `clew.ops.<namespace>.<name>`."""
    if namespace in __all__:
        raise ValueError(f"ops: expected a namespace that is no op, got {namespace!r}")
    _defined.setdefault(namespace, {})[name] = op
    if namespace in globals():
        setattr(globals()[namespace], name, op)


def _namespace(name: str) -> types.ModuleType | None:
    """The module of a library, made when it is first asked for; None if there is none."""
    registered = _C._library_ops(name)
    if registered is None and name not in _defined:
        return None
    found = {**(registered or {}), **_defined.get(name, {})}
    full = f"{__name__}.{name}"
    module = types.ModuleType(full, f"Ops of the library {name}.")
    module.__dict__.update(found)
    sys.modules[full] = module
    globals()[name] = module
    return module


def _reload(path: str) -> None:
    """Loads a library that may take the place of one with the same name."""
    before = _C._libraries()
    _C._load_library(path, True)
    for name, _ in set(_C._libraries()) - set(before):
        globals().pop(name, None)
        sys.modules.pop(f"{__name__}.{name}", None)


def __getattr__(name: str) -> Any:
    module = None if name.startswith("__") else _namespace(name)
    if module is None:
        raise AttributeError(
            f"clew.ops: no op or library {name!r} (libraries: {', '.join(loaded_libraries()) or 'none'})"
        )
    return module


def __dir__() -> list[str]:
    return sorted({*globals(), *loaded_libraries()})
