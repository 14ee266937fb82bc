"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clew.nn.modules.module import Module, _indent

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Indexed(Module):
    """What Sequential and ModuleList share: children under the names "0", "1", ..."""

    _modules: dict[str, Module]

    def _index(self, index: Any) -> int:
        size = len(self._modules)
        position = operator.index(index)
        if not -size <= position < size:
            raise IndexError(f"{type(self).__name__}: expected an index in [{-size}, {size}), got {position}")
        return position % size

    def _key(self, index: Any) -> str:
        position = self._index(index)
        return next(key for i, key in enumerate(self._modules) if i == position)

    def _renumber(self, modules: Iterable[Module]) -> None:
        self.__dict__["_modules"] = {str(i): module for i, module in enumerate(modules)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        key = self._key(index)
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        self._modules[key] = module

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self._modules.values())
        del modules[index if isinstance(index, slice) else self._index(index)]
        self._renumber(modules)

    def append(self, module: Module) -> Any:
        """Adds `module` at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds all `modules` at the end; returns the container."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: expected an iterable of modules, got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Puts `module` before `index`; returns the container."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: int | slice = -1) -> Module:
        """Removes and returns the module at `index`."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Indexed):
    """Calls its modules one after the other, each with the result of the one before.

    Args:
        args: modules, or one OrderedDict of modules by name.
    Example:
        >>> net = clew.nn.Sequential(clew.nn.Linear(3, 4), clew.nn.ReLU(), clew.nn.Linear(4, 2))
        >>> list(net(clew.zeros(5, 3)).shape)
        [5, 2]
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            del self._modules[key]
        # Names that are plain numbers stay consecutive; given names stay as they are.
        if all(key.isdigit() for key in self._modules):
            self._renumber(self._modules.values())

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Indexed):
    """A list whose entries are children of the module that holds it.

    Args:
        modules: an iterable of modules; None means empty.
    Example:
        >>> layers = clew.nn.ModuleList(clew.nn.Linear(2, 2) for _ in range(3))
        >>> len(layers), len(list(layers.parameters()))
        (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[str(self._index(index))]

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        texts = [repr(module) for module in self._modules.values()]
        if not texts:
            return f"{self._get_name()}()"
        # Equal neighbours are printed once, with their range and number.
        runs: list[list[Any]] = []
        for i, text in enumerate(texts):
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        lines = [
            f"({first}): {_indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {_indent(text)}"
            for first, last, text in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict whose values are children of the module that holds it.

    Args:
        modules: a mapping from names to modules, or pairs; None means empty.
    Example:
        >>> heads = clew.nn.ModuleDict({"a": clew.nn.Linear(2, 1), "b": clew.nn.Linear(2, 3)})
        >>> list(heads)
        ['a', 'b']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """The pairs (name, module)."""
        return self._modules.items()

    def clear(self) -> None:
        """Removes all."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Removes and returns the module under `key`."""
        return self._modules.pop(key)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Adds all of `modules`, in their order."""
        if isinstance(modules, (Mapping, ModuleDict)):
            modules = modules.items()
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleDict.update: expected a mapping or pairs (name, module), got {type(modules).__name__}"
            )
        for name, module in modules:
            self[name] = module
