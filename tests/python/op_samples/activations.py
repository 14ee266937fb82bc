"""Samples of the composed activations."""

from __future__ import annotations

import numpy as np

import clew

from .core import error, samples
from .pointwise import sigmoid, unary


def numpy_elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def numpy_softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta)


@samples("elu", ref=numpy_elu)
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"alpha": 0.5}


@samples("selu", ref=lambda x: 1.0507009873554805 * numpy_elu(x, 1.6732632423543772))
def _(make):
    yield from unary()(make)


@samples("celu", ref=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)))
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"alpha": 2.0}
    yield error(make(3), {"alpha": 0.0}, ValueError, "celu: expected alpha other than 0")


@samples("softplus", ref=numpy_softplus)
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"beta": 3.0, "threshold": 2.0}


@samples("mish", ref=lambda x: x * np.tanh(numpy_softplus(x)))
def _(make):
    yield from unary()(make)


@samples("hardtanh", ref=lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val))
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"min_val": -2.0, "max_val": 1.0}
    yield error(make(3), {"min_val": 2.0}, ValueError, "hardtanh: expected min_val <= max_val")


# PyTorch multiplies gradients by a sixth of single precision.
@samples("hardsigmoid", ref=lambda x: np.clip(x + 3, 0, 6) / 6, torch=False)
def _(make):
    yield from unary(-5, 5)(make)


@samples("hardswish", ref=lambda x: x * np.clip(x + 3, 0, 6) / 6)
def _(make):
    yield from unary(-5, 5, special=False)(make)


@samples("hardshrink", ref=lambda x, lambd=0.5: np.where((x >= -lambd) & (x <= lambd), 0, x))
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"lambd": 1.5}


@samples(
    "softshrink",
    ref=lambda x, lambd=0.5: np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, x * 0)),
)
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"lambd": 1.5}
    yield error(make(3), {"lambd": -1.0}, ValueError, "softshrink: expected lambd >= 0")


@samples("tanhshrink", ref=lambda x: x - np.tanh(x))
def _(make):
    yield from unary()(make)


@samples("softsign", ref=lambda x: x / (1 + np.abs(x)))
def _(make):
    yield from unary(special=False)(make)


@samples("threshold", ref=lambda x, threshold, value: np.where((x > threshold) | np.isnan(x), x, value))
def _(make):
    for args, kwargs in ((make(3, 5), {}), (make(5, 4).transpose(0, 1), {}), (make(0, 3), {})):
        yield args, {"threshold": 1.0, "value": 2.0, **kwargs}


@samples("glu", ref=lambda x, dim=-1: (lambda a, b: a * sigmoid(b))(*np.split(np.asarray(x), 2, dim)))
def _(make):
    yield make(3, 6), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make(4, 3), {"dim": 0}
    yield make(3, 0), {}
    yield error(make(3), {}, clew.ShapeError, "glu: expected an even size at dim -1, got 3")
    yield error(make(), {}, clew.ShapeError, "glu: expected an input with at least one dimension")


def numpy_prelu(x, w):
    x, w = np.asarray(x), np.asarray(w)
    w = w.reshape(-1, *[1] * (x.ndim - 2)) if w.size != 1 else w.reshape(())
    return np.where(x > 0, x, w * x)


@samples("prelu", ref=numpy_prelu)
def _(make):
    yield (make(2, 3, 4), make(3)), {}
    yield (make(2, 3), make(1)), {}
    yield (make(4), make()), {}
    yield (make(0, 3), make(3)), {}
    yield error((make(2, 3), make(2)), {}, clew.ShapeError, "prelu: expected one weight or one per channel")
