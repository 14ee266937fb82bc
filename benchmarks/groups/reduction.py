"""Reductions to one value, over rows and over columns."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group

SHAPES = {"1": (1, 1), "1M": (1024, 1024), "64M": (8192, 8192)}
ALL: dict[str, Callable] = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "max": lambda x: x.max(),
    "prod": lambda x: x.prod(),
    "var": lambda x: x.var(),
    "norm": lambda x: x.norm(),
    "argmax": lambda x: x.argmax(),
    "any": lambda x: x.any(),
    "logsumexp": lambda x: x.logsumexp((0, 1)),
}
ALONG: dict[str, Callable] = {
    "sum": lambda x, d: x.sum(d),
    "mean": lambda x, d: x.mean(d),
    "amax": lambda x, d: x.amax(d),
    "max with indices": lambda x, d: x.max(d),
    "argmax": lambda x, d: x.argmax(d),
    "var": lambda x, d: x.var(d),
    "std": lambda x, d: x.std(d),
    "norm": lambda x, d: x.norm(dim=d),
    "logsumexp": lambda x, d: x.logsumexp(d),
    "cumsum": lambda x, d: x.cumsum(d),
}
LARGE = ["sum", "max", "var"]


def total(f: Callable, shape: tuple[int, int], zeros: bool = False) -> Callable:
    def make(lib: ModuleType) -> Callable:
        x = lib.zeros(*shape) if zeros else lib.rand(*shape) + 0.5
        return lambda: f(x)

    return make


def along(f: Callable, shape: tuple[int, int], dim: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        x = lib.rand(*shape) + 0.5
        return lambda: f(x, dim)

    return make


def middle(lib: ModuleType) -> Callable:
    x = lib.rand(32, 64, 512)
    return lambda: x.sum(1)


def channels(lib: ModuleType) -> Callable:
    x = lib.rand(32, 64, 32, 32)
    return lambda: x.sum((0, 2, 3))


def integers(lib: ModuleType) -> Callable:
    x = lib.arange(1 << 20)
    return lambda: x.sum()


def cases() -> list[Case]:
    found = []
    for size, shape in SHAPES.items():
        slow = size == "64M"
        for name, f in ALL.items():
            if not slow or name in LARGE:
                found.append(Case(name, total(f, shape, zeros=name == "any"), size, slow))
        if size == "1":
            continue
        for dim, where in ((1, "rows"), (0, "columns")):
            for name, f in ALONG.items():
                if not slow or name in LARGE:
                    found.append(Case(f"{name} over {where}", along(f, shape, dim), size, slow))
    found.append(Case("sum of the middle of 32 x 64 x 512", middle, "1M"))
    found.append(Case("sum of 32 x 64 x 32 x 32 to channels", channels, "1M"))
    found.append(Case("sum of int64", integers, "1M"))
    return found


GROUP = Group("reduction", cases(), mean_target=0.8, case_target=1.1)
