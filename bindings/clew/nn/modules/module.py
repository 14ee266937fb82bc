"""The base class of all layers and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import clew
from clew import Tensor
from clew.nn.parameter import Parameter
from clew.utils.hooks import RemovableHandle

__all__ = ["Module"]


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


class _IncompatibleKeys(tuple):
    """What `load_state_dict` did not match: a pair (missing_keys, unexpected_keys)."""

    __slots__ = ()

    @property
    def missing_keys(self) -> list[str]:
        return self[0]

    @property
    def unexpected_keys(self) -> list[str]:
        return self[1]

    def __repr__(self) -> str:
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]!r}, unexpected_keys={self[1]!r})"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


_EXTRA_STATE = "_extra_state"


class Module:
    """Base class of layers and models: owns parameters, buffers and child modules, and is called.

    Subclasses call `super().__init__()`, set parameters and modules as attributes, and define `forward`.

    An exception that leaves a module carries one note with the path of the module that raised it.

    Example:
        >>> class Net(clew.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.linear = clew.nn.Linear(3, 2)
        ...     def forward(self, x):
        ...         return self.linear(x).relu()
        >>> list(Net()(clew.zeros(4, 3)).shape)
        [4, 2]
        >>> [name for name, _ in Net().named_parameters()]
        ['linear.weight', 'linear.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    # Class-level defaults: a module without hooks pays one attribute read for them.
    _forward_hooks: _Hooks | None = None
    _forward_pre_hooks: _Hooks | None = None
    _hooked: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            given = f"{len(args)} positional and keywords {sorted(kwargs)}"
            raise TypeError(f"{type(self).__name__}: expected no arguments for Module.__init__, got {given}")
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers_set"] = set()
        state["_modules"] = {}

    # -- calling ---------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the result; every subclass defines it."""
        raise NotImplementedError(
            f"forward: expected {type(self).__name__} to define forward, got none (define it in the subclass)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            _note_module(self, error)
            raise

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
            result = self.forward(*args, **kwargs)
            for hook, with_kwargs, _ in list((self._forward_hooks or {}).values()):
                called.add(id(hook))
                changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if changed is not None:
                    result = changed
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

    # -- attributes ------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        try:
            return state["_parameters"][name]
        except KeyError:
            pass
        for table in ("_modules", "_buffers"):
            if name in state.get(table, ()):
                return state[table][name]
        from clew._missing import missing

        raise missing("nn.Module", name, type(self).__name__)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        parameters = state.get("_parameters")
        if isinstance(value, Parameter):
            self._expect_initialized(name)
            self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._expect_initialized(name)
            if name not in state["_modules"]:
                self._forget(name)
            state["_modules"][name] = value
        elif parameters is None:
            object.__setattr__(self, name, value)
        elif name in parameters:
            if value is not None:
                raise TypeError(
                    f"{type(self).__name__}: expected a Parameter or None for parameter '{name}', "
                    f"got {type(value).__name__} (wrap it in nn.Parameter, or del the attribute first)"
                )
            self.register_parameter(name, None)
        elif name in state["_modules"]:
            if value is not None:
                raise TypeError(
                    f"{type(self).__name__}: expected a Module or None for child module '{name}', "
                    f"got {type(value).__name__}"
                )
            state["_modules"][name] = None
        elif name in state["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: expected a Tensor or None for buffer '{name}', "
                    f"got {type(value).__name__}"
                )
            state["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        state = self.__dict__
        for table in (state["_parameters"], state["_buffers"], state["_modules"]):
            if name in table:
                del table[name]
                state["_non_persistent_buffers_set"].discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(object.__dir__(self))
        names.update(self._parameters, self._modules, self._buffers)
        return sorted(name for name in names if not name[:1].isdigit())

    def _expect_initialized(self, name: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: expected super().__init__() before attribute '{name}' is set, "
                "got an uninitialised module (call it first in __init__)"
            )

    def _forget(self, name: str) -> None:
        state = self.__dict__
        state.pop(name, None)
        for table in (state["_parameters"], state["_buffers"], state["_modules"]):
            table.pop(name, None)
        state["_non_persistent_buffers_set"].discard(name)

    def _is_taken(self, name: str) -> bool:
        state = self.__dict__
        tables = (state, state["_parameters"], state["_buffers"], state["_modules"])
        return any(name in table for table in tables) or hasattr(type(self), name)

    def _check_name(self, what: str, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what}: expected a str as name, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{what}: expected a non-empty name without '.', got {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under `name`; None reserves the name and keeps it out of `state_dict`."""
        self._expect_initialized(name)
        self._check_name("register_parameter", name)
        if name not in self._parameters and self._is_taken(name):
            raise KeyError(f"register_parameter: expected a new name, got {name!r} (attribute exists)")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"register_parameter: expected a Parameter or None, got {type(param).__name__} "
                    f"(name {name!r})"
                )
            if not param.is_leaf:
                raise ValueError(
                    f"register_parameter: expected a leaf, got a tensor with grad_fn (name {name!r}; "
                    "compute it in forward() instead)"
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but not a parameter, such as a running mean.

        Args:
            name: the attribute's name.
            tensor: any tensor, or None.
            persistent: whether `state_dict` holds it.
        """
        self._expect_initialized(name)
        self._check_name("register_buffer", name)
        if name not in self._buffers and self._is_taken(name):
            raise KeyError(f"register_buffer: expected a new name, got {name!r} (attribute exists)")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: expected a Tensor or None, got {type(tensor).__name__} (name {name!r})"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module under `name`."""
        self._expect_initialized(name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"add_module: expected a Module or None, got {type(module).__name__} (name {name!r})"
            )
        self._check_name("add_module", name)
        if name not in self._modules and self._is_taken(name):
            raise KeyError(f"add_module: expected a new name, got {name!r} (attribute exists)")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Same as `add_module`."""
        self.add_module(name, module)

    def get_submodule(self, target: str) -> Module:
        """Returns the module at the dotted path `target`; "" is the module itself.

        Raises:
            AttributeError: there is no module at that path.
        """
        module = self
        for name in target.split(".") if target else ():
            child = module._modules.get(name) if isinstance(module, Module) else None
            if child is None:
                raise AttributeError(
                    f"get_submodule: expected a module path, got {target!r} ({type(module).__name__} has no "
                    f"child {name!r})"
                )
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Returns the parameter at the dotted path `target`, or raises AttributeError."""
        path, _, name = target.rpartition(".")
        param = self.get_submodule(path)._parameters.get(name)
        if param is None:
            raise AttributeError(f"get_parameter: expected a parameter's path, got {target!r}")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """Returns the buffer at the dotted path `target`, or raises AttributeError."""
        path, _, name = target.rpartition(".")
        buffer = self.get_submodule(path)._buffers.get(name)
        if buffer is None:
            raise AttributeError(f"get_buffer: expected a buffer's path, got {target!r}")
        return buffer

    def set_submodule(self, target: str, module: Module) -> None:
        """Puts `module` at the dotted path `target`, in place of what is there."""
        if not target:
            raise ValueError("set_submodule: expected a non-empty path, got ''")
        if not isinstance(module, Module):
            raise TypeError(
                f"set_submodule: expected a Module, got {type(module).__name__} (path {target!r})"
            )
        path, _, name = target.rpartition(".")
        self.get_submodule(path)._modules[name] = module

    # -- walking ---------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yields (path, module) for the module itself and all below it, each module once."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self) -> Iterator[Module]:
        """Yields the module itself and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yields (name, module) for the direct children, each module once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yields the direct children, each once."""
        for _, module in self.named_children():
            yield module

    def _named_tensors(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = iter([(prefix, self)])
        for path, module in modules:
            for name, tensor in getattr(module, table).items():
                if tensor is None or id(tensor) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(tensor))
                yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields (path, parameter), each parameter once."""
        return self._named_tensors("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields the parameters, each once; `recurse=False` leaves out those of child modules."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields (path, buffer), each buffer once."""
        return self._named_tensors("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields the buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # -- changing all of it ----------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Calls `fn` on every module below this one, children first, then on this one; returns it."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Sets training mode, here and in all children: what Dropout and BatchNorm look at."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected a bool, got {mode!r} (argument 'mode')")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Sets evaluation mode; the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Sets `requires_grad` of all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zero."""
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                param.grad = param.grad.detach().zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        """Replaces every parameter's data, gradient and every buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with clew.no_grad():
            for param in self._parameters.values():
                if param is None:
                    continue
                grad = param.grad
                # The gradient's dtype follows the parameter's, so it steps aside meanwhile.
                param.grad = None
                param.data = fn(param.detach())
                if grad is not None:
                    param.grad = fn(grad.detach()).requires_grad_(grad.requires_grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Moves and casts parameters and buffers, in place; returns the module.

        Forms: `to(device)`, `to(dtype)`, `to(device, dtype)`, `to(tensor)`; also as keywords.
        Only floating point tensors are cast.

        Args:
            device: a `clew.device` or its name.
            dtype: a floating point dtype.
            tensor: its device and dtype are taken.
        Raises:
            TypeError: dtype is not floating point.
        """
        device, dtype = _parse_to(args, kwargs)
        if dtype is not None and not _is_floating(dtype):
            raise TypeError(f"to: expected a floating point dtype, got {dtype} (modules cast no other)")

        def convert(tensor: Tensor) -> Tensor:
            options: dict[str, Any] = {}
            if device is not None:
                options["device"] = device
            if dtype is not None and _is_floating(tensor.dtype):
                options["dtype"] = dtype
            return tensor.to(**options) if options else tensor

        return self._apply(convert)

    def cpu(self) -> Module:
        """Moves all parameters and buffers to the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None) -> Module:
        """Moves all parameters and buffers to a CUDA device; None means the current one."""
        if device is None:
            device = "cuda"
        elif isinstance(device, int):
            device = f"cuda:{device}"
        return self.to(device=device)

    def float(self) -> Module:
        """Casts floating point parameters and buffers to float32."""
        return self.to(dtype=clew.float32)

    def double(self) -> Module:
        """Casts floating point parameters and buffers to float64."""
        return self.to(dtype=clew.float64)

    def half(self) -> Module:
        """Casts floating point parameters and buffers to float16."""
        return self.to(dtype=clew.float16)

    def bfloat16(self) -> Module:
        """Casts floating point parameters and buffers to bfloat16."""
        return self.to(dtype=clew.bfloat16)

    def type(self, dst_type: Any) -> Module:
        """Casts all parameters and buffers to `dst_type`, integers too."""
        return self._apply(lambda tensor: tensor.to(dtype=dst_type))

    # -- state -----------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """State beyond parameters and buffers for `state_dict`; override together with `set_extra_state`."""
        raise NotImplementedError(f"get_extra_state: expected {type(self).__name__} to define it, got none")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave."""
        raise NotImplementedError(f"set_extra_state: expected {type(self).__name__} to define it, got none")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not Module.get_extra_state

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Returns parameters and persistent buffers by path; the tensors share memory with the module.

        Args:
            destination: a dict to fill; None makes a new one.
            prefix: stands before each path.
            keep_vars: give the parameters themselves, not detached tensors.
        Example:
            >>> list(clew.nn.Linear(2, 1).state_dict())
            ['weight', 'bias']
        """
        if destination is None:
            destination = OrderedDict()
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if self._has_extra_state():
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

    def _state_slots(self) -> dict[str, tuple[Module, str, str]]:
        """Every key of `state_dict` with the module, table and name behind it."""
        slots: dict[str, tuple[Module, str, str]] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            for name, param in module._parameters.items():
                if param is not None:
                    slots[prefix + name] = (module, "_parameters", name)
            for name, buffer in module._buffers.items():
                if buffer is not None and name not in module._non_persistent_buffers_set:
                    slots[prefix + name] = (module, "_buffers", name)
            if module._has_extra_state():
                slots[prefix + _EXTRA_STATE] = (module, "", _EXTRA_STATE)
        return slots

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies parameters and buffers from `state_dict`, all or, when something does not fit, none.

        Args:
            state_dict: tensors by path, as `state_dict()` gives them.
            strict: raise when a key is missing or unknown.
            assign: take the given tensors themselves, with their dtype, instead of copying.
        Returns:
            A pair with names, (missing_keys, unexpected_keys).
        Raises:
            TypeError: `state_dict` is not a mapping.
            RuntimeError: keys or shapes do not fit; the message lists all of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a dict, got {type(state_dict).__name__}")
        slots = self._state_slots()
        missing = [key for key in slots if key not in state_dict]
        unexpected = [key for key in state_dict if key not in slots]
        problems = []
        for key, (module, table, name) in slots.items():
            if not table or key not in state_dict:
                continue
            value, own = state_dict[key], getattr(module, table)[name]
            if not isinstance(value, Tensor):
                problems.append(f"{key}: expected a Tensor, got {type(value).__name__}")
            elif value.shape != own.shape:
                problems.append(
                    f"size mismatch for {key}: expected {list(own.shape)}, got {list(value.shape)}"
                )
        if strict and unexpected:
            problems.insert(0, "Unexpected key(s): " + ", ".join(repr(key) for key in unexpected))
        if strict and missing:
            problems.insert(0, "Missing key(s): " + ", ".join(repr(key) for key in missing))
        if problems:
            lines = "\n    ".join(problems)
            raise RuntimeError(
                f"load_state_dict: expected the keys and shapes of {type(self).__name__}, "
                f"got these differences:\n    {lines}"
            )
        with clew.no_grad():
            for key, (module, table, name) in slots.items():
                if key not in state_dict:
                    continue
                value = state_dict[key]
                if not table:
                    module.set_extra_state(value)
                    continue
                own = getattr(module, table)[name]
                if not assign:
                    own.copy_(value)
                elif table == "_parameters":
                    if not isinstance(value, Parameter):
                        value = Parameter(value, requires_grad=own.requires_grad)
                    else:
                        value.requires_grad_(own.requires_grad)
                    module._parameters[name] = value
                else:
                    module._buffers[name] = value
        return _IncompatibleKeys((missing, unexpected))

    # -- printing --------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands in the parentheses of `repr`; override it to show settings."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


def _is_floating(dtype: Any) -> bool:
    return dtype in (clew.float32, clew.float64, clew.float16, clew.bfloat16)


def _parse_to(args: tuple, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Reads the forms of `Module.to`: (device, dtype), either of them None."""
    kwargs = dict(kwargs)
    kwargs.pop("non_blocking", None)
    if len(args) > 3:
        raise TypeError(f"to: expected at most device, dtype and non_blocking, got {len(args)} arguments")
    args = tuple(arg for arg in args if not isinstance(arg, bool))
    device, dtype, tensor = kwargs.pop("device", None), kwargs.pop("dtype", None), kwargs.pop("tensor", None)
    if kwargs:
        raise TypeError(f"to: expected keywords device, dtype, tensor, non_blocking, got {sorted(kwargs)}")
    for arg in args:
        if isinstance(arg, Tensor) and tensor is None:
            tensor = arg
        elif isinstance(arg, clew.dtype) and dtype is None:
            dtype = arg
        elif isinstance(arg, (str, clew.device)) and device is None:
            device = arg
        elif isinstance(arg, int) and device is None:
            device = f"cuda:{arg}"
        elif arg is not None:
            raise TypeError(f"to: expected a device, a dtype or a tensor, got {arg!r}")
    if tensor is not None:
        device = tensor.device if device is None else device
        dtype = tensor.dtype if dtype is None else dtype
    if isinstance(device, str):
        device = clew.device(device)
    return device, dtype
