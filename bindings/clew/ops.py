"""Every registered op by name, the building blocks of other ops included, and libraries of ops.

>>> clew.ops.exp is clew.exp
True
"""

from __future__ import annotations

import types
from typing import Any

from clew import _C

globals().update({name: getattr(_C.ops, name) for name in dir(_C.ops) if not name.startswith("__")})
__all__ = sorted(name for name in dir(_C.ops) if not name.startswith("__"))


class _Namespace(types.SimpleNamespace):
    """The ops of one library."""


_namespaces: dict[str, _Namespace] = {}


def _add(namespace: str, name: str, op: Any) -> None:
    """Makes an op known as `clew.ops.<namespace>.<name>`."""
    if namespace in __all__:
        raise ValueError(f"ops: expected a namespace that is no op, got {namespace!r}")
    setattr(_namespaces.setdefault(namespace, _Namespace()), name, op)


def __getattr__(name: str) -> Any:
    if name in _namespaces:
        return _namespaces[name]
    raise AttributeError(f"module 'clew.ops' has no op or library {name!r}")
