"""Samples of matrix products."""

from __future__ import annotations

import numpy as np

import clew

from .core import error, plain, samples


@samples("mm", ref=np.matmul, wide=True)
def _(make):
    yield (make(3, 4), make(4, 2)), {}
    yield (make(4, 3).transpose(0, 1), make(4, 2)), {}
    yield (make(3, 4), make(2, 4).transpose(0, 1)), {}
    yield (make(4, 3).transpose(0, 1), make(2, 4).transpose(0, 1)), {}
    yield (make(3, 8)[:, ::2], make(4, 4)[:, ::2]), {}
    yield (make(6, 4)[::2], make(4, 2)), {}
    yield (make(1, 4), make(4, 1)), {}
    yield (make(4, 1).expand(4, 3), make(3, 2)), {}
    yield (make(0, 4), make(4, 2)), {}
    yield (make(3, 0), make(0, 2)), {}
    yield plain((make(17, 33, low=-1, high=1), make(33, 9, low=-1, high=1)))
    yield error((make(3, 4), make(3, 4)), {}, clew.ShapeError, "mm: expected")
    yield error((make(3), make(3, 4)), {}, clew.ShapeError, "mm: expected")
    yield error(
        (make(3, 4), make(4, 2, dtype="float64" if make.name == "float32" else "float32")),
        {},
        clew.DTypeError,
        "mm: expected",
    )


@samples("bmm", ref=np.matmul, wide=True)
def _(make):
    yield (make(2, 3, 4), make(2, 4, 2)), {}
    yield (make(2, 4, 3).transpose(1, 2), make(2, 2, 4).transpose(1, 2)), {}
    yield (make(3, 2, 4).transpose(0, 1), make(2, 4, 2)), {}
    yield (make(2, 3, 8)[:, :, ::2], make(1, 4, 2).expand(2, 4, 2)), {}
    yield (make(0, 3, 4), make(0, 4, 2)), {}
    yield (make(2, 3, 0), make(2, 0, 2)), {}
    yield error((make(2, 3, 4), make(3, 4, 2)), {}, clew.ShapeError, "bmm: expected")
    yield error((make(2, 3, 4), make(2, 3, 4)), {}, clew.ShapeError, "bmm: expected")


@samples("mv", ref=np.matmul, wide=True)
def _(make):
    yield (make(3, 4), make(4)), {}
    yield (make(4, 3).transpose(0, 1), make(8)[::2]), {}
    yield (make(0, 4), make(4)), {}
    yield (make(3, 0), make(0)), {}
    yield error((make(3, 4), make(3)), {}, clew.ShapeError, "mv: expected")


@samples("dot", ref=np.dot, wide=True)
def _(make):
    yield (make(5), make(5)), {}
    yield (make(10)[::2], make(15)[::3]), {}
    yield (make(0), make(0)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "dot: expected")
    yield error((make(3, 1), make(3)), {}, clew.ShapeError, "dot: expected")


@samples("outer", ref=np.outer)
def _(make):
    yield (make(3), make(4)), {}
    yield (make(6)[::2], make(4)), {}
    yield (make(0), make(4)), {}
    yield error((make(3, 1), make(3)), {}, clew.ShapeError, "outer: expected")


@samples("matmul", ref=np.matmul, wide=True)
def _(make):
    yield (make(3, 4), make(4, 2)), {}
    yield (make(4), make(4)), {}
    yield (make(4), make(4, 3)), {}
    yield (make(3, 4), make(4)), {}
    yield (make(2, 3, 4), make(4)), {}
    yield (make(4), make(2, 4, 3)), {}
    yield (make(2, 3, 4), make(4, 2)), {}
    yield (make(3, 4), make(2, 4, 2)), {}
    yield (make(2, 2, 3), make(2, 3, 2)), {}
    yield (make(2, 1, 2, 3), make(2, 3, 2)), {}
    yield (make(1, 2, 2, 3), make(2, 1, 3, 1)), {}
    yield (make(3, 2, 4).transpose(0, 1), make(2, 2, 4).transpose(1, 2)), {}
    yield (make(0, 3, 4), make(4, 2)), {}
    yield (make(2, 3, 0), make(0, 2)), {}
    yield (make(1, 1, 1, 1, 1, 2, 3), make(1, 1, 1, 1, 1, 3, 2)), {}
    yield error((make(3, 4), make(3, 4)), {}, clew.ShapeError, "matmul: expected")
    yield error((make(), make(3)), {}, clew.ShapeError, "matmul: expected")
    yield error((make(2, 3, 4), make(3, 4, 2)), {}, clew.ShapeError, "matmul: expected")


def numpy_addmm(x, a, b, beta=1, alpha=1):
    y = np.matmul(a, b) * np.asarray(alpha).astype(a.dtype)
    return y if beta == 0 else y + x * np.asarray(beta).astype(a.dtype)


@samples("addmm", ref=numpy_addmm, wide=True)
def _(make):
    yield (make(3, 2), make(3, 4), make(4, 2)), {}
    yield (make(2), make(3, 4), make(4, 2)), {}
    yield (make(3, 1), make(4, 3).transpose(0, 1), make(2, 4).transpose(0, 1)), {}
    yield (make(), make(3, 4), make(4, 2)), {}
    yield (make(2, 3).transpose(0, 1), make(3, 8)[:, ::2], make(4, 2)), {}
    yield (make(3, 2), make(3, 0), make(0, 2)), {}
    yield (make(0, 2), make(0, 4), make(4, 2)), {}
    yield (make(3, 2), make(3, 4), make(4, 2)), {"beta": 2, "alpha": 3}
    yield (make(3, 2), make(3, 4), make(4, 2)), {"beta": 0}
    if make.floating:
        yield (make(2), make(3, 4), make(4, 2)), {"beta": 0.5, "alpha": -1.5}
        # beta = 0 ignores the input, NaN included.
        yield plain((make.tensor([float("nan")] * 2), make(3, 4), make(4, 2)), {"beta": 0})
    yield error((make(3, 2), make(3, 4), make(3, 2)), {}, clew.ShapeError, "addmm: expected")
    yield error((make(4, 2), make(3, 4), make(4, 2)), {}, clew.ShapeError, "addmm: expected")


def numpy_linear(x, weight, bias=None):
    y = np.matmul(x, weight.T)
    return y if bias is None else y + bias


@samples("linear", ref=numpy_linear, wide=True)
def _(make):
    yield (make(3, 4), make(2, 4)), {}
    yield (make(3, 4), make(2, 4), make(2)), {}
    yield (make(4), make(2, 4), make(2)), {}
    yield (make(2, 3, 4), make(2, 4), make(2)), {}
    yield (make(4, 3).transpose(0, 1), make(4, 2).transpose(0, 1), make(4)[::2]), {}
    yield (make(4, 3, 2).transpose(0, 2), make(2, 4)), {"bias": make(2)}
    yield (make(0, 4), make(2, 4), make(2)), {}
    yield (make(3, 0), make(2, 0), make(2)), {}
    yield (make(1, 2, 1, 1, 1, 2, 3), make(2, 3), make(2)), {}
    yield plain((make(17, 33, low=-1, high=1), make(9, 33, low=-1, high=1), make(9)))
    yield error((make(3, 4), make(2, 3)), {}, clew.ShapeError, "linear: expected")
    yield error((make(3, 4), make(2, 4), make(3)), {}, clew.ShapeError, "linear: expected")
