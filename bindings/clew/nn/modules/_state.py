"""What a module saves and loads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import clew
from clew import Tensor
from clew.nn.modules._hooks import _Hooks
from clew.nn.parameter import Parameter
from clew.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from clew.nn.modules.module import Module

__all__ = ["StateMethods"]

_EXTRA_STATE = "_extra_state"


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


class StateMethods:
    """The part of Module that is about `state_dict`."""

    _state_dict_pre_hooks: _Hooks | None = None
    _state_dict_hooks: _Hooks | None = None
    _load_state_dict_pre_hooks: _Hooks | None = None
    _load_state_dict_post_hooks: _Hooks | None = None

    def get_extra_state(self) -> Any:
        """State beyond parameters and buffers for `state_dict`; override together with `set_extra_state`."""
        raise NotImplementedError(f"get_extra_state: expected {type(self).__name__} to define it, got none")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave."""
        raise NotImplementedError(f"set_extra_state: expected {type(self).__name__} to define it, got none")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not StateMethods.get_extra_state

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
        for hook in list((self._state_dict_pre_hooks or {}).values()):
            hook(self, prefix, keep_vars)
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
        for hook in list((self._state_dict_hooks or {}).values()):
            if hook(self, destination, prefix, {}) is not None:
                raise RuntimeError(
                    "state_dict post-hook: expected None (change the dict in place), got a result "
                    f"({type(self).__name__})"
                )
        return destination

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before `state_dict` is filled."""
        return self._add_hook("_state_dict_pre_hooks", hook, False)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` after `state_dict` was filled.

        The hook changes `state_dict` in place; `local_metadata` is an empty dict.
        """
        return self._add_hook("_state_dict_hooks", hook, False)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls a hook before `load_state_dict` looks at the keys.

        The hook is called as `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`; it may change `state_dict` (a copy of the caller's) and the lists.
        """
        return self._add_hook("_load_state_dict_pre_hooks", hook, False)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after loading, with lists it may change."""
        return self._add_hook("_load_state_dict_post_hooks", hook, False)

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
        state_dict = OrderedDict(state_dict)
        extra_missing: list[str] = []
        extra_unexpected: list[str] = []
        messages: list[str] = []
        for path, module in self.named_modules():
            for hook in list((module._load_state_dict_pre_hooks or {}).values()):
                prefix = f"{path}." if path else ""
                hook(module, state_dict, prefix, {}, strict, extra_missing, extra_unexpected, messages)
        slots = self._state_slots()
        missing = [key for key in slots if key not in state_dict]
        unexpected = [key for key in state_dict if key not in slots]
        missing += extra_missing
        unexpected += extra_unexpected
        problems = list(messages)
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
        result = _IncompatibleKeys((missing, unexpected))
        modules = [module for _, module in self.named_modules()]
        for module in reversed(modules):
            for hook in list((module._load_state_dict_post_hooks or {}).values()):
                if hook(module, result) is not None:
                    raise RuntimeError(
                        "load_state_dict post-hook: expected None (change the lists in place), got a result "
                        f"({type(module).__name__})"
                    )
        return result
