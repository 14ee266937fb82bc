"""What a benchmark is: a case makes the function to time, a group gathers cases under targets."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType


@dataclass(frozen=True)
class Case:
    """One workload, the same for both libraries.

    `make(lib)` gets `clew` or `torch` and returns the function to time, with its data made and its
    parameters set. Cases of one `size` get a geometric mean of their own.
    """

    name: str
    make: Callable[[ModuleType], Callable[[], object]]
    size: str = ""
    slow: bool = False  # left out by --quick
    threads: tuple[int, ...] = (1, 2)
    limit: float | None = None  # of the ratio, where it is not the group's
    memory: bool = False  # its peak memory is compared, too


@dataclass(frozen=True)
class Group:
    """Cases with targets for the ratio of Clew's time to PyTorch's: of the geometric mean, of every case."""

    name: str
    cases: list[Case] = field(default_factory=list)
    mean_target: float | None = None
    case_target: float | None = None


def groups() -> dict[str, Group]:
    """Every module of benchmarks/groups that defines GROUP, by the group's name."""
    package = importlib.import_module("benchmarks.groups")
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        group = importlib.import_module(f"benchmarks.groups.{info.name}").GROUP
        found[group.name] = group
    return found


# --- what several groups need ----------------------------------------------------------------------


def sub(lib: ModuleType, name: str) -> ModuleType:
    """A submodule of the library: sub(lib, "utils.data")."""
    return importlib.import_module(f"{lib.__name__}.{name}")


def forward_backward(f: Callable, inputs: list, grad=None) -> Callable[[], object]:
    """A function that runs f(*inputs), then its backward; gradients are fresh each time."""
    if grad is None:
        grad = f(*inputs).detach() * 0 + 0.5
    leaves = [t for t in inputs if t.requires_grad]

    def run() -> None:
        for t in leaves:
            t.grad = None
        f(*inputs).backward(grad)

    return run


def training_step(lib: ModuleType, model, loss_fn: Callable, x, y, optimizer) -> Callable[[], object]:
    def run() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return run
