"""Samples of ops that make, copy and fill tensors."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples


def numpy_dtype(dtype):
    name = str(dtype).rsplit(".", 1)[-1]
    return np.float64 if name in ("float16", "bfloat16", "float32") else np.dtype(name)


def shape_of(size) -> tuple:
    return (size,) if isinstance(size, int) else tuple(size)


SHAPES = [(3, 4), (), (0, 3), (1, 2, 1, 2, 1, 2, 1, 2)]


def sized(*extra):
    def generate(make):
        for shape in SHAPES:
            yield (shape, *extra), {"dtype": make.dtype}
        yield error(((2, -3), *extra), {}, (ValueError, RuntimeError), "expected sizes >= 0, got -3")
        yield error(((1 << 40, 1 << 40), *extra), {}, RuntimeError, "expected")

    return generate


samples("zeros", ref=lambda size, dtype=None: np.zeros(size, numpy_dtype(dtype)), creation=True)(sized())
samples("ones", ref=lambda size, dtype=None: np.ones(size, numpy_dtype(dtype)), creation=True)(sized())


def check_shape(result, size, **_):
    assert tuple(result.shape) == shape_of(size)
    assert result.is_contiguous()


samples("empty", check=check_shape, creation=True)(sized())


@samples(
    "full",
    ref=lambda size, fill_value, dtype=None: np.full(size, fill_value, numpy_dtype(dtype)),
    creation=True,
)
def _(make):
    for shape in SHAPES:
        yield (shape, 1), {"dtype": make.dtype}
    if make.floating:
        yield ((2, 2), -1.5), {"dtype": make.dtype}
        yield ((2,), float("nan")), {"dtype": make.dtype}
    yield error(((2, -3), 1), {}, (ValueError, RuntimeError), "full: expected sizes >= 0, got -3")


@samples("eye", ref=lambda n, m=None, dtype=None: np.eye(n, m, dtype=numpy_dtype(dtype)), creation=True)
def _(make):
    yield 3, {"dtype": make.dtype}
    yield (2, 4), {"dtype": make.dtype}
    yield (4, 2), {"dtype": make.dtype}
    yield 0, {"dtype": make.dtype}
    yield error(-1, {}, (ValueError, RuntimeError), "eye: expected")


@samples(
    "arange",
    ref=lambda end, dtype=None: np.arange(end).astype(numpy_dtype(dtype)),
    creation=True,
    undeclared=False,
    skip_dtypes=("bool",),
)
def _(make):
    yield 5, {"dtype": make.dtype}
    yield 0, {"dtype": make.dtype}
    if make.floating:
        yield 2.5, {"dtype": make.dtype}
    yield plain(77, {"dtype": make.dtype})
    yield error(-1, {}, (ValueError, RuntimeError), "arange: expected end >= start")
    yield error(float("inf"), {}, (ValueError, RuntimeError), "arange: expected finite bounds")


@samples(
    "arange.start",
    ref=lambda start, end, step=1, dtype=None: np.arange(start, end, step).astype(numpy_dtype(dtype)),
    creation=True,
    undeclared=False,
    skip_dtypes=("bool",),
)
def _(make):
    yield (2, 9), {"dtype": make.dtype}
    yield (2, 9, 3), {"dtype": make.dtype}
    yield (9, 2, -3), {"dtype": make.dtype}
    yield (2, 2), {"dtype": make.dtype}
    if make.floating:
        yield (0.5, 2.0, 0.25), {"dtype": make.dtype}
    yield error((0, 5, 0), {}, (ValueError, RuntimeError), "arange: expected step != 0, got 0")
    yield error((5, 0), {}, (ValueError, RuntimeError), "arange: expected end >= start")


@samples(
    "linspace",
    ref=lambda start, end, steps, dtype=None: np.linspace(start, end, steps).astype(numpy_dtype(dtype)),
    creation=True,
    undeclared=False,
    skip_dtypes=("bool",),
)
def _(make):
    yield (0, 8, 5), {"dtype": make.dtype}
    yield (3, 3, 1), {"dtype": make.dtype}
    yield (0, 1, 0), {"dtype": make.dtype}
    if make.floating:
        yield (-1, 1, 9), {"dtype": make.dtype}
        yield (2.5, -2.5, 3), {"dtype": make.dtype}
    yield error((0, 1, -1), {}, (ValueError, RuntimeError), "linspace: expected steps >= 0, got -1")


def like(*extra, special=()):
    def generate(make):
        yield (make(3, 4), *extra), {}
        yield (make(4, 3).transpose(0, 1), *extra), {}
        yield (make(), *extra), {}
        yield (make(0, 3), *extra), {}
        yield (make(1, 2, 1, 2, 1, 2, 1), *extra), {}
        yield plain((make(2, 3), *extra), {"dtype": clew.float64})

    return generate


# A new tensor has no history, so there is nothing to differentiate: the op table says so.
samples("empty_like", check=lambda y, x, **_: check_shape(y, tuple(x.shape)))(like())
samples("zeros_like", ref=lambda x, dtype=None: np.zeros(np.shape(x), np.asarray(x).dtype))(like())
samples("ones_like", ref=lambda x, dtype=None: np.ones(np.shape(x), np.asarray(x).dtype))(like())
samples("full_like", ref=lambda x, v, dtype=None: np.full(np.shape(x), v, np.asarray(x).dtype))(like(1))


def layouts(make):
    yield make(3, 4), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make(2, 3, 4).transpose(0, 2), {}
    yield make(3, 8)[:, ::2], {}
    yield make(3, 1).expand(3, 4), {}
    yield make(), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 3, 1), {}


samples("clone", ref=np.asarray)(layouts)
samples("contiguous", ref=np.asarray, check=None)(layouts)

ALL = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def numpy_cast(x, dtype):
    target = numpy_dtype(dtype)
    return np.asarray(x).astype(target)


@samples("cast", ref=numpy_cast, torch=False)
def _(make):
    for target in ALL:
        low = 0 if target == "uint8" else -3
        # Rounding hides a finite difference.
        exact = target == make.name
        yield case((make(3, 5, low=low), getattr(clew, target)), differences=exact)
        yield case((make(5, 3, low=low).transpose(0, 1), getattr(clew, target)), differences=exact)
    yield (make(), clew.float64), {}
    yield (make(0, 3), clew.float64), {}
    yield plain((make(131, low=0), clew.int64))


def numpy_copy(x, src):
    return np.broadcast_to(np.asarray(src).astype(x.dtype), x.shape).copy()


@samples("copy", ref=numpy_copy)
def _(make):
    yield (make(3, 4), make(3, 4)), {}
    yield (make(3, 4), make(4)), {}
    yield (make(4, 3).transpose(0, 1), make(3, 1)), {}
    yield (make(3, 4), make(3, 8)[:, ::2]), {}
    yield (make(), make()), {}
    yield (make(0, 3), make(3)), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), make(2, 1)), {}
    if make.floating:
        yield case((make(3, 4), make(3, 4, dtype="float32")), differences=False)
    yield error((make(3), make(4)), {}, clew.ShapeError, "copy_: expected src of a shape that broadcasts")
    yield error((make(3), make(2, 3)), {}, clew.ShapeError, "copy_: expected src of a shape that broadcasts")


@samples("fill", ref=lambda x, value: np.full(x.shape, value, x.dtype))
def _(make):
    for x in (make(3, 4), make(4, 3).transpose(0, 1), make(), make(0, 3), make(1, 2, 1, 2, 1, 2, 1)):
        yield (x, 1), {}
    if make.floating:
        yield (make(3), -0.5), {}


samples("zero", ref=np.zeros_like)(layouts)


@samples("to_device", ref=lambda x, non_blocking=False: x, creation=True)
def _(make):
    yield make(3, 4), {"device": make.device}
    yield make(3, 4).transpose(0, 1), {"device": make.device, "non_blocking": True}
    yield make(), {"device": make.device}
    yield make(0, 3), {"device": make.device}
    other = clew.int64 if make.floating else clew.float32
    yield error(make(3), {"dtype": other}, clew.DTypeError, "to_device: expected dtype None or")
    yield error(
        make(3).to("meta"), {"device": "cpu"}, clew.DeviceError, "to_device: expected a tensor with data"
    )
