"""Batches on their way to a device: pinned memory, and copies beside the work on the batch before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import clew
from clew import Tensor

__all__ = ["pin_batch", "prefetch"]


def _map(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """A batch of the same structure with `function` applied to its tensors; the rest as it is."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(function, item) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_map(function, item) for item in value)
    if isinstance(value, Mapping):
        items = {key: _map(function, item) for key, item in value.items()}
        return items if type(value) is dict else type(value)(items)
    return value


def _pin(tensor: Tensor) -> Tensor:
    return tensor.pin_memory() if tensor.device.type == "cpu" else tensor


def pin_batch(batch: Any) -> Any:
    """The batch with its tensors in pinned memory; objects with a `pin_memory` method are asked for it."""
    if not isinstance(batch, (Tensor, str, bytes, list, tuple, Mapping)) and hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    return _map(_pin, batch)


def prefetch(loader: Iterable[Any], device: Any) -> Iterator[Any]:
    """Iterates over a loader's batches on a device, the next one being copied while this one is used.

    Copies run on a stream of their own; only batches in pinned memory, as of `DataLoader(pin_memory=True)`,
    are copied beside other work.

    Args:
        loader: any iterable of batches: tensors, or lists, tuples and mappings with tensors in them.
        device: where the batches are wanted.
    Yields:
        The batches, in order. Whatever else is in them is left alone.
    Raises:
        clew.DeviceError: the device is not there.
    Example:
        >>> loader = clew.utils.data.DataLoader(clew.utils.data.TensorDataset(clew.arange(4)), batch_size=2)
        >>> [x.tolist() for (x,) in clew.utils.data.prefetch(loader, "cpu")]
        [[0, 1], [2, 3]]
    """
    device = clew.device(device)
    if device.type != "cuda":
        for batch in loader:
            yield _map(lambda t: t.to(device), batch)
        return
    side = clew.cuda.Stream(device)

    def start(batch: Any) -> tuple[Any, Any]:
        with clew.cuda.stream(side):
            moved = _map(lambda t: t.to(side.device, non_blocking=True), batch)
            return moved, side.record_event()

    def finish(moved: Any, ready: Any) -> Any:
        current = clew.cuda.current_stream(side.device)
        current.wait_event(ready)

        def keep(tensor: Tensor) -> Tensor:
            # Made on the side stream, used on this one.
            if tensor.is_cuda:
                tensor.record_stream(current)
            return tensor

        return _map(keep, moved)

    pending: tuple[Any, Any] | None = None
    for batch in loader:
        ahead, pending = pending, start(batch)
        if ahead is not None:
            yield finish(*ahead)
    if pending is not None:
        yield finish(*pending)
