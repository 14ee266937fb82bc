"""Runs cases in two processes that take turns, and gathers what they took."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case import Case, Group

ROOT = Path(__file__).resolve().parent.parent
# Idle threads of the library that had its turn spin for some milliseconds before they sleep, on the cores
# that the other one needs.
SETTLE_SECONDS = 0.03
# How often a case over its limit is measured again: one run of a case is easily disturbed.
AGAIN = 4


@dataclass
class Row:
    """One case at one number of threads: seconds per call, medians over rounds."""

    group: str
    size: str
    case: str
    threads: int
    clew: float | None = None
    torch: float | None = None
    ratio: float | None = None  # median of the rounds' ratios
    limit: float | None = None
    unit: str = "s"
    error: str = ""

    @property
    def missed(self) -> bool:
        over = self.limit is not None and self.ratio is not None and self.ratio > self.limit
        return bool(self.error) or over


@dataclass
class Mean:
    """Geometric mean of the ratios of a group's cases of one size."""

    group: str
    size: str
    threads: int
    ratio: float
    worst: str
    worst_ratio: float
    target: float | None = None

    @property
    def missed(self) -> bool:
        return self.target is not None and self.ratio > self.target


class Process:
    """A worker with one library loaded."""

    def __init__(self, library: str, threads: int, clock: str = "wall") -> None:
        env = dict(os.environ, PYTHONHASHSEED="0")
        for name in ("CLEW_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            env[name] = str(threads)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "benchmarks.worker", library, str(threads), clock]
        self.library = library
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.version = self.answer()["version"]

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"benchmark: expected an answer of {self.library}, its process ended")
        return json.loads(line)

    def ask(self, **order) -> dict:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        if "error" in answer:
            raise CaseError(f"{self.library}: {answer['error']}")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class CaseError(Exception):
    """A case that raised in one of the libraries."""


@dataclass
class Options:
    libraries: list[str]
    rounds: int
    round_seconds: float  # about what one round of one library takes
    quick: bool
    clock: str = "wall"  # or "cpu": time on the processor, of one thread


def calls_for(once: float, options: Options) -> int:
    return max(1, min(100_000, round(options.round_seconds / max(once, 1e-9))))


def rounds(group: Group, case: Case, threads: int, processes: list[Process], options: Options) -> list[list]:
    """Seconds per call, for each process a list over the rounds."""
    calls = []
    for p in processes:
        once = p.ask(do="make", group=group.name, case=f"{case.size} {case.name}")["seconds"]
        few = calls_for(once, options) // 5
        if few:  # warm-up, and a better estimate
            once = p.ask(do="run", calls=few)["seconds"]
        calls.append(calls_for(once, options))
    times: list[list[float]] = [[] for _ in processes]
    order = list(range(len(processes)))
    for _ in range(options.rounds):
        for i in order:
            if threads > 1 and len(processes) > 1:
                time.sleep(SETTLE_SECONDS)
            times[i].append(processes[i].ask(do="run", calls=calls[i])["seconds"])
        order.reverse()
    return times


def measure(group: Group, case: Case, threads: int, processes: list[Process], options: Options) -> Row:
    """One row. A case over its limit is made and measured again, and all of its rounds count."""
    limit = case.limit if case.limit is not None else group.case_target
    row = Row(group.name, case.size, case.name, threads, limit=limit)
    times: list[list[float]] = [[] for _ in processes]
    for _ in range(1 + AGAIN):
        try:
            for all_of_one, new in zip(times, rounds(group, case, threads, processes, options), strict=True):
                all_of_one += new
        except CaseError as error:
            row.error = str(error)
            return row
        row.clew = statistics.median(times[0])
        if len(processes) > 1:
            row.torch = statistics.median(times[1])
            row.ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
        if not row.missed and len(times[0]) == options.rounds:
            break
    return row


def peak_memory(group: Group, case: Case, threads: int, options: Options) -> Row:
    row = Row(group.name, "peak memory", case.name, threads, limit=1.0, unit="B")
    found = []
    for library in options.libraries:
        process = Process(library, threads)
        try:
            name = f"{case.size} {case.name}"
            found.append(process.ask(do="peak", group=group.name, case=name, calls=10)["bytes"])
        except CaseError as error:
            row.error = str(error)
        finally:
            process.close()
    if not row.error:
        row.clew = found[0]
        if len(found) > 1:
            row.torch, row.ratio = found[1], found[0] / max(found[1], 1)
    return row


def run(groups: list[Group], threads: list[int], only: str, options: Options, show) -> list[Row]:
    """All rows; `show(row)` is called as each is done."""
    rows = []
    for count in threads:
        processes = [Process(library, count, options.clock) for library in options.libraries]
        try:
            for group in groups:
                for case in group.cases:
                    name = f"{group.name} {case.name} {case.size}"
                    if (case.slow and options.quick) or count not in case.threads or only not in name:
                        continue
                    rows.append(measure(group, case, count, processes, options))
                    show(rows[-1])
                    if case.memory:
                        rows.append(peak_memory(group, case, count, options))
                        show(rows[-1])
        finally:
            for p in processes:
                p.close()
    return rows


def means(groups: list[Group], rows: list[Row]) -> list[Mean]:
    found = []
    for group in groups:
        keys = dict.fromkeys((r.size, r.threads) for r in rows if r.group == group.name and r.unit == "s")
        for size, threads in keys:
            own = [r for r in rows if (r.group, r.size, r.threads) == (group.name, size, threads) and r.ratio]
            if not own:
                continue
            ratio = math.exp(statistics.fmean(math.log(r.ratio) for r in own))
            worst = max(own, key=lambda r: r.ratio)
            found.append(Mean(group.name, size, threads, ratio, worst.case, worst.ratio, group.mean_target))
    return found
