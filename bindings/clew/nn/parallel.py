"""Several devices: on one, a module is called as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import clew
from clew.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


def _one_device(name: str, device_ids: Sequence[Any] | None) -> None:
    if device_ids is not None and len(device_ids) > 1:
        raise clew.DeviceError(f"{name}: expected at most one device, got {list(device_ids)}")


class DataParallel(Module):
    """Calls a module; its threads share the work of one device, and there is no second one to share it with.

    Args:
        module: called with what this gets; its names begin with "module.".
        device_ids: at most one.
        output_device, dim: accepted, without effect on one device.
    Raises:
        clew.DeviceError: several devices.
    Example:
        >>> model = clew.nn.DataParallel(clew.nn.Linear(2, 1))
        >>> [name for name, _ in model.named_parameters()]
        ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        _one_device("DataParallel", device_ids)
        self.module = module
        self.dim = dim
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Calls a module; see DataParallel."""
    _one_device("data_parallel", device_ids)
    positional = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*positional, **(module_kwargs or {}))


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.parallel", name)
