"""Devices besides the CPU, in words that name no vendor."""

from __future__ import annotations

from typing import Any

from clew import _C, cuda

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "is_available",
    "set_device_index",
    "synchronize",
]


def _none_here(name: str) -> _C.DeviceError:
    return _C.DeviceError(
        f"accelerator.{name}: expected an accelerator, got none (this build of Clew runs on the CPU; "
        "clew.accelerator.is_available() is False)"
    )


def is_available() -> bool:
    """True when there is a device besides the CPU.

    Example:
        >>> clew.accelerator.is_available()
        False
    """
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> _C.device | None:
    """The kind of device that programs should use besides the CPU; None where there is none."""
    return _C.device("cuda") if is_available() else None


def device_count() -> int:
    """Number of such devices."""
    return cuda.device_count()


def current_device_index() -> int:
    """Index of the current device.

    Raises:
        clew.DeviceError: there is none.
    """
    if not is_available():
        raise _none_here("current_device_index")
    return cuda.current_device()


def set_device_index(device: Any) -> None:
    """Makes a device the current one.

    Raises:
        clew.DeviceError: there is none.
    """
    if not is_available():
        raise _none_here("set_device_index")
    cuda.set_device(device)


def synchronize(device: Any = None) -> None:
    """Waits for all work on a device.

    Raises:
        clew.DeviceError: there is none.
    """
    if not is_available():
        raise _none_here("synchronize")
    cuda.synchronize(device)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("accelerator", name)
