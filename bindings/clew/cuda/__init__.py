"""CUDA devices, as far as this build has them: it asks, counts and seeds; the rest says what is missing."""

from __future__ import annotations

from typing import Any

from clew import _C
from clew.cuda import amp, nvtx

__all__ = [
    "Event",
    "OutOfMemoryError",
    "Stream",
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
    "synchronize",
]

OutOfMemoryError = _C.OutOfMemoryError


def _none_here(name: str) -> _C.DeviceError:
    return _C.DeviceError(
        f"cuda.{name}: expected a CUDA device, got none (this build of Clew has no CUDA backend library, so "
        "no driver or GPU was looked for; clew.cuda.is_available() is False, use device='cpu')"
    )


def is_available() -> bool:
    """True when tensors can be made on a CUDA device; False in this build.

    Example:
        >>> clew.cuda.is_available()
        False
    """
    return False


def device_count() -> int:
    """Number of CUDA devices that can be used; 0 in this build."""
    return 0


def is_initialized() -> bool:
    """True once a CUDA device was used; False in this build."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """True when a CUDA device computes in bfloat16; False in this build."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator; does nothing without CUDA, so that programs run anywhere."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices; does nothing without CUDA, so that programs run anywhere."""
    int(seed)


def seed() -> None:
    """Seeds the current device's generator from the system; does nothing without CUDA."""


def seed_all() -> None:
    """Seeds the generators of all devices from the system; does nothing without CUDA."""


def empty_cache() -> None:
    """Gives unused device memory back; there is none without CUDA."""


def ipc_collect() -> None:
    """Frees device memory that other processes gave back; there is none without CUDA."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts the peaks anew; there are none without CUDA."""


def memory_allocated(device: Any = None) -> int:
    """Bytes of tensors on the device; 0 without CUDA."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The largest `memory_allocated` so far; 0 without CUDA."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that the allocator holds on the device; 0 without CUDA."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The largest `memory_reserved` so far; 0 without CUDA."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Figures of the device's allocator; none without CUDA."""
    return {}


def _raising(name: str, doc: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise _none_here(name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}\n\n    Raises:\n        clew.DeviceError: this build has no CUDA.\n    "
    return function


current_device = _raising("current_device", "Index of the current device.")
set_device = _raising("set_device", "Makes a device the current one.")
get_device_name = _raising("get_device_name", "Name of a device.")
get_device_capability = _raising("get_device_capability", "Compute capability of a device.")
get_device_properties = _raising("get_device_properties", "Name, memory and processors of a device.")
synchronize = _raising("synchronize", "Waits for all work on a device.")
mem_get_info = _raising("mem_get_info", "Free and total bytes of a device.")
memory_summary = _raising("memory_summary", "Figures of the allocator as text.")
current_stream = _raising("current_stream", "The stream that work goes to.")
default_stream = _raising("default_stream", "The stream that work goes to at first.")
get_rng_state = _raising("get_rng_state", "State of a device's generator.")
set_rng_state = _raising("set_rng_state", "Sets the state of a device's generator.")
init = _raising("init", "Looks for the driver and the devices.")


class _NeedsCuda:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise _none_here(type(self).__name__)


class Stream(_NeedsCuda):
    """A queue of work on a device; raises clew.DeviceError in this build."""


class Event(_NeedsCuda):
    """A mark in a stream; raises clew.DeviceError in this build."""


class device:
    """Makes a device the current one within a block; None and negative indices do nothing.

    Raises:
        clew.DeviceError: another device, since this build has no CUDA.
    """

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device

    def __enter__(self) -> device:
        if not (isinstance(self.idx, int) and self.idx < 0):
            raise _none_here("device")
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("cuda", name)
