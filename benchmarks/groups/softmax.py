"""Softmax and what is built on it, forward and with backward."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, forward_backward

# Attention's scores, the words of a GPT, a classifier, channels of a picture.
SHAPES = {
    "4096 x 128": ((4096, 128), -1),
    "256 x 4096": ((256, 4096), -1),
    "8 x 50257": ((8, 50257), -1),
    "64 x 10": ((64, 10), -1),
    "8 x 32 x 64 x 64 over channels": ((8, 32, 64, 64), 1),
}
FUNCTIONS = ["softmax", "log_softmax"]


def forward(name: str, shape: tuple[int, ...], dim: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        f, x = getattr(lib, name), lib.randn(*shape)
        return lambda: f(x, dim)

    return make


def with_backward(name: str, shape: tuple[int, ...], dim: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        f, x = getattr(lib, name), lib.randn(*shape, requires_grad=True)
        return forward_backward(lambda t: f(t, dim), [x])

    return make


def cross_entropy(rows: int, classes: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        f = lib.nn.functional.cross_entropy
        x = lib.randn(rows, classes, requires_grad=True)
        target = lib.randint(0, classes, (rows,))
        return forward_backward(lambda t: f(t, target), [x])

    return make


def cases() -> list[Case]:
    found = []
    for name in FUNCTIONS:
        for text, (shape, dim) in SHAPES.items():
            found.append(Case(f"{name} {text}", forward(name, shape, dim), "forward"))
            found.append(Case(f"{name} {text}", with_backward(name, shape, dim), "with backward"))
    for rows, classes in ((64, 10), (1024, 65), (256, 4096), (128, 50257)):
        found.append(Case(f"cross_entropy {rows} x {classes}", cross_entropy(rows, classes), "with backward"))
    return found


GROUP = Group("softmax", cases(), mean_target=0.8, case_target=1.1)
