"""Processes that share tensors: Python's `multiprocessing`, with tensors in shared memory."""

from __future__ import annotations

import multiprocessing as _mp
import sys
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *_mp.__all__,
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """A process did not end well."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """A process ended with a Python exception; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """A process ended with another exit status than 0, or was killed."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(fn: Callable, i: int, args: tuple, errors: Any) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """What `start_processes` returns: the processes, to be joined."""

    def __init__(self, processes: list, errors: list) -> None:
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits until a process ends; raises when one ended badly, after it has stopped the others.

        Returns:
            True when all have ended.
        """
        from multiprocessing.connection import wait

        left = {p.sentinel: i for i, p in enumerate(self.processes) if p.exitcode is None}
        if left:
            wait(list(left), timeout)
        for p in self.processes:
            p.join(0)
        bad = next((i for i, p in enumerate(self.processes) if p.exitcode not in (None, 0)), None)
        if bad is None:
            return all(p.exitcode is not None for p in self.processes)
        for p in self.processes:
            if p.is_alive():
                p.terminate()
        for p in self.processes:
            p.join()
        process, code = self.processes[bad], self.processes[bad].exitcode
        if self._errors[bad].empty():
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            raise ProcessExitedException(
                f"spawn: expected process {bad} to end with exit status 0, got {how}", bad, process.pid, code
            )
        raise ProcessRaisedException(
            f"\n\n-- Process {bad} terminated with the following error:\n{self._errors[bad].get()}",
            bad,
            process.pid,
        )


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` processes; see `spawn`."""
    context = _mp.get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, queue), daemon=daemon)
        process.start()
        processes.append(process)
        errors.append(queue)
    result = ProcessContext(processes, errors)
    if not join:
        return result
    while not result.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` new processes.

    Args:
        fn: a function of a module, as new processes import it.
        args: what it gets after its number; tensors after `share_memory_()` are shared.
        nprocs: how many.
        join: wait for all of them.
        daemon: end them with this process.
        start_method: how processes start.
    Returns:
        None, or with `join=False` a ProcessContext.
    Raises:
        ProcessRaisedException: one raised an exception; the others are stopped.
        ProcessExitedException: one ended otherwise.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set[str]:
    """The ways to share memory: there is one."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """The way in which memory is shared."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepts the one strategy there is, and file_system for existing code."""
    if new_strategy not in ("file_descriptor", "file_system"):
        raise ValueError(
            f"set_sharing_strategy: expected file_descriptor or file_system, got {new_strategy!r}"
        )


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("multiprocessing", name)
