"""CUDA devices: which there are, their streams, events and memory.

Nothing is looked for before it is asked for: the first question opens the backend library, and where library,
driver or device is missing, `is_available()` is False and everything else says what to do.
"""

from __future__ import annotations

import secrets
from typing import Any

from clew import _C
from clew.cuda import amp, nvtx
from clew.cuda._memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_peak_memory_stats,
)
from clew.cuda._streams import (
    Event,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    set_stream,
    stream,
)

__all__ = [
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "nvtx",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_stream",
    "stream",
    "synchronize",
]

OutOfMemoryError = _C.OutOfMemoryError


def is_available() -> bool:
    """True when tensors can be made on a CUDA device; never raises.

    Example:
        >>> clew.cuda.is_available() == (clew.cuda.device_count() > 0)
        True
    """
    return device_count() > 0


def device_count() -> int:
    """Number of CUDA devices that can be used."""
    return _C._cuda_device_count()


def init() -> None:
    """Looks for the library, the driver and the devices.

    Raises:
        clew.DeviceError: one of them is missing; the message says which, and how to get it.
    """
    _C._cuda_require("cuda.init", -1)


def is_initialized() -> bool:
    """True once a CUDA device was found; looks for nothing."""
    return _C._cuda_is_loaded()


def index_of(device: Any, what: str) -> int:
    """The index that an integer, a string, a device or None (the current one) means; the device is there."""
    if device is None:
        index = -1
    elif isinstance(device, int):
        index = device
    else:
        device = _C.device(device)
        if device.type != "cuda":
            raise ValueError(f"cuda.{what}: expected a CUDA device, got {device}")
        index = device.index
    _C._cuda_require(f"cuda.{what}", index)
    return current_index() if index < 0 else index


def current_index() -> int:
    return _C._cuda_current_device()


def current_device() -> int:
    """Index of the current device of this thread.

    Raises:
        clew.DeviceError: there is none.
    """
    return index_of(None, "current_device")


def set_device(device: Any) -> None:
    """Makes a device the current one of this thread: what "cuda" without an index means.

    Args:
        device: an index, "cuda:1", or a device. A negative index does nothing.
    Raises:
        clew.DeviceError: it is not there.
    """
    if not (isinstance(device, int) and device < 0):
        _C._cuda_set_device(index_of(device, "set_device"))


class device:
    """Makes a device the current one within a block; None and negative indices do nothing.

    Raises:
        clew.DeviceError: it is not there.
    """

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device
        self._before = -1

    def __enter__(self) -> device:
        if not (isinstance(self.idx, int) and self.idx < 0):
            index = index_of(self.idx, "device")
            self._before = current_index()
            _C._cuda_set_device(index)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._before >= 0:
            _C._cuda_set_device(self._before)
            self._before = -1


class _DeviceProperties:
    """Name, memory and processors of a device."""

    def __init__(self, figures: tuple) -> None:
        self.name, self.major, self.minor, self.multi_processor_count, self.total_memory = figures

    def __repr__(self) -> str:
        return (
            f"DeviceProperties(name={self.name!r}, major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory}, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> _DeviceProperties:
    """Name, memory and processors of a device.

    Raises:
        clew.DeviceError: it is not there.
    """
    return _DeviceProperties(_C._cuda_properties(index_of(device, "get_device_properties")))


def get_device_name(device: Any = None) -> str:
    """Name of a device.

    Raises:
        clew.DeviceError: it is not there.
    """
    return get_device_properties(index_of(device, "get_device_name")).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Compute capability of a device, such as (9, 0).

    Raises:
        clew.DeviceError: it is not there.
    """
    p = get_device_properties(index_of(device, "get_device_capability"))
    return p.major, p.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """True when the current device computes in bfloat16."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def synchronize(device: Any = None) -> None:
    """Waits for all work on a device.

    Raises:
        clew.DeviceError: it is not there.
    """
    _C._cuda_synchronize(index_of(device, "synchronize"))


# --- random numbers --------------------------------------------------------------------------------
# One stream of random numbers serves all devices, so that a program draws the same ones on each.


def manual_seed(seed: int) -> None:
    """Seeds the generator of the devices; does nothing without CUDA, so that programs run anywhere."""
    if is_available():
        _C.manual_seed(int(seed))
    else:
        int(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices; does nothing without CUDA, so that programs run anywhere."""
    manual_seed(seed)


def seed() -> None:
    """Seeds the generator of the devices from the system; does nothing without CUDA."""
    if is_available():
        manual_seed(secrets.randbits(63))


def seed_all() -> None:
    """Seeds the generators of all devices from the system; does nothing without CUDA."""
    seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """State of the devices' generator, for `set_rng_state`.

    Raises:
        clew.DeviceError: there is no device.
    """
    index_of(device, "get_rng_state")
    from clew.random import get_rng_state as state

    return state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Sets the state of the devices' generator.

    Raises:
        clew.DeviceError: there is no device.
    """
    index_of(device, "set_rng_state")
    from clew.random import set_rng_state as set_state

    set_state(new_state)


def ipc_collect() -> None:
    """Frees device memory that other processes gave back; there is none, as no memory is shared."""


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("cuda", name)
