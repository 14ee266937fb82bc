"""Looking at and hooking into the tape."""

from __future__ import annotations

from typing import Any

from clew import _C

__all__ = ["Node", "NodeHookHandle", "TensorHookHandle"]

Node = _C.Node


class TensorHookHandle:
    """Removes a hook of a tensor; also a context manager that does so on exit."""

    def __init__(self, tensor: _C.Tensor, key: int) -> None:
        self._tensor = tensor
        self.id = key

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        if self._tensor is not None:
            _C._remove_hook(self._tensor, self.id)
            self._tensor = None

    def __enter__(self) -> TensorHookHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


class NodeHookHandle(TensorHookHandle):
    """Removes a hook of a node."""

    def __init__(self, node: _C.Node, key: int) -> None:
        self._tensor = node
        self.id = key

    def remove(self) -> None:
        if self._tensor is not None:
            self._tensor._remove_hook(self.id)
            self._tensor = None


def _register_hook(self, hook):
    """Calls `hook(grad_inputs, grad_outputs)` after the node ran; a returned tuple replaces grad_inputs."""
    return NodeHookHandle(self, self._register_hook(hook))


def _register_prehook(self, hook):
    """Calls `hook(grad_outputs)` before the node runs; a returned tuple replaces them."""
    return NodeHookHandle(self, self._register_prehook(hook))


Node.register_hook = _register_hook
Node.register_prehook = _register_prehook


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("autograd.graph", name)
