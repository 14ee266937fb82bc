"""Convolutions of ResNet-18 and LeNet, 1 x 1 and depthwise ones, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, forward_backward

# batch, channels in, side, channels out, kernel, stride, padding, groups
SHAPES = [
    (32, 3, 32, 64, 3, 1, 1, 1),
    (32, 64, 32, 64, 3, 1, 1, 1),
    (32, 64, 32, 128, 3, 2, 1, 1),
    (32, 128, 16, 128, 3, 1, 1, 1),
    (32, 256, 8, 256, 3, 1, 1, 1),
    (32, 512, 4, 512, 3, 1, 1, 1),
    (32, 64, 32, 128, 1, 2, 0, 1),
    (64, 1, 28, 6, 5, 1, 2, 1),
    (64, 6, 14, 16, 5, 1, 0, 1),
    (32, 256, 16, 64, 1, 1, 0, 1),
    (32, 64, 16, 256, 1, 1, 0, 1),
    (32, 128, 16, 128, 3, 1, 1, 128),
    (32, 128, 16, 128, 3, 2, 1, 128),
]


def conv(
    n: int, c: int, side: int, out: int, kernel: int, stride: int, padding: int, groups: int
) -> Callable:
    def make(lib: ModuleType) -> Callable:
        module = lib.nn.Conv2d(c, out, kernel, stride, padding, groups=groups)
        x = lib.randn(n, c, side, side, requires_grad=c > 3)
        return forward_backward(lambda t, *_: module(t), [x, *module.parameters()])

    return make


GROUP = Group(
    "convolution",
    [
        Case(
            f"{n} x {c} x {s} x {s} to {out}, kernel {k}, stride {d}" + (f", {g} groups" if g > 1 else ""),
            conv(n, c, s, out, k, d, p, g),
        )
        for n, c, s, out, k, d, p, g in SHAPES
    ],
    mean_target=1.0,
)
