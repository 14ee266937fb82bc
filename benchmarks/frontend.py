"""What an op costs in C++, and the same training step from C++ and from Python.

    python benchmarks/frontend.py BUILD            BUILD: where clew_frontend_bench was built
    python benchmarks/frontend.py BUILD --check    exit status 1 if a target is missed

All times are processor times of one thread. Targets: a one-element add in at most 25 ns without and 60 ns
with tape and destruction; the step of the two-layer net (N=64, D=1000, H=100) from C++ no slower than from
Python.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import clew
from clew import nn


def python_step() -> float:
    """Nanoseconds of a step in Python."""
    clew.set_num_threads(1)
    clew.manual_seed(0)
    net = nn.Sequential(nn.Linear(1000, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = clew.optim.SGD(net.parameters(), lr=1e-3)
    x, y = clew.randn(64, 1000), clew.randn(64, 10)
    loss_fn = nn.MSELoss()

    def run() -> None:
        optimizer.zero_grad()
        loss_fn(net(x), y).backward()
        optimizer.step()

    rounds = []
    for _ in range(16):
        start = time.thread_time()
        for _ in range(50):
            run()
        rounds.append((time.thread_time() - start) / 50 * 1e9)
    return statistics.median(rounds[1:])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    cpp: dict[str, list[float]] = {}
    python = []
    for _ in range(5):
        text = subprocess.run(
            [options.build / "clew_frontend_bench"], capture_output=True, text=True, check=True
        ).stdout
        for name, value in json.loads(text).items():
            cpp.setdefault(name, []).append(value)
        python.append(python_step())
    add, taped, step = (statistics.median(cpp[n]) for n in ("add", "add_with_tape", "two_layer_step"))
    ratio = step / statistics.median(python)
    rows = [
        ("C++ add, one element", f"{add:.1f} ns", add, 25),
        ("C++ add, one element, with tape", f"{taped:.1f} ns", taped, 60),
        ("two-layer step, C++ to Python", f"{ratio:.3f}", ratio, 1.0),
    ]
    for name, text, _, target in rows:
        print(f"{name:36} {text:>10}   target {target}")
    missed = [name for name, _, value, target in rows if value > target]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
