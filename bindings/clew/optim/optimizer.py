"""What all optimizers share: parameter groups, state, and how both are saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import is_
from typing import Any

import clew
from clew import Tensor
from clew.utils.hooks import RemovableHandle

__all__ = ["Optimizer", "required"]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()


class _Hooks(dict):
    """Hooks by handle id. A dict subclass, because handles refer to it weakly."""


def _run_hooks(optimizer: Optimizer, hooks: dict, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    for hook in list(hooks.values()):
        changed = hook(optimizer, args, kwargs)
        if changed is not None:
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    f"step hook: expected None or a pair (args, kwargs), got {type(changed).__name__}"
                )
            args, kwargs = changed
    return args, kwargs


class Optimizer:
    """Base class: holds parameters in groups with options, and state per parameter.

    A subclass defines `step`, reads options from `param_groups` and keeps what it needs in `state[param]`.

    Args:
        params: tensors, or pairs (name, tensor), or dicts with "params" and options of that group.
        defaults: options for groups that do not give their own.
    Raises:
        TypeError: `params` is a single tensor, or an entry is not a tensor.
        ValueError: no parameters, a parameter that is no leaf, or one that stands in two groups.
    """

    param_groups: list[dict[str, Any]]
    defaults: dict[str, Any]
    # Class-level defaults: an optimizer without hooks pays one attribute read for them.
    _step_pre_hooks: _Hooks | None = None
    _step_post_hooks: _Hooks | None = None
    _in_step = False

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(
                f"{name}: expected an iterable of tensors or dicts, got one Tensor (put it in a list)"
            )
        self.defaults = defaults
        self._state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        # Flat lists per group for the fused step, made from `state` when it is needed.
        self._plans: list[_Plan] | None = None
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}: expected one or more parameters, got none")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if step is not None:
            cls.step = _hookable(step)

    @property
    def state(self) -> defaultdict[Any, dict[str, Any]]:
        """State by parameter."""
        # The reader may replace entries, so the next step looks at them again.
        self._plans = None
        return self._state

    @state.setter
    def state(self, value: defaultdict[Any, dict[str, Any]]) -> None:
        self._plans = None
        self._state = value

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_plans"] = None
        return state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters, for example when a frozen layer is to be trained.

        Args:
            param_group: "params" (tensors, or pairs (name, tensor)) and options of the group.
        Raises:
            TypeError: it is not a dict, or an entry is not a tensor.
            ValueError: a parameter is no leaf, or is in the optimizer already.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: expected a dict as parameter group, got {type(param_group).__name__}")
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, Tensor):
            given = [given]
        elif isinstance(given, (set, frozenset)):
            raise TypeError(f"{name}: expected parameters in a fixed order, got a set (use a list)")
        params = list(given)
        if params and isinstance(params[0], tuple):
            group["param_names"] = [pair[0] for pair in params]
            params = [pair[1] for pair in params]
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{name}: expected Tensors as parameters, got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(
                    f"{name}: expected leaves, got a tensor of shape {list(param.shape)} with grad_fn"
                )
        for key, default in self.defaults.items():
            if default is required and key not in group:
                raise ValueError(f"{name}: expected option {key!r} in the parameter group, got none")
            group.setdefault(key, default)
        if len({id(param) for param in params}) != len(params):
            import warnings

            warnings.warn(f"{name}: a parameter group holds the same parameter more than once", stacklevel=3)
        known = {id(param) for other in self.param_groups for param in other["params"]}
        if any(id(param) in known for param in params):
            raise ValueError(f"{name}: expected each parameter in one group only, got one that is in two")
        group["params"] = params
        self.param_groups.append(group)
        self._plans = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops all gradients, or fills them with zero.

        Args:
            set_to_none: drop them; the next backward then writes instead of adding.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: computes the loss anew, with gradients, and returns it.
        Returns:
            What `closure` returned, or None.
        """
        raise NotImplementedError(f"step: expected {type(self).__name__} to define step, got none")

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; it may return new (args, kwargs)."""
        if self._step_pre_hooks is None:
            self._step_pre_hooks = _Hooks()
        handle = RemovableHandle(self._step_pre_hooks)
        self._step_pre_hooks[handle.id] = hook
        return handle

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        if self._step_post_hooks is None:
            self._step_post_hooks = _Hooks()
        handle = RemovableHandle(self._step_post_hooks)
        self._step_post_hooks[handle.id] = hook
        return handle

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Returns state and options as plain data, with parameters named by their number.

        Returns:
            {"state": {number: {name: value}}, "param_groups": [{option: value, "params": [numbers]}]};
            the tensors are those of the optimizer.
        """
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers.get(id(key), key) if isinstance(key, Tensor) else key: value
            for key, value in self._state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over options and state; parameters are matched by their order.

        Args:
            state_dict: from `state_dict()` of an optimizer with groups of the same sizes.
        Raises:
            ValueError: the number or the sizes of the groups differ.
        """
        name = type(self).__name__
        saved_groups = state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                f"{name}.load_state_dict: expected {len(self.param_groups)} parameter groups, "
                f"got {len(saved_groups)}"
            )
        for i, (own, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            if len(own["params"]) != len(saved["params"]):
                raise ValueError(
                    f"{name}.load_state_dict: expected {len(own['params'])} parameters in group {i}, "
                    f"got {len(saved['params'])}"
                )
        by_number: dict[Any, Tensor] = {}
        groups = []
        for own, saved in zip(self.param_groups, saved_groups, strict=True):
            by_number.update(zip(saved["params"], own["params"], strict=True))
            group = {key: _copied(value) for key, value in saved.items() if key != "params"}
            if "param_names" in own:
                group.setdefault("param_names", own["param_names"])
            group["params"] = own["params"]
            groups.append(group)
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, value in state_dict["state"].items():
            param = by_number.get(number)
            if param is None:
                state[number] = _copied(value)
            else:
                state[param] = {key: _adopted(key, item, param) for key, item in value.items()}
        self.param_groups = groups
        self._state = state
        self._plans = None

    # -- fused steps -----------------------------------------------------------------------------

    def _group_plans(self, make: Callable[[dict[str, Any]], _Plan]) -> list[_Plan]:
        """Returns the flat lists of each group, made anew when something they depend on has changed."""
        plans = self._plans
        if plans is not None and len(plans) == len(self.param_groups):
            for plan, group in zip(plans, self.param_groups, strict=True):
                if plan.is_stale(group["params"]):
                    break
            else:
                return plans
        self._plans = None
        plans = [make(group) for group in self.param_groups]
        self._plans = plans
        return plans


class _Plan:
    """The parameters of a group that have state, and their state as parallel lists."""

    __slots__ = ("all_params", "fresh", "idle", "lists", "params", "steps")

    def __init__(self, params: list[Tensor], state: dict[Any, dict[str, Any]]) -> None:
        self.all_params = list(params)
        # Those that never had a gradient get no state until they do.
        self.idle = [p for p in params if p.grad is None and not state.get(p)]
        self.params = (
            [p for p in params if p.grad is not None or state.get(p)] if self.idle else self.all_params
        )
        self.lists: tuple[list[Tensor], ...] = ()
        self.steps: Tensor | None = None
        self.fresh: list[bool] | None = None

    def is_stale(self, params: list[Tensor]) -> bool:
        known = self.all_params
        if len(params) != len(known) or not all(map(is_, params, known)):
            return True
        return any(p.grad is not None for p in self.idle) if self.idle else False


def _hookable(step: Callable) -> Callable:
    """Wraps `step` so that step hooks run; without hooks it costs two attribute reads."""
    if getattr(step, "_hookable", False):
        return step

    def call(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._in_step or not (self._step_pre_hooks or self._step_post_hooks):
            return step(self, *args, **kwargs)
        # A step that calls its base class's step runs the hooks once.
        self._in_step = True
        try:
            args, kwargs = _run_hooks(self, self._step_pre_hooks or {}, args, kwargs)
            result = step(self, *args, **kwargs)
            for hook in list((self._step_post_hooks or {}).values()):
                hook(self, args, kwargs)
        finally:
            self._in_step = False
        return result

    call.__doc__ = step.__doc__ or Optimizer.step.__doc__
    call.__name__ = "step"
    call.__qualname__ = step.__qualname__
    call.__wrapped__ = step
    call._hookable = True
    return call


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value


def _adopted(key: str, value: Any, param: Tensor) -> Any:
    """A copy of a state entry; tensors get the parameter's device and, except `step`, its dtype."""
    if not isinstance(value, Tensor):
        return _copied(value)
    if key == "step" or value.dtype in (clew.int64, clew.bool) or value.dtype == param.dtype:
        return value.detach().clone()
    return value.detach().to(dtype=param.dtype, device=param.device)


def _check_range(optimizer: str, name: str, value: Any, low: float, high: float | None = None) -> None:
    number = float(value)
    if not (number >= low and (high is None or number < high)):
        bounds = f">= {low:g}" if high is None else f"in [{low:g}, {high:g})"
        raise ValueError(f"{optimizer}: expected {name} {bounds}, got {value}")


def _run_closure(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with clew.enable_grad():
        return closure()
