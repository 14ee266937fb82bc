"""Looking at and hooking into the tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from clew import _C

__all__ = [
    "MultiHandle",
    "Node",
    "NodeHookHandle",
    "TensorHookHandle",
    "disable_saved_tensors_hooks",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

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


class saved_tensors_hooks:
    """While active, `pack_hook` says how tensors are kept for backward, and `unpack_hook` makes them again.

    Args:
        pack_hook: called with each tensor that an operation saves; returns anything.
        unpack_hook: called with what `pack_hook` returned when backward reads it; returns an equal tensor.
    Example:
        >>> x = clew.tensor([2.0], requires_grad=True)
        >>> with clew.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), clew.from_numpy):
        ...     y = x * x
        >>> y.backward()
        >>> x.grad.tolist()
        [4.0]
    """

    def __init__(
        self, pack_hook: Callable[[_C.Tensor], Any], unpack_hook: Callable[[Any], _C.Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if _forbidden:
            raise RuntimeError(f"saved_tensors_hooks: expected them to be allowed, got {_forbidden[-1]}")
        _C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc_info: object) -> None:
        _C._pop_saved_tensors_hooks()


_forbidden: list[str] = []


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """While active, `saved_tensors_hooks` raises with this message."""
    _forbidden.append(error_message)
    try:
        yield
    finally:
        _forbidden.pop()


class save_on_cpu(saved_tensors_hooks):
    """While active, tensors that backward reads are kept on the CPU.

    Args:
        pin_memory: keep them in pinned memory.
        device_type: where they come from.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: _C.Tensor) -> tuple[_C.device, _C.Tensor]:
            if not pin_memory or tensor.device.type == "cpu":
                return tensor.device, tensor.cpu()
            return tensor.device, tensor.cpu().pin_memory()

        def unpack(packed: tuple[_C.device, _C.Tensor]) -> _C.Tensor:
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


def register_multi_grad_hook(
    tensors: Sequence[_C.Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> MultiHandle:
    """Calls `fn` when the gradients of several tensors are there.

    Args:
        tensors: require grad.
        fn: called with a list of gradients each time all of them have come.
        mode: all.
    Returns:
        A handle whose `remove()` takes the hooks off.
    Raises:
        ValueError: another mode.
    """
    if mode != "all":
        raise ValueError(f"register_multi_grad_hook: expected mode all, got {mode!r}")
    import threading

    lock, grads = threading.Lock(), {}
    count = len(tensors)

    def hook_of(i: int) -> Callable[[_C.Tensor], None]:
        def hook(grad: _C.Tensor) -> None:
            with lock:
                grads[i] = grad
                complete = len(grads) == count
                ready = [grads.get(k) for k in range(count)]
                if complete:
                    grads.clear()
            if complete:
                fn(ready)

        return hook

    return MultiHandle([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])


class MultiHandle:
    """Removes several hooks; also a context manager that does so on exit."""

    def __init__(self, handles: Sequence[TensorHookHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Removes the hooks."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> MultiHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("autograd.graph", name)
