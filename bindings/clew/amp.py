"""Mixed precision: `autocast`, and `GradScaler` for gradients in float16."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

__all__ = [
    "GradScaler",
    "autocast",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_dtype",
    "is_autocast_available",
    "is_autocast_enabled",
]


def is_autocast_available(device_type: str) -> bool:
    """True when `autocast` works for the device type."""
    if device_type not in ("cpu", "cuda"):
        raise ValueError(f"is_autocast_available: expected device_type 'cpu' or 'cuda', got {device_type!r}")
    return device_type == "cpu" or clew.cuda.is_available()


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """True inside an enabled `autocast` of this thread."""
    return is_autocast_available(device_type) and _C._autocast_dtype(device_type == "cuda") is not None


def get_autocast_dtype(device_type: str = "cpu") -> _C.dtype:
    """The dtype that the innermost `autocast` of this thread casts to; outside of one its default."""
    is_autocast_available(device_type)
    return _C._autocast_dtype(device_type == "cuda") or _default_dtype(device_type)


def _default_dtype(device_type: str) -> _C.dtype:
    return _C.float16 if device_type == "cuda" else _C.bfloat16


class autocast:
    """Runs matrix products and convolutions in a 16-bit dtype, and what needs range or precision in float32.

    Ops whose results suffer little get their float32 arguments cast to `dtype`; losses, softmax and norms get
    16-bit arguments cast to float32; the rest takes what comes. Casts are recorded, so gradients arrive in
    the dtype of the parameters. In-place ops are left alone. A context manager and a decorator, per thread.

    Args:
        device_type: "cpu" or "cuda": whose tensors are cast. "cuda" does nothing, with a warning, where there
            is no CUDA.
        dtype: bfloat16 or float16; None means bfloat16 on "cpu" and float16 on "cuda".
        enabled: False shields a part from an autocast around it.
        cache_enabled: cast each parameter once per context.
    Raises:
        ValueError: unknown device type or dtype.
    Example:
        >>> with clew.amp.autocast("cpu"):
        ...     y = clew.ones(2, 3) @ clew.ones(3, 2)
        >>> y.dtype
        clew.bfloat16
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: _C.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"autocast: expected device_type 'cpu' or 'cuda', got {device_type!r}")
        if enabled and not is_autocast_available(device_type):
            warnings.warn(
                "autocast: expected a CUDA device, got none; nothing is cast", UserWarning, stacklevel=2
            )
            enabled = False
        self.device = device_type
        self.dtype = _default_dtype(device_type) if dtype is None else dtype
        if enabled and self.dtype not in (_C.bfloat16, _C.float16):
            raise ValueError(f"autocast: expected dtype bfloat16 or float16, got {self.dtype}")
        self.enabled = enabled
        self.cache_enabled = cache_enabled is None or cache_enabled
        self._active: list[Any] = []

    def __enter__(self) -> autocast:
        # An autocast for a device that is not there leaves one of the CPU in force.
        applies = is_autocast_available(self.device)
        scope = (
            _C._Autocast(self.device == "cuda", self.dtype, self.enabled, self.cache_enabled)
            if applies
            else None
        )
        self._active.append(scope)
        return self

    def __exit__(self, *exc_info: object) -> None:
        scope = self._active.pop()
        if scope is not None:
            scope.end()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.dtype, self.enabled, self.cache_enabled):
                return function(*args, **kwargs)

        return wrapped


def _cast(value: Any, dtype: _C.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() and value.dtype != _C.float64 else value
    if isinstance(value, dict):
        return {key: _cast(item, dtype) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(item, dtype) for item in value)
    return value


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: _C.dtype | None = None
) -> Callable:
    """Decorates `forward` of an autograd.Function for use within autocast.

    Args:
        fwd: the function; None returns a decorator.
        device_type: the device type whose autocast is meant.
        cast_inputs: cast floating tensors to this dtype and run without autocast; None runs as it comes.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._autocast = (device_type, get_autocast_dtype(device_type))
        ctx._fwd_used_autocast = is_autocast_enabled(device_type)
        if cast_inputs is None or not ctx._fwd_used_autocast:
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return run


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """Decorates `backward` of an autograd.Function, so that it runs under the autocast that `forward` had."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        kind, dtype = ctx._autocast
        with autocast(kind, dtype=dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return run


def _finite(state: dict[str, Any]) -> bool:
    """Whether an optimizer's gradients were all finite; reads the devices' flags once."""
    if state["bad"]:
        state["bad"] = [True] if any(bool(bad) for bad in state["bad"]) else []
    return not state["bad"]


class GradScaler:
    """Multiplies the loss so that small gradients survive in float16, and divides the gradients again.

    A step whose gradients are not all finite is left out, and the scale falls; after `growth_interval` steps
    without that it grows. Disabled, everything passes through.

    Args:
        device: "cpu" or "cuda"; for "cuda" without CUDA the scaler is disabled, with a warning.
        init_scale: the first scale.
        growth_factor: above 1.
        backoff_factor: below 1.
        growth_interval: good steps before the scale grows.
        enabled: False passes everything through.
    Raises:
        ValueError: a factor out of range, or an unknown device.
    Reference:
        Micikevicius et al. Mixed Precision Training. 2017. arXiv:1710.03740.
    Example:
        >>> scaler = clew.amp.GradScaler("cpu", init_scale=8.0)
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> optimizer = clew.optim.SGD([p], lr=0.5)
        >>> scaler.scale(p.sum()).backward()
        >>> p.grad.item()
        8.0
        >>> scaler.step(optimizer); scaler.update()
        >>> p.item()
        0.5
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        device = str(device)
        if device not in ("cpu", "cuda"):
            raise ValueError(f"GradScaler: expected device 'cpu' or 'cuda', got {device!r}")
        if enabled and device == "cuda" and not clew.cuda.is_available():
            warnings.warn("GradScaler: expected a CUDA device, got none; it is disabled", stacklevel=2)
            enabled = False
        if enabled and not growth_factor > 1.0:
            raise ValueError(f"GradScaler: expected growth_factor > 1, got {growth_factor}")
        if enabled and not backoff_factor < 1.0:
            raise ValueError(f"GradScaler: expected backoff_factor < 1, got {backoff_factor}")
        self._device, self._enabled = device, enabled
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        # Per optimizer since the last update: whether gradients were divided, were finite, were used.
        self._seen: dict[int, dict[str, Any]] = {}

    def scale(self, outputs: Any) -> Any:
        """Returns the tensor, or the tensors of a list or tuple, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(item) for item in outputs)
        raise ValueError(f"scale: expected a Tensor or a list of Tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, to look at them or clip them.

        Raises:
            RuntimeError: they were divided already, or were used by `step`.
        """
        if not self._enabled:
            return
        state = self._seen.setdefault(id(optimizer), {"unscaled": False, "bad": [], "stepped": False})
        if state["unscaled"]:
            raise RuntimeError("unscale_: expected one call between updates, got a second one")
        if state["stepped"]:
            raise RuntimeError("unscale_: expected a call before step(), got one after it")
        params = (p for group in optimizer.param_groups for p in group["params"])
        grads = [p.grad.detach() for p in params if p.grad is not None]
        self._divide(grads, state)
        state["unscaled"] = True

    def _divide(self, grads: list[Tensor], state: dict[str, Any]) -> None:
        """Divides by the scale; `state` keeps one flag per device that says whether all was finite."""
        by_device: dict[Any, list[Tensor]] = {}
        for g in grads:
            by_device.setdefault(g.device, []).append(g)
        for device, here in by_device.items():
            if device.type == "cuda":
                # The flag stays on the device until step() or update() needs it.
                bad = clew.zeros((), device=device)
                _C._scale_by_(here, 1.0 / self._scale, None, bad)
            else:
                _C._scale_(here, 1.0 / self._scale)
                bad = not all(bool(g.isfinite().all()) for g in here)
            state["bad"].append(bad)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls `optimizer.step(*args, **kwargs)` when all gradients are finite, after dividing them.

        Returns:
            What the optimizer returned; None when the step was left out.
        Raises:
            RuntimeError: a second step before `update`, or a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("step: expected no closure with an enabled GradScaler, got one")
        state = self._seen.get(id(optimizer))
        if state is not None and state["stepped"]:
            raise RuntimeError("step: expected update() since the last step, got none")
        if state is None or not state["unscaled"]:
            self.unscale_(optimizer)
        state = self._seen[id(optimizer)]
        result = optimizer.step(*args, **kwargs) if _finite(state) else None
        state["stepped"] = True
        return result

    def update(self, new_scale: Any = None) -> None:
        """Sets the scale for the next iteration.

        Args:
            new_scale: a number or one-element tensor; None grows or shrinks the present one.
        Raises:
            RuntimeError: no gradients were looked at since the last update.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._seen:
            raise RuntimeError("update: expected step() or unscale_() since the last update, got none")
        elif all(_finite(state) for state in self._seen.values()):
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale *= self._growth_factor
                self._growth_tracker = 0
        else:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        self._seen = {}

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """The factor when the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets the factor when the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """The factor when the scale falls."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets the factor when the scale falls."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Good steps before the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets the number of good steps before the scale grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Returns scale, factors and counter; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave.

        Raises:
            RuntimeError: it is empty, as from a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "load_state_dict: expected the state of an enabled GradScaler, got an empty one"
            )
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("amp", name)
