"""Long-lived workers under a watchdog: a crash or a hang costs one sample, is reported, and the rest runs."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

START_LIMIT = 180.0  # seconds, for imports on a busy machine
SAMPLE_LIMIT = 20.0


@dataclass
class Job:
    op: int
    name: str  # with its variant: "max.binary"
    base: str  # the database's name alone
    phase: str


@dataclass
class Outcome:
    job: Job
    passed: int = 0
    failed: int = 0
    refused: int = 0  # PyTorch itself does not run them
    total: int = 0
    lacking: bool = False
    failures: list[tuple[int, str]] = field(default_factory=list)
    fatal: list[tuple[int, str]] = field(default_factory=list)  # crashes and hangs

    @property
    def ok(self) -> bool:
        return not self.failures and not self.fatal


class Worker:
    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.buffer = b""

    def start(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        here = Path(__file__).resolve().parent.parent
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(here), *(str(Path(p).resolve()) for p in sys.path if p)]),
            "PYTHONFAULTHANDLER": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "parity.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            cwd=here,
        )
        self.buffer = b""
        message = self.read(START_LIMIT)
        if message is None or "ready" not in message:
            raise RuntimeError(f"a worker did not start: {self.last_words()}")

    def read(self, limit: float) -> dict | None:
        """The next message; {} when the time is over, None when the process is gone."""
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], limit)
            if not ready:
                return {}
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                return None
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        telling = [x for x in lines if "Error" in x or "Fatal" in x or "Assert" in x] or lines
        return telling[-1][:200] if telling else "no message"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout, self.errors):
                stream.close()
            self.process = None

    def run(self, job: Job, cap: int) -> Outcome:
        skip: list[int] = []
        fatal: list[tuple[int, str]] = []
        while True:
            if self.process is None:
                self.start()
            outcome = Outcome(job, fatal=fatal)
            request = {"op": job.op, "phase": job.phase, "skip": skip, "cap": cap}
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
            current = 0
            while True:
                message = self.read(SAMPLE_LIMIT)
                if not message:
                    code = self.process.poll() if message == {} else self.process.wait()
                    what = (
                        f"hang: no answer within {SAMPLE_LIMIT:.0f} s"
                        if message == {}
                        else f"crash: exit status {code}: {self.last_words()}"
                    )
                    self.stop()
                    fatal.append((current, what))
                    skip.append(current)
                    break
                if "begin" in message:
                    current = message["begin"]
                elif "fail" in message:
                    outcome.failures.append((message["fail"], message["reason"]))
                elif "done" in message:
                    counts = message["done"]
                    outcome.passed, outcome.failed = counts["passed"], counts["failed"] + len(fatal)
                    outcome.refused, outcome.total = counts["refused"], counts["total"]
                    outcome.lacking = message["lacking"]
                    return outcome
            if len(fatal) >= 5:
                outcome.failed = outcome.total = len(fatal)
                return outcome


def run_jobs(jobs: list[Job], workers: int, cap: int = 0, progress=None) -> list[Outcome]:
    """Runs all jobs; `cap` bounds the samples of one job, 0 means all."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    outcomes: list[Outcome] = []
    problems: list[BaseException] = []

    def serve() -> None:
        worker = Worker()
        try:
            while not problems:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                outcomes.append(worker.run(job, cap))
                if progress is not None:
                    progress(outcomes[-1])
        except BaseException as e:
            problems.append(e)
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if problems:
        raise problems[0]
    return outcomes
