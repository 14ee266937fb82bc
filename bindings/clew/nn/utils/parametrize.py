"""Parameters that are computed from others each time they are read."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import clew
from clew import Tensor
from clew.nn.modules.container import ModuleList
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]

# What was computed while `cached` is active, by (id of the module, name).
_cache: dict[tuple[int, str], Tensor] = {}
_cached_depth = 0


@contextmanager
def cached() -> Iterator[None]:
    """While active, each parametrized tensor is computed once and then remembered.

    Example:
        >>> with clew.nn.utils.parametrize.cached():
        ...     pass
    """
    global _cached_depth
    _cached_depth += 1
    try:
        yield
    finally:
        _cached_depth -= 1
        if not _cached_depth:
            _cache.clear()


def _set(place: Tensor | None, value: Tensor) -> Tensor:
    """`value` as a leaf, in the tensor that stood for it before where there is one."""
    if place is None:
        return value
    place.data = value.detach()
    return place


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and the tensors that it is computed from.

    Args:
        modules: applied one after the other.
        original: the tensor; `right_inverse` of the modules, last to first, says what it is computed from.
        unsafe: let parametrizations change shape and dtype.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected at least one module, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        new: Any = original
        with clew.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "ParametrizationList: expected a tensor or a sequence of tensors from right_inverse, got "
                f"{type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        for i, value in enumerate([new] if self.is_tensor else new):
            name = "original" if self.is_tensor else f"original{i}"
            if isinstance(original, Parameter):
                same = original if self.ntensors == 1 and value.shape == original.shape else None
                leaf = _set(same, value) if same is not None and value.dtype == same.dtype else None
                self.register_parameter(
                    name,
                    leaf if leaf is not None else Parameter(value.detach(), original.requires_grad),
                )
            else:
                self.register_buffer(name, value)
        if not unsafe:
            with clew.no_grad():
                back = self()
            if back.shape != original.shape or back.dtype != original.dtype:
                raise ValueError(
                    f"register_parametrization: expected a result of shape {tuple(original.shape)} and dtype "
                    f"{original.dtype}, got {tuple(back.shape)} and {back.dtype} (unsafe=True lets it pass)"
                )

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Sets the originals so that the tensor becomes `value`, as far as the modules can say how."""
        with clew.no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrize: expected right_inverse of {type(module).__name__} to assign, got none"
                    )
                new = module.right_inverse(new)
            for place, tensor in zip(self._originals(), [new] if self.is_tensor else new, strict=True):
                place.data = tensor.detach()

    def forward(self) -> Tensor:
        modules = list(self)
        x = modules[0](*self._originals())
        for module in modules[1:]:
            x = module(x)
        return x


def _property(name: str) -> property:
    def read(self: Module) -> Tensor:
        rule = self.parametrizations[name]
        if not _cached_depth:
            return rule()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = rule()
        return _cache[key]

    def write(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _deepcopy(self: Module, memo: dict) -> Module:
    """A copy with a class of its own, as properties of one class serve one module."""
    result = type(self).__new__(type(self))
    memo[id(self)] = result
    result.__dict__.update(copy.deepcopy(self.__dict__, memo))
    base = type(self).__bases__[0]
    result.__class__ = _subclass(base, result.parametrizations)
    return result


def _subclass(base: type, names: Any) -> type:
    def reduce(self: Module, protocol: int) -> Any:
        raise RuntimeError(
            "pickle: expected a module without parametrizations, got a parametrized one (save its state_dict)"
        )

    body: dict[str, Any] = {name: _property(name) for name in names}
    body.update(__deepcopy__=_deepcopy, __reduce_ex__=reduce)
    return type(f"Parametrized{base.__name__}", (base,), body)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Lets a parameter or buffer be `parametrization` of a tensor that stands in its place.

        module.weight = parametrization(module.parametrizations.weight.original)

    Args:
        module: whose tensor it is.
        tensor_name: of a parameter or buffer, or of one that is parametrized already.
        parametrization: a module of one tensor. Its `right_inverse`, where it has one, says what the original
            is for a given tensor, at first and when the tensor is assigned.
        unsafe: let it change shape and dtype.
    Returns:
        The module.
    Raises:
        ValueError: no such tensor, or a result of another shape or dtype.
    Example:
        >>> class Symmetric(clew.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).mT
        >>> layer = clew.nn.utils.parametrize.register_parametrization(
        ...     clew.nn.Linear(3, 3), "weight", Symmetric()
        ... )
        >>> bool((layer.weight == layer.weight.mT).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        rules = module.parametrizations[tensor_name]
        if unsafe is False:
            with clew.no_grad():
                before = getattr(module, tensor_name)
                after = parametrization(before)
                if after.shape != before.shape or after.dtype != before.dtype:
                    raise ValueError(
                        f"register_parametrization: expected a result of shape {tuple(before.shape)}, got "
                        f"{tuple(after.shape)}"
                    )
        if hasattr(parametrization, "right_inverse"):
            value = getattr(module, tensor_name).detach()
            rules.append(parametrization)
            rules.right_inverse(value)
        else:
            rules.append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"register_parametrization: expected a parameter or buffer of {type(module).__name__}, got "
            f"{tensor_name!r}"
        )
    rules = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        from clew.nn.modules.container import ModuleDict

        module.parametrizations = ModuleDict()
        module.__class__ = _subclass(type(module), ())
    module.parametrizations[tensor_name] = rules
    setattr(type(module), tensor_name, _property(tensor_name))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrized tensors, or the one of that name is.

    Example:
        >>> clew.nn.utils.parametrize.is_parametrized(clew.nn.Linear(2, 2))
        False
    """
    rules = module._modules.get("parametrizations")
    if rules is None or not hasattr(rules, "keys"):
        return False
    return bool(len(rules)) if tensor_name is None else tensor_name in rules


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes a parametrized tensor a plain one again; returns the module.

    Args:
        module: whose tensor it is.
        tensor_name: of the tensor.
        leave_parametrized: keep the value as computed; otherwise the original.
    Raises:
        ValueError: it is not parametrized; or several originals stand for it with leave_parametrized=False.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: expected a parametrized tensor, got {tensor_name!r}")
    rules = module.parametrizations[tensor_name]
    originals = rules._originals()
    if leave_parametrized:
        with clew.no_grad():
            value = getattr(module, tensor_name)
    elif rules.is_tensor:
        value = originals[0].detach()
    else:
        raise ValueError(
            "remove_parametrizations: expected leave_parametrized=True where there are several originals, "
            "got False"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    was = originals[0]
    if not isinstance(was, Parameter):
        module.register_buffer(tensor_name, value.detach())
    elif rules.is_tensor and was.shape == value.shape and was.dtype == value.dtype:
        # The parameter stays the same object, which an optimizer may hold.
        was.data = value.detach().clone()
        module.register_parameter(tensor_name, was)
    else:
        module.register_parameter(tensor_name, Parameter(value.detach().clone(), was.requires_grad))
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.utils.parametrize", name)
