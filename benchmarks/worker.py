"""One library in a process of its own: makes cases and times them as told, one JSON line per answer."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable

from benchmarks.case import groups


def seconds(f: Callable, calls: int, clock: Callable = time.perf_counter) -> float:
    """Time of one call, from `calls` in a row."""
    repeat = range(calls)
    start = clock()
    for _ in repeat:
        f()
    return (clock() - start) / calls


def status_kib(name: str) -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    raise RuntimeError(f"status: expected a line {name}, found none")


class Peak:
    """Growth of the resident set since the start, at its highest."""

    def __init__(self) -> None:
        gc.collect()
        self.start = status_kib("VmRSS")
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the high-water mark starts over

    def bytes(self) -> int:
        return 1024 * (status_kib("VmHWM") - self.start)


class Worker:
    def __init__(self, library: str, threads: int, clock: Callable) -> None:
        self.clock = clock
        self.lib = importlib.import_module(library)
        self.lib.set_num_threads(threads)
        self.groups = groups()
        self.function: Callable = lambda: None

    def make(self, group: str, case: str) -> dict:
        self.function = lambda: None
        gc.collect()
        if hasattr(self.lib, "manual_seed"):
            self.lib.manual_seed(0)
        found = next(c for c in self.groups[group].cases if f"{c.size} {c.name}" == case)
        self.function = found.make(self.lib)
        first = seconds(self.function, 1)
        return {"seconds": min(first, seconds(self.function, 1))}

    def run(self, calls: int) -> dict:
        gc.disable()
        try:
            return {"seconds": seconds(self.function, calls, self.clock)}
        finally:
            gc.enable()

    def peak(self, group: str, case: str, calls: int) -> dict:
        x = self.lib.ones(16, 16, requires_grad=True)  # what the library sets up once does not count
        (x @ x).sum().backward()
        peak = Peak()
        self.make(group, case)
        seconds(self.function, calls)
        return {"bytes": peak.bytes()}


def main() -> None:
    # Answers go to the standard output as it was; what a library prints there goes elsewhere.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    clock = time.thread_time if sys.argv[3] == "cpu" else time.perf_counter
    worker = Worker(sys.argv[1], int(sys.argv[2]), clock)
    print(json.dumps({"version": worker.lib.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, order.pop("do"))(**order)
        except Exception as error:
            text = str(error).splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {text[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
