"""Calling a module with hooks around forward and backward, and the note on its exceptions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clew import Tensor
from clew.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from clew.nn.modules.module import Module

__all__ = ["HookMethods"]


class _Hooks(OrderedDict):
    """Hooks by handle id. A dict subclass, because handles refer to it weakly."""


class _ModuleNote(str):
    """The note on an exception that names a module; remembers how far up the path has been built."""

    module: Module
    path: str
    kind: str

    def __reduce__(self) -> tuple:
        return (str, (str(self),))


def _relative_name(parent: Module, child: Module) -> str:
    for name, module in parent.named_modules():
        if module is child:
            return name
    return f"<{type(child).__name__}>"


def _note_module(module: Module, error: BaseException) -> None:
    """Extends the note of an exception that passes through `module`, from the innermost outwards."""
    notes = getattr(error, "__notes__", None)
    index = -1
    path, kind = "", type(module).__name__
    if notes is not None:
        for i, old in enumerate(notes):
            if type(old) is _ModuleNote:
                index, kind = i, old.kind
                first = "" if old.module is module else _relative_name(module, old.module)
                path = ".".join(part for part in (first, old.path) if part)
    note = _ModuleNote(f"in module {path} ({kind})" if path else f"in module ({kind})")
    note.module, note.path, note.kind = module, path, kind
    if index >= 0:
        notes[index] = note
    else:
        error.add_note(note)


def _replace_tensors(value: Any, tensors: dict[int, Tensor]) -> Any:
    """`value` with the tensors of these ids replaced, within tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return tensors.get(id(value), value)
    if isinstance(value, tuple):
        items = [_replace_tensors(item, tensors) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [_replace_tensors(item, tensors) for item in value]
    if isinstance(value, dict):
        return type(value)((key, _replace_tensors(item, tensors)) for key, item in value.items())
    return value


def _tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [tensor for item in value for tensor in _tensors_in(item)]


def _identity(tensors: list[Tensor], on_backward: Callable[[tuple], tuple]) -> list[Tensor]:
    """The same tensors behind one node of the tape, which hands their gradients to a function."""
    from clew.autograd import Function

    class ModuleHook(Function):
        @staticmethod
        def forward(ctx: Any, *args: Tensor) -> Any:
            ctx.set_materialize_grads(False)
            return args

        @staticmethod
        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            return on_backward(grads)

    return list(ModuleHook.apply(*tensors))


class _BackwardCall:
    """One call of a module with backward hooks; nodes behind inputs and outputs see the gradients."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.pre_hooks = list((module._backward_pre_hooks or {}).values())
        self.hooks = list((module._backward_hooks or {}).values())
        self.n_inputs = 0
        self.input_places: list[int] = []
        self.n_outputs = 0
        self.output_places: list[int] = []
        self.grad_outputs: tuple | None = None

    def inputs(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        if not places or not self.hooks:
            return args
        self.input_places = places
        wrapped = _identity([args[i] for i in places], self._run_hooks)
        changed = list(args)
        for i, tensor in zip(places, wrapped, strict=True):
            changed[i] = tensor
        return tuple(changed)

    def outputs(self, result: Any) -> Any:
        listed = [result] if isinstance(result, Tensor) else _tensors_in(result)
        self.n_outputs = len(listed)
        places = [i for i, t in enumerate(listed) if t.requires_grad]
        if not places:
            return result
        self.output_places = places
        wrapped = _identity([listed[i] for i in places], self._run_pre_hooks)
        return _replace_tensors(result, {id(listed[i]): t for i, t in zip(places, wrapped, strict=True)})

    @staticmethod
    def _spread(grads: tuple, places: list[int], count: int) -> tuple:
        spread: list[Tensor | None] = [None] * count
        for i, g in zip(places, grads, strict=True):
            spread[i] = g
        return tuple(spread)

    def _changed(self, what: str, old: tuple, new: Any) -> tuple:
        new = new if isinstance(new, tuple) else (new,)
        if len(new) != len(old):
            raise RuntimeError(
                f"{what}: expected None or {len(old)} gradients, got {len(new)} "
                f"({type(self.module).__name__})"
            )
        return new

    def _run_pre_hooks(self, grads: tuple) -> tuple:
        grad_outputs = self._spread(grads, self.output_places, self.n_outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_outputs)
            if changed is not None:
                grad_outputs = self._changed("full backward pre-hook", grad_outputs, changed)
        self.grad_outputs = grad_outputs
        if not self.input_places:
            # No input asks for a gradient, so nothing comes after this.
            for hook in self.hooks:
                if hook(self.module, (None,) * self.n_inputs, grad_outputs) is not None:
                    raise RuntimeError(
                        "full backward hook: expected None, since no input of the module requires grad, "
                        f"got gradients ({type(self.module).__name__})"
                    )
        return tuple(grad_outputs[i] for i in self.output_places)

    def _run_hooks(self, grads: tuple) -> tuple:
        grad_inputs = self._spread(grads, self.input_places, self.n_inputs)
        if self.grad_outputs is None:
            return grads  # gradients came around the outputs
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is not None:
                grad_inputs = self._changed("full backward hook", grad_inputs, changed)
        self.grad_outputs = None
        return tuple(grad_inputs[i] for i in self.input_places)


class HookMethods:
    """The part of Module that runs and registers hooks."""

    # Class-level defaults: a module without hooks pays one attribute read for them.
    _forward_hooks: _Hooks | None = None
    _forward_pre_hooks: _Hooks | None = None
    _backward_hooks: _Hooks | None = None
    _backward_pre_hooks: _Hooks | None = None
    _hooked: bool = False

    def _call_with_hooks(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        always = [h for h, _, call in (self._forward_hooks or {}).values() if call]
        called: set[int] = set()
        result = None
        try:
            for hook, with_kwargs in list((self._forward_pre_hooks or {}).values()):
                if with_kwargs:
                    changed = hook(self, args, kwargs)
                    if changed is not None:
                        if not isinstance(changed, tuple) or len(changed) != 2:
                            raise RuntimeError(
                                "forward pre-hook: expected None or a pair (args, kwargs), "
                                f"got {type(changed).__name__} (registered with_kwargs=True)"
                            )
                        args, kwargs = changed
                else:
                    changed = hook(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            backward = None
            if self._backward_hooks or self._backward_pre_hooks:
                backward = _BackwardCall(self)
                args = backward.inputs(args)
            result = self.forward(*args, **kwargs)
            for hook, with_kwargs, _ in list((self._forward_hooks or {}).values()):
                called.add(id(hook))
                changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if changed is not None:
                    result = changed
            if backward is not None:
                result = backward.outputs(result)
        except Exception:
            if always:
                for hook, with_kwargs, call in list((self._forward_hooks or {}).values()):
                    if call and id(hook) not in called:
                        # The first failure is the one to report.
                        try:
                            _ = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                        except Exception as second:
                            import warnings

                            warnings.warn(
                                f"forward hook with always_call=True raised {second!r}", stacklevel=3
                            )
            raise
        return result

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before each `forward`; what it returns, if not None, replaces `args`.

        Args:
            hook: with `with_kwargs` it is called as `hook(module, args, kwargs)` and may return a pair.
            prepend: run it before the hooks that are there.
        Returns:
            A handle whose `remove()` takes the hook off.
        """
        if self._forward_pre_hooks is None:
            self.__dict__["_forward_pre_hooks"] = _Hooks()
        hooks = self._forward_pre_hooks
        handle = RemovableHandle(hooks)
        hooks[handle.id] = (hook, with_kwargs)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self.__dict__["_hooked"] = True
        return handle

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after each `forward`; unless None, its result is the output.

        Args:
            hook: with `with_kwargs` it is called as `hook(module, args, kwargs, output)`.
            prepend: run it before the hooks that are there.
            always_call: run it also when `forward` raises (output None).
        Returns:
            A handle whose `remove()` takes the hook off.
        """
        if self._forward_hooks is None:
            self.__dict__["_forward_hooks"] = _Hooks()
        hooks = self._forward_hooks
        handle = RemovableHandle(hooks)
        hooks[handle.id] = (hook, with_kwargs, always_call)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self.__dict__["_hooked"] = True
        return handle

    def _add_hook(self, table: str, hook: Any, prepend: bool) -> RemovableHandle:
        if getattr(self, table) is None:
            self.__dict__[table] = _Hooks()
        hooks = getattr(self, table)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Both are tuples, one entry for each positional input and each output, None where there is no gradient.
        A tuple that the hook returns replaces `grad_input`.

        Args:
            hook: see above; it must not change its arguments in place.
            prepend: run it before the hooks that are there.
        Returns:
            A handle whose `remove()` takes the hook off.
        Example:
            >>> layer = clew.nn.Linear(3, 2)
            >>> seen = []
            >>> handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append(tuple(go[0].shape)))
            >>> layer(clew.ones(4, 3, requires_grad=True)).sum().backward()
            >>> seen
            [(4, 2)]
        """
        handle = self._add_hook("_backward_hooks", hook, prepend)
        self.__dict__["_hooked"] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when the gradients of the outputs are known.

        A tuple that the hook returns replaces `grad_output` in what follows.

        Args:
            hook: see above; it must not change its arguments in place.
            prepend: run it before the hooks that are there.
        Returns:
            A handle whose `remove()` takes the hook off.
        """
        handle = self._add_hook("_backward_pre_hooks", hook, prepend)
        self.__dict__["_hooked"] = True
        return handle
