"""The default generator of random numbers, and a way to leave it as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from clew import _C, get_rng_state, initial_seed, manual_seed, set_rng_state
from clew._info import seed

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

default_generator = _C.default_generator


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cpu",
) -> Iterator[None]:
    """Puts the default generator back, at the end of the block, where it was at the start.

    Args:
        devices: devices whose generators are put back too; this version has that of the CPU.
        enabled: False does nothing.
        device_type: the kind of `devices`.
    Example:
        >>> state = clew.get_rng_state()
        >>> with clew.random.fork_rng():
        ...     _ = clew.rand(3)
        >>> bool((clew.get_rng_state() == state).all())
        True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("random", name)
