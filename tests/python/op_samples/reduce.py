"""Samples of reductions and scans."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

import clew

from .core import Maker, case, error, plain, samples

NAN, INF = float("nan"), float("inf")
KEPT = {"bool": np.int64, "uint8": np.int64, "int8": np.int64, "int16": np.int64, "int32": np.int64}


def axes(dim) -> tuple | int | None:
    """NumPy's axis; PyTorch reads an empty tuple as all dimensions."""
    if dim is None or dim == ():
        return None
    return tuple(dim) if isinstance(dim, tuple | list) else dim


def reduction(f: Callable, **fixed) -> Callable:
    def reference(x, dim=None, keepdim=False, **kwargs):
        x = np.asarray(x)
        axis = axes(dim)
        if x.ndim == 0:
            return np.asarray(f(x.reshape(1), axis=0, **fixed))
        return np.asarray(f(x, axis=axis, keepdims=keepdim, **fixed))

    return reference


def over_dims(
    name: str, several: bool = True, empty: bool = True, all_of_it: bool = True, **limits
) -> Callable:
    """`several`: dim may be a tuple; `empty`: an empty reduction has a value."""

    def generate(make: Maker) -> Iterator:
        def draw(*shape: int):
            return make(*shape, **limits)

        if all_of_it:
            yield draw(3, 4), {}
            yield draw(2, 3, 4).transpose(0, 2), {}
            yield draw(), {}
        yield draw(3, 4), {"dim": 0}
        yield draw(3, 4), {"dim": 1}
        yield draw(3, 4), {"dim": -1, "keepdim": True}
        yield draw(2, 3, 4), {"dim": 1}
        yield draw(2, 3, 4).transpose(0, 2), {"dim": 0}
        yield draw(3, 8)[:, ::2], {"dim": 1}
        yield draw(4, 1).expand(4, 3), {"dim": 0}
        yield draw(), {"dim": 0}
        yield draw(0, 3), {"dim": 1}
        yield draw(1, 2, 1, 2, 1, 3, 1, 1), {"dim": 5}
        if several:
            yield draw(2, 3, 4), {"dim": (0, 2)}
            yield draw(2, 3, 4), {"dim": (2, 0), "keepdim": True}
            yield draw(2, 3, 2, 2), {"dim": (1, 3)}
            yield draw(4, 3, 2).transpose(0, 2), {"dim": (0, 1, 2)}
        if empty:
            yield draw(0, 3), {"dim": 0}
            if all_of_it:
                yield draw(0), {}
        # Rows and columns longer than one block of any kernel.
        yield plain(draw(3, 300), {"dim": 1})
        yield plain(draw(300, 3), {"dim": 0})
        yield plain(draw(7, 37, 5), {"dim": 1})
        yield error(draw(2, 3), {"dim": 2}, IndexError, f"{name}: expected dim in [-2, 1], got 2")
        yield error(draw(2, 3), {"dim": -3}, IndexError, f"{name}: expected dim in [-2, 1], got -3")
        if several:
            yield error(draw(2, 3), {"dim": (0, -2)}, RuntimeError, f"{name}: expected each dim once")

    return generate


def numpy_sum(x, dim=None, keepdim=False, dtype=None):
    x = np.asarray(x)
    return reduction(np.sum)(x.astype(KEPT.get(x.dtype.name, x.dtype)), dim, keepdim)


@samples("sum", ref=numpy_sum, wide=True)
def _(make):
    yield from over_dims("sum", low=-1, high=1)(make)
    yield make(2, 3), {"dim": ()}
    if make.floating:
        yield make(3, 4), {"dim": 1, "dtype": clew.float64}
    else:
        yield plain(make(3, 4), {"dtype": clew.float32})


@samples("mean", ref=reduction(np.mean), wide=True)
def _(make):
    if not make.floating:
        yield make(3, 4), {"dim": 1, "dtype": clew.float32}
        yield make(2, 3, 4).transpose(0, 2), {"dtype": clew.float64}
        return
    for item in over_dims("mean", low=-1, high=1)(make):
        # The mean of nothing is NaN, and so is a second derivative.
        yield plain(*item) if isinstance(item, tuple) and item[0].numel() == 0 else item
    yield make(3, 4), {"dim": 1, "dtype": clew.float64}
    yield error(make(3, dtype="int64"), {}, clew.DTypeError, "mean: expected")


def numpy_prod(x, dim=None, keepdim=False, dtype=None):
    x = np.asarray(x)
    return reduction(np.prod)(x.astype(KEPT.get(x.dtype.name, x.dtype)), dim, keepdim)


@samples("prod", ref=numpy_prod)
def _(make):
    yield from over_dims("prod", several=False, low=0.8, high=1.2)(make)
    if make.floating:
        # A zero among the factors: its gradient is the product of the others.
        yield make.tensor([[0.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), {"dim": 1}
        yield make.tensor([2.0, 0.0, 3.0]), {}


def extreme(name: str) -> Callable:
    def generate(make: Maker) -> Iterator:
        yield from over_dims(name, empty=False)(make)
        if make.floating:
            yield plain(make.tensor([[1.0, NAN, 3.0], [INF, -INF, 0.0]]), {"dim": 1})
        yield error(make(0, 3), {"dim": 0}, (ValueError, IndexError), f"{name}: expected")
        yield error(make(0, 3), {}, (ValueError, IndexError), f"{name}: expected")

    return generate


samples("amax", ref=reduction(np.max))(extreme("amax"))
samples("amin", ref=reduction(np.min))(extreme("amin"))


def whole_extreme(name: str) -> Callable:
    def generate(make: Maker) -> Iterator:
        yield make(3, 4), {}
        yield make(2, 3, 4).transpose(0, 2), {}
        yield make(3, 8)[:, ::2], {}
        yield make(), {}
        yield make(1, 2, 1, 2, 1, 3, 1), {}
        yield plain(make(1000))
        if make.floating:
            yield plain(make.tensor([1.0, NAN, 3.0]))
        yield error(make(0), {}, RuntimeError, f"{name}: expected")

    return generate


samples("max", ref=np.max)(whole_extreme("max"))
samples("min", ref=np.min)(whole_extreme("min"))


def with_index(pick: Callable) -> Callable:
    """(values, indices) along one dimension; the first of equal values."""

    def reference(x, dim, keepdim=False):
        x = np.asarray(x)
        if x.ndim == 0:
            return x, np.int64(0)
        at = np.expand_dims(pick(x, axis=dim), dim)
        values = np.take_along_axis(x, at, dim)
        return (values, at) if keepdim else (values.squeeze(dim), at.squeeze(dim))

    return reference


# Among equal values any index is right, and PyTorch's choice may differ from ours; its values may not.
samples("max.dim", ref=with_index(np.argmax), torch=False)(
    over_dims("max", several=False, empty=False, all_of_it=False)
)
samples("min.dim", ref=with_index(np.argmin), torch=False)(
    over_dims("min", several=False, empty=False, all_of_it=False)
)


def elementwise_extreme(make: Maker) -> Iterator:
    yield (make(3, 4), make(3, 4)), {}
    yield (make(3, 1), make(4)), {}
    yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2]), {}
    yield (make(), make(3)), {}
    yield (make(0, 3), make(3)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "expected shapes that broadcast together")


samples("max.other", ref=np.maximum)(elementwise_extreme)
samples("min.other", ref=np.minimum)(elementwise_extreme)


def numpy_arg(f: Callable) -> Callable:
    def reference(x, dim=None, keepdim=False):
        x = np.asarray(x)
        return np.int64(0) if x.ndim == 0 else f(x, axis=dim, keepdims=keepdim)

    return reference


for name, reference in {"argmax": np.argmax, "argmin": np.argmin}.items():

    @samples(name, ref=numpy_arg(reference), torch=False)
    def _(make, name=name):
        yield from over_dims(name, several=False, empty=False)(make)
        if make.floating:
            yield plain(make.tensor([[1.0, NAN, 3.0], [INF, -INF, 0.0]]), {"dim": 1})
        yield plain(make.tensor([1, 1, 0, 0, 1]))
        yield error(make(0, 3), {"dim": 0}, (ValueError, IndexError), f"{name}: expected")


def moment(f: Callable) -> Callable:
    def reference(x, dim=None, correction=1, keepdim=False):
        x = np.asarray(x)
        axis = axes(dim)
        x = x.reshape(1) if x.ndim == 0 else x
        correction = 1 if correction is None else correction
        counted = x.size if axis is None else int(np.prod([x.shape[a] for a in np.atleast_1d(axis)]))
        y = x - x.mean(axis=axis, keepdims=True) if x.size else x
        total = np.square(y).sum(axis=axis, keepdims=keepdim)
        return f(total / max(counted - correction, 0))

    return reference


for name, reference in {"var": moment(lambda v: v), "std": moment(np.sqrt)}.items():

    @samples(name, ref=reference, wide=True)
    def _(make, name=name):
        for item in over_dims(name, empty=False)(make):
            # One value has no spread: NaN, and a gradient that is NaN.
            if isinstance(item, tuple) and (item[0].dim() == 0 or item[1].get("dim") == 6):
                yield plain(*item)
            else:
                yield item
        yield make(3, 4), {"dim": 1, "correction": 0}
        yield make(3, 4), {"dim": (0, 1), "correction": 2, "keepdim": True}
        yield make(3, 4), {"dim": 1, "correction": 0.5}
        yield make(3, 4), {"dim": 1, "correction": None}


def numpy_logsumexp(x, dim, keepdim=False):
    x = np.asarray(x, np.float64)
    axis = axes(dim)
    if x.ndim == 0:
        return x
    with np.errstate(all="ignore"):
        top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0)
        y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdim else y.squeeze(axis if axis is not None else tuple(range(x.ndim)))


@samples("logsumexp", ref=numpy_logsumexp)
def _(make):
    yield from over_dims("logsumexp", all_of_it=False)(make)
    yield plain(make.tensor([[100.0, 100.0], [-100.0, -100.0]]), {"dim": 1})
    if make.floating:
        yield plain(make.tensor([[INF, 1.0], [-INF, -INF]]), {"dim": 1})


def numpy_norm(x, p=2, dim=None, keepdim=False, dtype=None):
    x = np.abs(np.asarray(x))
    if p == "nuc":
        return np.linalg.norm(x * 0 + x, "nuc", axes(dim), keepdim)
    p = 2 if p in ("fro", None) else p
    axis = axes(dim)
    x, axis = (x.reshape(1), 0) if x.ndim == 0 else (x, axis)
    if p == math.inf:
        return np.max(x, axis=axis, keepdims=keepdim)
    if p == -math.inf:
        return np.min(x, axis=axis, keepdims=keepdim)
    if p == 0:
        return np.sum(x != 0, axis=axis, keepdims=keepdim).astype(np.float64)
    return np.sum(x**p, axis=axis, keepdims=keepdim) ** (1 / p)


@samples("norm", ref=lambda x, p=2, **kwargs: numpy_norm(x, p, **kwargs), wide=True)
def _(make):
    for item in over_dims("norm", low=-1, high=1)(make):
        yield plain(*item) if isinstance(item, tuple) and item[0].numel() == 0 else item
    yield make(3, 4), {"p": "fro", "dim": 1}
    yield make(3, 4), {"p": None, "dim": (0, 1), "keepdim": True}
    if make.floating and make.name not in ("float16", "bfloat16"):
        yield make(3, 4, low=0.1), {"p": "nuc"}
        yield case(make(3, 4), {"dtype": clew.float64})
    yield error(
        make(3), {"p": "best"}, ValueError, "norm: expected p 'fro', 'nuc', None or a number, got 'best'"
    )


@samples("norm.number", ref=numpy_norm, wide=True, torch=False)
def _(make):
    for p in (1, 2, 3, 2.5, math.inf, -math.inf):
        yield (make(3, 4), p), {"dim": 1}
        yield (make(3, 4), p), {}
    yield plain((make(3, 4), 0), {"dim": 1})


@samples(
    "linalg_vector_norm", ref=lambda x, ord=2, **kwargs: numpy_norm(x, ord, **kwargs), wide=True, torch=False
)
def _(make):
    yield make(3, 4), {}
    yield (make(2, 3, 4), 1), {"dim": (0, 2), "keepdim": True}
    yield (make(3, 4).transpose(0, 1), 3), {"dim": 0}
    yield case(make(3, 4), {"dtype": clew.float64})
    yield error(make(0), {"ord": math.inf}, IndexError, "norm: expected at least one element")


for name, reference in {"all": np.all, "any": np.any}.items():

    @samples(name, ref=reduction(reference))
    def _(make, name=name):
        yield from over_dims(name)(make)
        yield make(3, 4) * 0 if make.name != "bool" else make.tensor([False, False]), {}


def numpy_cumsum(x, dim, dtype=None):
    x = np.asarray(x)
    return x.astype(KEPT.get(x.dtype.name, x.dtype)) if x.ndim == 0 else np.cumsum(x, axis=dim)


@samples("cumsum", ref=lambda x, dim, dtype=None: np.asarray(numpy_cumsum(x, dim)), wide=True)
def _(make):
    yield make(3, 4), {"dim": 0}
    yield make(3, 4), {"dim": 1}
    yield make(2, 3, 4), {"dim": -2}
    yield make(2, 3, 4).transpose(0, 2), {"dim": 0}
    yield make(3, 8)[:, ::2], {"dim": 1}
    yield make(), {"dim": 0}
    yield make(0, 3), {"dim": 0}
    yield make(1, 2, 1, 2, 1, 3, 1), {"dim": 5}
    yield case(make(3, 4), {"dim": 1, "dtype": clew.float64})
    yield plain(make(300, 2, low=-1, high=1), {"dim": 0})
    yield error(make(2, 3), {"dim": 2}, IndexError, "cumsum: expected dim in [-2, 1], got 2")
