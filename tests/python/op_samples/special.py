"""Samples of special functions and of elementwise ops made of others."""

from __future__ import annotations

import math

import numpy as np

import clew

from .core import case, error, plain, samples
from .pointwise import INF, NAN, erf, pairs, same_dtype, unary, wide

EULER = 0.5772156649015329


def tail(f):
    return np.vectorize(f, otypes=[np.float64])


def zeta(s: float, x: float) -> float:
    """sum over k >= 0 of (x + k)^-s, slowly: 200 terms and the first terms of the tail."""
    n = 200
    a = x + n
    return sum((x + k) ** -s for k in range(n)) + a ** (1 - s) / (s - 1) + a**-s / 2 + s * a ** (-s - 1) / 12


def digamma(x: float) -> float:
    if math.isnan(x) or x == -INF:
        return NAN
    if x == INF:
        return INF
    if x == 0:
        return math.copysign(INF, -x)
    if x < 0:
        if x == math.floor(x):
            return NAN
        return digamma(1 - x) - math.pi / math.tan(math.pi * x)
    y = 0.0
    while x < 60:
        y -= 1 / x
        x += 1
    return y + math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4)


def lgamma(x: float) -> float:
    if math.isnan(x):
        return x
    return INF if math.isinf(x) or (x <= 0 and x == math.floor(x)) else math.lgamma(x)


SPECIAL = {
    # name: (reference, low, high)
    "log2": (np.log2, 0.1, 5),
    "log10": (np.log10, 0.1, 5),
    "exp2": (np.exp2, -3, 3),
    "tan": (np.tan, -1.2, 1.2),
    "asin": (np.arcsin, -0.9, 0.9),
    "acos": (np.arccos, -0.9, 0.9),
    "atan": (np.arctan, -3, 3),
    "sinh": (np.sinh, -3, 3),
    "cosh": (np.cosh, -3, 3),
    "asinh": (np.arcsinh, -3, 3),
    "acosh": (np.arccosh, 1.3, 5),
    "atanh": (np.arctanh, -0.8, 0.8),
    "erfc": (lambda x: tail(math.erfc)(x), -3, 3),
    "lgamma": (lambda x: tail(lgamma)(x), 0.3, 5),
    "digamma": (lambda x: tail(digamma)(x), 0.3, 5),
}
for name, (reference, lowest, highest) in SPECIAL.items():
    if name != "digamma":
        samples(name, ref=wide(reference))(unary(lowest, highest))


@samples("digamma", ref=wide(SPECIAL["digamma"][0]))
def _(make):
    yield from unary(0.3, 5, special=False)(make)
    if make.floating:
        yield plain(make.tensor([NAN, INF, -INF, 1.0, 0.5]))
        # At poles PyTorch's gradient is what rounding makes of pi^2 / sin(pi x)^2; here it is infinite.
        yield case((make.tensor([0.0, -0.0, -1.0]),), grad=False, torch=False)


def check_erfinv(y, x):
    """erf takes it back, to the digits that the slope there leaves."""
    y, x = y.detach().to(clew.float64).cpu().numpy(), x.detach().to(clew.float64).cpu().numpy()
    inside = np.abs(x) < 1
    assert np.array_equal(np.isnan(y), ~(np.abs(x) <= 1))
    assert np.array_equal(y[np.abs(x) == 1], x[np.abs(x) == 1] * INF)
    assert np.allclose(erf(y[inside]), x[inside], rtol=2e-2, atol=4e-3)
    return y, x, inside


@samples("erfinv", check=check_erfinv)
def _(make):
    yield from unary(-0.9, 0.9)(make)
    if make.name == "float64":
        x = make.tensor([-0.999999, -0.5, 1e-12, 0.25, 0.9, 1 - 1e-12])
        y = np.array([erf(v) for v in x.erfinv().tolist()])
        assert np.allclose(y, x.cpu().numpy(), rtol=1e-15, atol=1e-16)
        yield plain(x)


def polygamma(n: int, x: float) -> float:
    if n == 0:
        return digamma(x)
    if math.isnan(x):
        return x
    if x <= 0:
        return INF if n % 2 else NAN
    return (-1) ** (n + 1) * math.factorial(n) * zeta(n + 1, x)


@samples("polygamma", ref=lambda n, x: tail(lambda v: polygamma(n, v))(np.asarray(x, np.float64)))
def _(make):
    # PyTorch's derivative of digamma has nine digits, here and as the gradient of number 0.
    exact = make.name != "float64"
    for n in (0, 1):
        yield case((n, make(2, 3, low=0.6, high=4)), torch=exact)
    for n in (2, 4):
        yield (n, make(2, 3, low=0.6, high=4)), {}
    yield case((1, make(4, 3, low=0.6, high=4).transpose(0, 1)), torch=exact)
    yield case((1, make(low=0.6, high=4)), torch=exact)
    yield (2, make(4, 3, low=0.6, high=4).transpose(0, 1)), {}
    yield (2, make(0, 3, low=0.6, high=4)), {}
    if make.floating:
        # PyTorch has NaN at infinity, where the limit is 0.
        yield case((2, make.tensor([INF, NAN])), grad=False, torch=False)
    yield error((-1, make(3)), {}, ValueError, "polygamma: expected n in [0, 170], got -1")


def two(f):
    return lambda x, y: f(np.asarray(x, np.float64), np.asarray(y, np.float64))


def numpy_xlogy(x, y):
    with np.errstate(all="ignore"):
        return np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y))


samples("atan2", ref=two(np.arctan2))(pairs(low=0.3))
samples("hypot", ref=two(np.hypot))(pairs(low=0.3))
samples("copysign", ref=two(np.copysign))(pairs(low=0.3))
samples("xlogy", ref=two(numpy_xlogy))(pairs(low=0.3, number=False))
samples("logaddexp", ref=two(np.logaddexp))(pairs())
samples("logaddexp2", ref=two(np.logaddexp2))(pairs())


def nan_loses(f):
    return lambda x, y: same_dtype(f)(x, y)


def order(name, ref):
    @samples(name, ref=ref)
    def _(make):
        yield from pairs(number=False)(make)
        if make.floating:
            yield plain((make.tensor([NAN, 1.0, NAN]), make.tensor([1.0, NAN, NAN])))


order("fmax", nan_loses(np.fmax))
order("fmin", nan_loses(np.fmin))


@samples(
    "float_power", ref=lambda x, y: np.asarray(x, np.float64) ** np.asarray(y, np.float64), undeclared=False
)
def _(make):
    yield case((make(3, 4, low=1, high=3), make(4, low=1, high=2)), inplace=make.name == "float64")
    yield case((make(2, 2, low=1, high=3), 0.5), inplace=make.name == "float64")


def integers(name, f):
    @samples(name, ref=lambda x, y: np.asarray(f(x, y)).astype(np.asarray(x).dtype))
    def _(make):
        yield (make(3, 4, low=0, high=40), make(3, 4, low=0, high=5)), {}
        yield (make(4, 3, low=0, high=40).transpose(0, 1), make(4, low=0, high=5)), {}
        yield (make(3, low=0, high=40), 2), {}
        yield (make(0, low=0, high=40), make(1, low=0, high=5)), {}
        if make.signed:
            yield (make(9, low=-20, high=20), make(9, low=0, high=6)), {}
        yield error((make(3), make(4)), {}, clew.ShapeError, "expected shapes that broadcast together")


integers("bitwise_left_shift", np.left_shift)
integers("bitwise_right_shift", np.right_shift)
integers("gcd", np.gcd)
integers("lcm", np.lcm)

samples("frac", ref=lambda x: x - np.trunc(x))(unary(special=False))


def numpy_addcmul(x, a, b, value=1):
    x = np.asarray(x)
    return (x + np.asarray(value).astype(x.dtype) * a * b).astype(x.dtype)


@samples("addcmul", ref=numpy_addcmul)
def _(make):
    yield (make(3, 4), make(3, 4), make(3, 4)), {}
    yield (make(3, 4), make(4), make(3, 1)), {"value": 2}
    yield case((make(4), make(3, 1), make(1)), inplace=False)
    yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2], make()), {}
    yield (make(0, 3), make(3), make(3)), {}
    if make.floating:
        yield (make(3), make(3), make(3)), {"value": -0.5}
    yield error((make(3), make(4), make(3)), {}, clew.ShapeError, "addcmul: expected shapes that broadcast")


@samples("addcdiv", ref=lambda x, a, b, value=1: x + value * a / b)
def _(make):
    yield (make(3, 4), make(3, 4), make(3, 4, low=0.5)), {}
    yield (make(3, 4), make(4), make(3, 1, low=0.5)), {"value": 2}
    yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2], make(low=0.5)), {"value": -0.5}
    yield (make(0, 3), make(3), make(3, low=0.5)), {}
    yield error((make(3), make(4), make(3)), {}, clew.ShapeError, "addcdiv: expected shapes that broadcast")


def numpy_limits(x, min=None, max=None):
    y = np.asarray(x)
    if min is not None:
        y = np.maximum(y, np.asarray(min).astype(y.dtype))
    return y if max is None else np.minimum(y, np.asarray(max).astype(y.dtype))


@samples("clamp.tensor", ref=numpy_limits)
def _(make):
    low = -1 if make.signed else 0
    yield (make(3, 4), make(3, 4, low=low, high=0), make(3, 4, low=1, high=2)), {}
    yield (make(3, 4), make(4, low=low, high=1)), {}
    yield make(4, 3).transpose(0, 1), {"max": make(4, low=0, high=1)}
    yield case((make(4), make(3, 1, low=low, high=1)), inplace=False)
    yield (make(0, 3), make(3)), {}
    if make.floating:
        yield plain(
            (make.tensor([NAN, 1.0, 1.0]), make.tensor([0.0, NAN, 2.0]), make.tensor([3.0, 3.0, 1.5]))
        )


samples("clamp_min", ref=numpy_limits)(pairs())
samples("clamp_max", ref=lambda x, y: numpy_limits(x, None, y))(pairs())


@samples("round.decimals", ref=lambda x, decimals: np.round(x, decimals))
def _(make):
    # Far from the halves, where a rounding of the product decides.
    x = make.tensor([[0.123, -1.377], [2.001, -0.269]])
    yield (x, 2), {}
    yield (x.transpose(0, 1), 1), {}
    yield (x, 0), {}
    yield (make.tensor([123.0, -271.0]), -1), {}


def numpy_logit(x, eps=None):
    x = np.asarray(x, np.float64)
    z = x if eps is None else np.clip(x, eps, 1 - eps)
    return np.log(z / (1 - z))


@samples("logit", ref=numpy_logit, tolerance={"float16": (6e-3, 6e-3), "bfloat16": (4e-2, 4e-2)})
def _(make):
    if make.floating:
        yield make(3, 4, low=0.1, high=0.9), {}
        yield make(4, 3, low=0.1, high=0.9).transpose(0, 1), {"eps": 0.25}
        yield make(0, 3, low=0.1, high=0.9), {}
        yield plain(make.tensor([-0.5, 1.5, NAN]))
    else:
        yield plain(make(3, low=0, high=1), {"eps": 0.25})


@samples(
    "nan_to_num", ref=lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, True, nan, posinf, neginf)
)
def _(make):
    yield make(3, 4), {}
    yield make(4, 3).transpose(0, 1), {"nan": 2.0}
    if make.floating:
        yield plain(make.tensor([NAN, INF, -INF, 1.0]), {"nan": 3.0, "posinf": 4.0, "neginf": -5.0})
        y = make.tensor([NAN, INF, -INF]).nan_to_num()
        assert y[0].item() == 0 and y.isfinite().all() and y[1] == -y[2] and (y[1] * 2).isinf()


samples("rad2deg", ref=wide(np.rad2deg))(unary())
samples("deg2rad", ref=wide(np.deg2rad))(unary())
samples("sinc", ref=wide(np.sinc))(unary(special=False))


@samples("positive", ref=lambda x: x, undeclared=False, skip_dtypes=("bool",))
def _(make):
    yield make(3, 4), {}
    yield error(clew.tensor([True]), {}, clew.DTypeError, "positive: expected a numeric dtype, got bool")


samples("isposinf", ref=np.isposinf, skip_dtypes=("bool",))(unary())
samples("isneginf", ref=np.isneginf, skip_dtypes=("bool",))(unary())
samples("isreal", ref=lambda x: np.ones(np.shape(x), bool))(unary())
samples("signbit", ref=lambda x: np.signbit(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x) < 0)(
    unary(special=False)
)


@samples(
    "isclose", ref=lambda x, y, rtol=1e-5, atol=1e-8, equal_nan=False: np.isclose(x, y, rtol, atol, equal_nan)
)
def _(make):
    x = make(3, 4)
    yield (x, x.clone()), {}
    yield (x, make(4)), {"rtol": 0.5, "atol": 0.25}
    yield (x.transpose(0, 1), x.transpose(0, 1)), {"rtol": 0.0, "atol": 0.0}
    yield (make(0), make(0)), {}
    if make.floating:
        special = make.tensor([NAN, INF, -INF, INF])
        yield plain((special, make.tensor([NAN, INF, INF, 1.0])))
        yield plain((special, special.clone()), {"equal_nan": True})
    yield error((x, make(3, 4, dtype="int16")), {}, clew.DTypeError, "isclose: expected tensors of one dtype")
    yield error((x, x), {"rtol": -1.0}, ValueError, "isclose: expected rtol >= 0, got -1")
    yield error((x, x), {"atol": -1.0}, ValueError, "isclose: expected atol >= 0, got -1")


@samples("where.condition", ref=lambda c: tuple(a for a in np.nonzero(np.atleast_1d(c))), data_dependent=True)
def _(make):
    yield make(3, 4), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make.tensor([0, 2, 3]), {}
    yield make(), {}
