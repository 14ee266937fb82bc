"""Matrix products: squares, the shapes of ResNet's and GPT's layers, vectors, batches."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, forward_backward

SQUARES = [16, 32, 64, 128, 256, 512, 1024]
# (m, k, n), and what it is.
PRODUCTS = [
    (1024, 128, 384, "GPT's projection"),
    (1024, 128, 512, "GPT's wide layer"),
    (1024, 512, 128, "GPT's narrow layer"),
    (1024, 128, 65, "GPT's head"),
    (64, 576, 1024, "ResNet, as columns"),
    (128, 1152, 256, "ResNet, as columns"),
    (512, 4608, 16, "ResNet, as columns"),
    (700, 200, 800, "LSTM's gates"),
    (64, 1000, 100, "a small net"),
    (1, 1024, 1024, "row times matrix"),
    (1024, 1024, 1, "matrix times column"),
    (4, 100, 100, "a few rows"),
]
BATCHES = [(32, 128, 32, 128), (32, 128, 128, 32), (512, 16, 16, 16), (8, 256, 64, 256)]
LINEAR = [(64, 784, 128), (1024, 128, 512), (32, 400, 120)]


def product(m: int, k: int, n: int, form: str = "nn") -> Callable:
    def make(lib: ModuleType) -> Callable:
        a = lib.randn(m, k) if form[0] == "n" else lib.randn(k, m).t()
        b = lib.randn(k, n) if form[1] == "n" else lib.randn(n, k).t()
        return lambda: a @ b

    return make


def batched(b: int, m: int, k: int, n: int, transposed: bool) -> Callable:
    def make(lib: ModuleType) -> Callable:
        x = lib.randn(b, m, k)
        y = lib.randn(b, n, k).transpose(1, 2) if transposed else lib.randn(b, k, n)
        return lambda: x @ y

    return make


def linear(rows: int, k: int, n: int) -> Callable:
    def make(lib: ModuleType) -> Callable:
        module = lib.nn.Linear(k, n)
        x = lib.randn(rows, k, requires_grad=True)
        return forward_backward(lambda t, *_: module(t), [x, *module.parameters()])

    return make


def cases() -> list[Case]:
    found = [Case(f"square of {n}", product(n, n, n)) for n in SQUARES]
    found.append(Case("square of 2048", product(2048, 2048, 2048), slow=True))
    found += [Case(f"{m} x {k} x {n} {text}", product(m, k, n)) for m, k, n, text in PRODUCTS]
    for form in ("nt", "tn"):
        found += [Case(f"{m} x {k} x {n} {form}", product(m, k, n, form)) for m, k, n, _ in PRODUCTS[:2]]
        found.append(Case(f"square of 512 {form}", product(512, 512, 512, form)))
    for b, m, k, n in BATCHES:
        for transposed in (False, True):
            text = f"batch of {b}, {m} x {k} x {n}{' nt' if transposed else ''}"
            found.append(Case(text, batched(b, m, k, n, transposed)))
    for rows, k, n in LINEAR:
        found.append(Case(f"linear {rows} x {k} x {n} with backward", linear(rows, k, n)))
    return found


GROUP = Group("matmul", cases(), mean_target=1.1, case_target=1.3)
