"""Normalization layers in training, forward and with backward of input and parameters."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, forward_backward

LAYER = [(4096, 128), (1024, 768), (64, 512), (256, 4096)]
BATCH = [(32, 64, 32, 32), (32, 256, 8, 8), (32, 512, 4, 4), (128, 256)]


def layer(shape: tuple[int, int], backward: bool) -> Callable:
    def make(lib: ModuleType) -> Callable:
        return wrap(lib, lib.nn.LayerNorm(shape[1]), shape, backward)

    return make


def batch(shape: tuple[int, ...], backward: bool) -> Callable:
    def make(lib: ModuleType) -> Callable:
        module = lib.nn.BatchNorm2d(shape[1]) if len(shape) == 4 else lib.nn.BatchNorm1d(shape[1])
        return wrap(lib, module, shape, backward)

    return make


def evaluation(shape: tuple[int, ...]) -> Callable:
    def make(lib: ModuleType) -> Callable:
        module = lib.nn.BatchNorm2d(shape[1])
        module.eval()
        return wrap(lib, module, shape, backward=False)

    return make


def wrap(lib: ModuleType, module, shape: tuple[int, ...], backward: bool) -> Callable:
    x = lib.randn(*shape, requires_grad=backward)
    if backward:
        return forward_backward(lambda t, *_: module(t), [x, *module.parameters()])

    def run() -> None:
        with lib.no_grad():
            module(x)

    return run


def cases() -> list[Case]:
    found = []
    for backward, size in ((False, "forward"), (True, "with backward")):
        for shape in LAYER:
            text = " x ".join(map(str, shape))
            found.append(Case(f"layer_norm {text}", layer(shape, backward), size))
        for shape in BATCH:
            text = " x ".join(map(str, shape))
            found.append(Case(f"batch_norm {text}", batch(shape, backward), size))
    found.append(Case("batch_norm 32 x 64 x 32 x 32, evaluation", evaluation(BATCH[0]), "forward"))
    return found


GROUP = Group("norms", cases(), mean_target=0.8, case_target=1.1)
