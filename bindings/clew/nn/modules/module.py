"""The base class of all layers and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import clew
from clew import Tensor
from clew.nn.modules._hooks import HookMethods, _note_module
from clew.nn.modules._state import StateMethods
from clew.nn.parameter import Parameter, _is_buffer

__all__ = ["Module"]


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


class Module(HookMethods, StateMethods):
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
        elif isinstance(value, Tensor) and _is_buffer(value):
            self._expect_initialized(name)
            self._forget(name)
            self.register_buffer(name, value, value.persistent)
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
            memory_format: order of the elements of tensors with four dimensions.
        Raises:
            TypeError: dtype is not floating point.
        """
        memory_format = kwargs.pop("memory_format", None)
        device, dtype = _parse_to(args, kwargs)
        if dtype is not None and not _is_floating(dtype):
            raise TypeError(f"to: expected a floating point dtype, got {dtype} (modules cast no other)")

        def convert(tensor: Tensor) -> Tensor:
            options: dict[str, Any] = {}
            if device is not None:
                options["device"] = device
            if dtype is not None and _is_floating(tensor.dtype):
                options["dtype"] = dtype
            if memory_format is not None and tensor.dim() == 4:
                options["memory_format"] = memory_format
            return tensor.to(**options) if options else tensor

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Moves all parameters and buffers without their values, for modules made on the meta device.

        Args:
            device: where the uninitialised tensors are made.
            recurse: the modules below this one too.
        """
        return self._apply(lambda tensor: clew.empty_like(tensor, device=device), recurse)

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

    def share_memory(self) -> Module:
        """Moves parameters and buffers into memory that other processes see; returns the module."""
        for tensor in [*self.parameters(), *self.buffers()]:
            tensor.share_memory_()
        return self

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
