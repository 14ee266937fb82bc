"""Figures of the device memory that Clew holds."""

from __future__ import annotations

from typing import Any

from clew import _C


def _stats(device: Any, what: str) -> dict[str, int]:
    """Empty where no device was used: asking for figures looks for nothing."""
    if not _C._cuda_is_loaded():
        return {}
    from clew.cuda import index_of

    return _C._cuda_memory_stats(index_of(device, what))


def memory_stats(device: Any = None) -> dict[str, int]:
    """Figures of the device's allocator; none where no device was used.

    Returns:
        `allocated_bytes` (handed out), `requested_bytes` (asked for), `reserved_bytes` (held) and
        `active_bytes` (handed out, or waiting for a stream), each `.all.current` and `.all.peak`, and counts.
    """
    return _stats(device, "memory_stats")


def memory_allocated(device: Any = None) -> int:
    """Bytes of tensors on the device."""
    return _stats(device, "memory_allocated").get("allocated_bytes.all.current", 0)


def max_memory_allocated(device: Any = None) -> int:
    """The largest `memory_allocated` since start or `reset_peak_memory_stats`."""
    return _stats(device, "max_memory_allocated").get("allocated_bytes.all.peak", 0)


def memory_reserved(device: Any = None) -> int:
    """Bytes that the allocator holds on the device."""
    return _stats(device, "memory_reserved").get("reserved_bytes.all.current", 0)


def max_memory_reserved(device: Any = None) -> int:
    """The largest `memory_reserved` since start or `reset_peak_memory_stats`."""
    return _stats(device, "max_memory_reserved").get("reserved_bytes.all.peak", 0)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts the peaks anew."""
    if _C._cuda_is_loaded():
        from clew.cuda import index_of

        _C._cuda_reset_peaks(index_of(device, "reset_peak_memory_stats"))


def empty_cache() -> None:
    """Gives unused device memory back to the system."""
    if _C._cuda_is_loaded():
        _C._cuda_empty_cache()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of a device, as its driver counts them.

    Raises:
        clew.DeviceError: it is not there.
    """
    from clew.cuda import index_of

    return _C._cuda_memory_info(index_of(device, "mem_get_info"))


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The allocator's figures as a table.

    Raises:
        clew.DeviceError: the device is not there.
    """
    from clew.cuda import index_of

    stats = _C._cuda_memory_stats(index_of(device, "memory_summary"))
    lines = [f"{'bytes':<12}{'now':>18}{'peak':>18}"]
    for name in ("allocated", "requested", "active", "reserved"):
        now, peak = (stats[f"{name}_bytes.all.{when}"] for when in ("current", "peak"))
        lines.append(f"{name:<12}{now:>18,}{peak:>18,}")
    if not abbreviated:
        lines.append(
            f"{stats['allocation.all.allocated']} allocations, {stats['num_alloc_retries']} retries, "
            f"{stats['num_ooms']} refused"
        )
    return "\n".join(lines)
