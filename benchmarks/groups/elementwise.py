"""Elementwise operations, forward, on 1 element, 1M and 64M."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group

SIZES = {"1": 1, "1M": 1 << 20, "64M": 1 << 26}

UNARY = [
    *("neg", "abs", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p", "sin", "cos"),
    *("tanh", "sigmoid", "erf", "relu", "sign", "floor", "round", "isnan"),
]
UNARY_64M = ["neg", "exp", "tanh", "relu"]
BINARY: dict[str, Callable] = {
    "add": lambda lib, a, b: a + b,
    "sub": lambda lib, a, b: a - b,
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / b,
    "maximum": lambda lib, a, b: lib.maximum(a, b),
    "pow": lambda lib, a, b: a**b,
    "less": lambda lib, a, b: a < b,
    "mul by 2.0": lambda lib, a, b: a * 2.0,
    "pow by 3": lambda lib, a, b: a**3,
    "add in place": lambda lib, a, b: a.add_(b),
    "add with alpha": lambda lib, a, b: lib.add(a, b, alpha=0.5),
    "where": lambda lib, a, b: lib.where(a > 0.5, a, b),
    "clamp": lambda lib, a, b: a.clamp(0.2, 0.8),
    "gelu": lambda lib, a, b: lib.nn.functional.gelu(a),
    "silu": lambda lib, a, b: lib.nn.functional.silu(a),
    "leaky_relu": lambda lib, a, b: lib.nn.functional.leaky_relu(a),
    "to float64": lambda lib, a, b: a.double(),
    "copy": lambda lib, a, b: a.clone(),
}
BINARY_64M = ["add", "mul by 2.0", "add in place", "gelu", "copy"]


def unary(name: str, n: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        f = getattr(lib, name)
        x = lib.rand(n) + 0.01
        return lambda: f(x)

    return make


def binary(f: Callable, n: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        a, b = lib.rand(n) + 0.01, lib.rand(n) + 0.01
        return lambda: f(lib, a, b)

    return make


def broadcast(lib: ModuleType) -> Callable:
    a, b = lib.rand(1024, 1024), lib.rand(1024)
    return lambda: a + b


def transposed(lib: ModuleType) -> Callable:
    a, b = lib.rand(1024, 1024), lib.rand(1024, 1024).t()
    return lambda: a + b


def cases() -> list[Case]:
    found = []
    for size, n in SIZES.items():
        slow = size == "64M"
        for name in UNARY:
            if not slow or name in UNARY_64M:
                found.append(Case(name, unary(name, n), size, slow))
        for name, f in BINARY.items():
            if not slow or name in BINARY_64M:
                found.append(Case(name, binary(f, n), size, slow))
    found.append(Case("add of a row", broadcast, "1M"))
    found.append(Case("add of a transposed", transposed, "1M"))
    return found


GROUP = Group("elementwise", cases(), mean_target=0.8, case_target=1.1)
