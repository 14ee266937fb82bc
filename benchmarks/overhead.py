"""What an operation costs beside its arithmetic: Clew and PyTorch, the same code, side by side.

Both run in one process on one thread. Rounds alternate between the libraries, so that both see the
same machine; a row shows the median over rounds. Without PyTorch the rows show Clew alone.

    python benchmarks/overhead.py                 a table
    python benchmarks/overhead.py --json out.json the same as data
    python benchmarks/overhead.py --check         exit status 1 if a target is missed
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

# --- the workloads: each takes a library and returns the function to time ---------------------------


def add(lib: ModuleType) -> Callable:
    a, b = lib.ones(1), lib.ones(1)
    return lambda: a + b


def add_with_gradient(lib: ModuleType) -> Callable:
    a, b = lib.ones(1, requires_grad=True), lib.ones(1)
    return lambda: a + b


def multiply_by_number(lib: ModuleType) -> Callable:
    a = lib.ones(1)
    return lambda: a * 2.0


def index_row(lib: ModuleType) -> Callable:
    m = lib.ones(10, 10)
    return lambda: m[3]


def chain(lib: ModuleType) -> Callable:
    x = lib.ones(1, requires_grad=True)
    one = lib.ones(1)

    def run() -> None:
        x.grad = None
        y = x
        for _ in range(100):
            y = y + one
        y.backward()

    return run


def training_step(lib: ModuleType, model, x, y, lr: float) -> Callable:
    optimizer = lib.optim.SGD(model.parameters(), lr=lr)
    loss_fn = lib.nn.MSELoss()

    def run() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return run


def sigmoid_layer(lib: ModuleType) -> Callable:
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(100, 100), lib.nn.Sigmoid())
    return training_step(lib, model, lib.randn(4, 100), lib.rand(4, 100), 0.1)


def two_layer_net(lib: ModuleType) -> Callable:
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(1000, 100), lib.nn.ReLU(), lib.nn.Linear(100, 10))
    return training_step(lib, model, lib.randn(64, 1000), lib.randn(64, 10), 1e-4)


def adam(lib: ModuleType) -> Callable:
    lib.manual_seed(0)
    parameters = [lib.nn.Parameter(lib.randn(35)) for _ in range(1000)]
    for p in parameters:
        p.grad = lib.randn(35)
    return lib.optim.Adam(parameters, lr=1e-3).step


def epoch(lib: ModuleType) -> Callable:
    lib.manual_seed(0)
    data = importlib.import_module(f"{lib.__name__}.utils.data")
    dataset = data.TensorDataset(lib.randn(20000, 32), lib.randint(0, 10, (20000,)))
    loader = data.DataLoader(dataset, batch_size=256, shuffle=True)

    def run() -> None:
        for _x, _y in loader:
            pass

    return run


@dataclass
class Workload:
    name: str
    make: Callable[[ModuleType], Callable]
    target: float  # of PyTorch's time
    calls: int  # in one round
    rounds: int = 15


WORKLOADS = [
    Workload("a + b, one element", add, 0.15, 20000),
    Workload("a + b, with gradient", add_with_gradient, 0.15, 20000),
    Workload("a * 2.0, one element", multiply_by_number, 0.15, 20000),
    Workload("m[3] of 10 x 10", index_row, 0.25, 20000),
    Workload("100 ops, forward and backward", chain, 0.2, 100),
    Workload("SGD step, 100-100 sigmoid layer, batch 4", sigmoid_layer, 0.35, 300),
    Workload("SGD step, 1000-100-10 net, batch 64", two_layer_net, 0.75, 100),
    Workload("Adam step, 1000 parameters of 35", adam, 0.05, 10),
    Workload("epoch, 20000 rows, batch 256, shuffled", epoch, 0.1, 1, 7),
]


@dataclass
class Row:
    name: str
    clew: float
    torch: float | None
    unit: str
    ratio: float | None = None
    target: float | None = None  # of the ratio, or of Clew's own number where `absolute`
    absolute: bool = False

    def missed(self) -> bool:
        value = self.clew if self.absolute else self.ratio
        return self.target is not None and value is not None and value > self.target


# --- measuring -------------------------------------------------------------------------------------


def seconds(f: Callable, calls: int) -> float:
    """Time of one call, from `calls` in a row."""
    repeat = range(calls)
    start = time.perf_counter()
    for _ in repeat:
        f()
    return (time.perf_counter() - start) / calls


def empty_call_seconds() -> float:
    def nothing() -> None:
        pass

    return min(seconds(nothing, 100_000) for _ in range(5))


def measure(w: Workload, libraries: list[ModuleType], rounds: int, empty: float) -> Row:
    functions = [w.make(lib) for lib in libraries]
    for f in functions:
        seconds(f, max(w.calls // 5, 1))  # warm-up: caches, pools, lazy initialisation
    times: list[list[float]] = [[] for _ in functions]
    gc.collect()
    gc.disable()
    try:
        for _ in range(min(rounds, w.rounds) if rounds else w.rounds):
            for f, found in zip(functions, times, strict=True):
                found.append(max(seconds(f, w.calls) - empty, 0.0))
    finally:
        gc.enable()
    medians = [statistics.median(t) for t in times]
    row = Row(w.name, medians[0] * 1e6, None, "us", target=w.target)
    if len(medians) > 1:
        row.torch = medians[1] * 1e6
        row.ratio = medians[0] / medians[1]
    return row


def import_ms(code: str) -> float:
    # As installed: with compiled bytecode.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    return 1000 * (time.perf_counter() - start)


def import_row(names: list[str], rounds: int) -> Row:
    """What `import clew` takes beyond Python and NumPy."""
    codes = ["import numpy", *(f"import numpy, {name}" for name in names)]
    times: list[list[float]] = [[] for _ in codes]
    for code in codes:
        import_ms(code)
    for _ in range(rounds):
        for code, found in zip(codes, times, strict=True):
            found.append(import_ms(code))
    base, *own = (statistics.median(t) for t in times)
    row = Row("import, beyond Python and NumPy", own[0] - base, None, "ms", target=100, absolute=True)
    if len(own) > 1:
        row.torch = own[1] - base
        row.ratio = row.clew / row.torch
    return row


def package_mb(module: ModuleType) -> float:
    sizes = {}  # by file, however many names it has
    for folder, folders, files in os.walk(module.__path__[0], followlinks=True):
        folders[:] = [f for f in folders if f != "__pycache__"]
        for name in files:
            status = os.stat(os.path.join(folder, name))
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values()) / 1e6


def size_row(libraries: list[ModuleType]) -> Row:
    sizes = [package_mb(lib) for lib in libraries]
    row = Row("installed size, with its BLAS", sizes[0], None, "MB", target=40, absolute=True)
    if len(sizes) > 1:
        row.torch, row.ratio = sizes[1], sizes[0] / sizes[1]
    return row


# --- printing --------------------------------------------------------------------------------------


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def table(rows: list[Row]) -> str:
    lines = [
        "| one thread, median of alternating rounds | Clew | PyTorch | ratio | target |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:

        def amount(value: float | None, unit: str = r.unit) -> str:
            return "" if value is None else f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"

        ratio = "" if r.ratio is None else f"{r.ratio:.3f}"
        target = "" if r.target is None else f"{r.target:g} {r.unit}" if r.absolute else f"{r.target:g}"
        mark = " (missed)" if r.missed() else ""
        lines.append(
            f"| {r.name} | {amount(r.clew)} | {amount(r.torch)} | {ratio}{mark if not r.absolute else ''} "
            f"| {target}{mark if r.absolute else ''} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    parser.add_argument("--only", metavar="TEXT", help="rows whose name contains TEXT")
    parser.add_argument("--rounds", type=int, default=0, help="rounds per row (default: 15, 7 for the epoch)")
    options = parser.parse_args()

    import clew

    libraries: list[ModuleType] = [clew]
    try:
        libraries.append(importlib.import_module("torch"))
    except ImportError:
        print("PyTorch is not installed: the table shows Clew alone", file=sys.stderr)
    for lib in libraries:
        lib.set_num_threads(1)

    versions = ", ".join(f"{lib.__name__} {lib.__version__}" for lib in libraries)
    print(f"{processor()}; Python {platform.python_version()}; {versions}\n")
    empty = empty_call_seconds()
    rows = [
        measure(w, libraries, options.rounds, empty)
        for w in WORKLOADS
        if not options.only or options.only in w.name
    ]
    if not options.only:
        rows.append(import_row([lib.__name__ for lib in libraries], 7))
        rows.append(size_row(libraries))
    print(table(rows))

    if options.json:
        Path(options.json).write_text(
            json.dumps(
                {
                    "processor": processor(),
                    "python": platform.python_version(),
                    "versions": versions,
                    "rows": [{**asdict(r), "missed": r.missed()} for r in rows],
                },
                indent=1,
            )
            + "\n"
        )
    missed = [r.name for r in rows if r.missed()]
    if missed:
        print(f"\nmissed: {'; '.join(missed)}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
