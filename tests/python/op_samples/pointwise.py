"""Samples of elementwise ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

import clew

from .core import Maker, case, error, plain, samples

erf = np.vectorize(math.erf, otypes=[np.float64])
NAN, INF = float("nan"), float("inf")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, dtype=np.float64)))


def torch_sign(x: np.ndarray) -> np.ndarray:
    # 0 for NaN.
    return ((x > 0).astype(np.int8) - (x < 0).astype(np.int8)).astype(x.dtype)


# --- unary -----------------------------------------------------------------------------------------


def unary(low: float = -3, high: float = 3, special: bool = True) -> Callable:
    def generate(make: Maker) -> Iterator:
        yield make(3, 5, low=low, high=high), {}
        yield make(5, 4, low=low, high=high).transpose(0, 1), {}
        yield make(3, 8, low=low, high=high)[:, 1::3], {}
        yield make(4, 1, low=low, high=high).expand(4, 3), {}
        yield make(0, 3, low=low, high=high), {}
        yield make(low=low, high=high), {}
        yield make(1, 2, 1, 2, 1, 2, 1, 1, low=low, high=high), {}
        # Longer than any vector register, with a ragged end.
        yield plain(make(131, low=low, high=high))
        if special and make.floating:
            yield plain(make.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0]))

    return generate


UNARY = {
    # name: (reference, low, high)
    "neg": (np.negative, -3, 3),
    "abs": (np.abs, -3, 3),
    "exp": (np.exp, -3, 3),
    "log": (np.log, 0.1, 5),
    "log1p": (np.log1p, -0.8, 5),
    "expm1": (np.expm1, -3, 3),
    "sqrt": (np.sqrt, 0.1, 5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 5),
    "square": (np.square, -3, 3),
    "reciprocal": (lambda x: 1 / np.asarray(x, np.float64), 0.2, 3),
    "sin": (np.sin, -4, 4),
    "cos": (np.cos, -4, 4),
    "tanh": (np.tanh, -3, 3),
    "sigmoid": (sigmoid, -5, 5),
    "erf": (erf, -3, 3),
    "relu": (lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)), -3, 3),
    "sign": (torch_sign, -3, 3),
    "floor": (lambda x: np.floor(x).astype(x.dtype), -3, 3),
    "ceil": (lambda x: np.ceil(x).astype(x.dtype), -3, 3),
    "round": (lambda x: np.round(x).astype(x.dtype), -3, 3),
    "trunc": (lambda x: np.trunc(x).astype(x.dtype), -3, 3),
    "isnan": (np.isnan, -3, 3),
    "isinf": (np.isinf, -3, 3),
    "isfinite": (np.isfinite, -3, 3),
    "logical_not": (np.logical_not, -3, 3),
}
FLOATING_RESULT = (
    "exp",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "erf",
)


def wide(f: Callable) -> Callable:
    """Integers as float64: NumPy would compute narrow ones in float16."""
    return lambda x: f(np.asarray(x, np.float64))


for name, (reference, lowest, highest) in UNARY.items():
    samples(name, ref=wide(reference) if name in FLOATING_RESULT else reference)(unary(lowest, highest))
samples("bitwise_not", ref=np.invert)(unary())


def silu_at(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


samples("silu", ref=silu_at)(unary())


def numpy_gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


@samples("gelu", ref=numpy_gelu)
def _(make):
    yield from unary(special=False)(make)
    yield make(3, 5), {"approximate": "tanh"}
    yield make(5, 4).transpose(0, 1), {"approximate": "tanh"}
    yield error(make(3), {"approximate": "erf"}, ValueError, "gelu: expected approximate 'none' or 'tanh'")


@samples("leaky_relu", ref=lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x))
def _(make):
    yield from unary()(make)
    yield make(3, 5), {"negative_slope": 0.3}


@samples("log_sigmoid", ref=lambda x: -np.logaddexp(0, -x), torch="nn.functional.logsigmoid")
def _(make):
    yield from unary(-5, 5)(make)
    yield plain(make.tensor([-40.0, 40.0]))


def numpy_clamp(x: np.ndarray, min: float | None = None, max: float | None = None) -> np.ndarray:
    y = np.asarray(x)
    if min is not None:
        y = np.maximum(y, min)
    return y if max is None else np.minimum(y, max)


@samples("clamp", ref=numpy_clamp)
def _(make):
    yield make(3, 5), {"min": -1 if make.signed else 1, "max": 2}
    yield make(3, 5), {"min": 1}
    yield make(5, 3).transpose(0, 1), {"max": 1}
    yield make(), {"min": 0, "max": 1}
    yield make(0, 2), {"min": 0}
    yield make(1, 2, 1, 2, 1, 2, 1), {"min": 0, "max": 1}
    yield make(3, 2), {"min": 2, "max": 1}  # crossed limits: max wins
    # At a limit the gradient is 1.
    yield plain(make.tensor([0, 1, 2, 3]), {"min": 1, "max": 2})
    if make.floating:
        yield plain(make.tensor([NAN, INF, -INF]), {"min": -1.0, "max": 1.0})
    else:
        yield case(make(4), {"min": 0.5}, inplace=False)
    yield error(make(3), {}, ValueError, "clamp: expected min or max or both, got neither")


# --- binary ----------------------------------------------------------------------------------------


def pairs(
    low: float = -3, high: float = 3, divisor: bool = False, floor: float = 0.4, number: bool = True
) -> Callable:
    """Pairs of operands; `divisor`: the second stays away from 0; `number`: it may be a Python number."""

    def generate(make: Maker) -> Iterator:
        def second(*shape: int):
            if not divisor:
                return make(*shape, low=low, high=high)
            return make(*shape, low=floor if make.floating else 1, high=high)

        def first(*shape: int):
            return make(*shape, low=low, high=high)

        yield (first(3, 4), second(3, 4)), {}
        yield (first(3, 4), second(4)), {}
        yield case((first(4), second(3, 1)), inplace=False)
        yield case((first(2, 1, 3), second(4, 1)), inplace=False)
        yield (first(4, 3).transpose(0, 1), second(3, 4)), {}
        yield (first(3, 8)[:, ::2], second(4, 3).transpose(0, 1)), {}
        yield (first(3, 4), second()), {}
        yield case((first(), second(2, 2)), inplace=False)
        yield (first(), second()), {}
        yield (first(0, 3), second(3)), {}
        yield case((first(1, 3), second(0, 1)), inplace=False)
        yield (first(1, 2, 1, 2, 1, 3, 1), second(2, 1, 1, 1, 3, 1)), {}
        if number:
            yield (first(3, 4), True if make.name == "bool" else 2), {}
        yield plain((first(131), second(131)))
        if divisor:
            yield (first(3), second(3) * -1) if make.signed else (first(3), second(3)), {}
        yield error((first(3), second(4)), {}, clew.ShapeError, "expected shapes that broadcast together")

    return generate


def same_dtype(f: Callable) -> Callable:
    """NumPy's result in the dtype of the first operand, as a Python number leaves it."""
    return lambda x, y: np.asarray(f(x, y)).astype(np.asarray(x).dtype)


def scaled(f: Callable) -> Callable:
    def reference(x: np.ndarray, y: np.ndarray, alpha: float = 1) -> np.ndarray:
        x = np.asarray(x)
        return np.asarray(f(x, np.asarray(y).astype(x.dtype) * np.asarray(alpha).astype(x.dtype))).astype(
            x.dtype
        )

    return reference


@samples("add", ref=scaled(np.add))
def _(make):
    yield from pairs()(make)
    yield (make(3, 4), make(4)), {"alpha": True if make.name == "bool" else 2}
    if make.floating:
        yield (make(3, 4), make(3, 4)), {"alpha": -0.5}
    yield error(
        (make(3, dtype="int64"), make(3, dtype="int64")), {"alpha": 0.5}, clew.DTypeError, "integer alpha"
    )


@samples("sub", ref=scaled(np.subtract))
def _(make):
    yield from pairs()(make)
    yield (make(3, 4), make(4)), {"alpha": 2}
    mask = make.mask(3)
    yield error((mask, mask), {}, clew.DTypeError, "sub: expected dtype")


samples("mul", ref=same_dtype(np.multiply))(pairs())


def numpy_true_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float64) / np.asarray(y, np.float64)


@samples("true_divide", ref=numpy_true_divide)
def _(make):
    yield from pairs(divisor=True)(make)
    if make.floating:
        yield plain((make.tensor([1.0, -1.0, 0.0, NAN]), make.tensor([0.0, 0.0, 0.0, 1.0])))


def whole(f: Callable) -> Callable:
    def reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(f(x, y)).astype(np.asarray(x).dtype)

    return reference


def numpy_trunc_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.trunc(np.asarray(x, np.float64) / np.asarray(y, np.float64))


samples("trunc_divide", ref=whole(numpy_trunc_divide), torch=False)(
    pairs(low=-9, high=9, divisor=True, floor=0.7, number=False)
)


def division_by_zero(name: str) -> Callable:
    def generate(make: Maker) -> Iterator:
        yield from pairs(low=-9, high=9, divisor=True, floor=0.7)(make)
        if make.integer:
            low = int(np.iinfo(make.name).min)
            # The one quotient that overflows must not trap.
            if make.signed:
                yield case((make.tensor([low, low]), make.tensor([-1, 1])), ref=False, torch=False)
        zero = make(2, dtype="int64") * 0
        yield error((make(2, dtype="int64"), zero), {}, RuntimeError, f"{name}: expected")

    return generate


samples("floor_divide", ref=whole(np.floor_divide))(division_by_zero("floor_divide"))
samples("remainder", ref=whole(np.remainder))(division_by_zero("remainder"))
samples("fmod", ref=whole(np.fmod))(division_by_zero("fmod"))


def numpy_div(x: np.ndarray, y: np.ndarray, rounding_mode: str | None = None) -> np.ndarray:
    if rounding_mode is None:
        return numpy_true_divide(x, y)
    return whole(numpy_trunc_divide if rounding_mode == "trunc" else np.floor_divide)(x, y)


@samples("div", ref=numpy_div)
def _(make):
    yield from pairs(divisor=True)(make)
    if make.name != "bool":
        y = make(3, 4, low=0.7 if make.floating else 1, high=4)
        yield (make(3, 4, low=-9, high=9), y), {"rounding_mode": "trunc"}
        yield (make(3, 4, low=-9, high=9), y), {"rounding_mode": "floor"}
    yield error(
        (make(3), make(3)),
        {"rounding_mode": "up"},
        ValueError,
        "div: expected rounding_mode None, 'trunc' or",
    )


def numpy_pow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.power(x, y)).astype(np.asarray(x).dtype)


@samples("pow", ref=numpy_pow)
def _(make):
    if make.floating:
        base = make(3, 4, low=0.2, high=2)
        yield (base, make(3, 4, low=-2, high=2)), {}
        yield (base, make(4, low=-2, high=2)), {}
        yield case((make(4, low=0.2, high=2), make(3, 1)), inplace=False)
        yield (make(4, 3, low=0.2, high=2).transpose(0, 1), make(3, 4)), {}
        yield (make(low=0.2, high=2), make()), {}
        yield (make(0, 3, low=0.2, high=2), make(3)), {}
        yield (make(1, 2, 1, 2, 1, 3, 1, low=0.2, high=2), make(1)), {}
        for exponent in (0, 0.5, 1, 2, 3, -1, -0.5, 2.5):
            yield (make(5, low=0.2, high=2), exponent), {}
        yield (make(5), 2), {}  # also negative bases
        yield (make(5), 3), {}
        yield plain((make.tensor([0.0, 0.0, -1.0, INF, NAN]), make.tensor([0.0, 2.0, 0.5, -1.0, 0.0])))
    else:
        yield (make(3, 4, low=-3, high=3), make(3, 4, low=0, high=3)), {}
        yield (make(3, 4, low=-3, high=3), 2), {}
        yield (make(low=-3, high=3), make(low=0, high=3)), {}
        yield (make(0, 3, low=-3, high=3), 2), {}
    yield error((make(3, dtype="int64"), -1), {}, ValueError, "pow: expected")
    yield error((make(3), make(4)), {}, clew.ShapeError, "pow: expected shapes that broadcast together")


def extremum(make: Maker) -> Iterator:
    yield from pairs(number=False)(make)
    if make.floating:
        yield plain((make.tensor([NAN, 1.0, INF]), make.tensor([1.0, NAN, -INF])))


samples("maximum", ref=same_dtype(np.maximum))(extremum)
samples("minimum", ref=same_dtype(np.minimum))(extremum)


def logical(make: Maker) -> Iterator:
    yield from pairs(number=False)(make)


def comparison(make: Maker) -> Iterator:
    yield from pairs()(make)
    x = make(6)
    yield (x, x + 0 if make.name != "bool" else x), {}
    if make.floating:
        yield plain((make.tensor([NAN, 1.0, INF]), make.tensor([NAN, NAN, INF])))


for name, reference in {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}.items():
    samples(name, ref=reference)(comparison)
for name, reference in {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}.items():
    samples(name, ref=reference)(logical)


for name, reference in {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}.items():
    samples(name, ref=same_dtype(reference))(pairs(low=-99, high=99))


# --- more operands ---------------------------------------------------------------------------------


def numpy_lerp(x, end, weight):
    return x + np.asarray(weight) * (np.asarray(end, np.float64) - x)


@samples("lerp", ref=numpy_lerp)
def _(make):
    yield (make(3, 4), make(3, 4), 0.25), {}
    yield (make(3, 4), make(4), make(3, 1, low=0, high=1)), {}
    yield case((make(4), make(3, 1), make(2, 1, 1, low=0, high=1)), inplace=False)
    yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2], make(3, 4, low=0, high=1)), {}
    yield (make(), make(), make(low=0, high=1)), {}
    yield (make(0, 3), make(3), 0.5), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), make(1), 0.75), {}
    yield plain((make(131), make(131), make(131)))
    yield error((make(3), make(4), 0.5), {}, clew.ShapeError, "lerp: expected shapes that broadcast together")


@samples("where", ref=lambda c, x, y: np.where(c, x, np.asarray(y).astype(np.asarray(x).dtype)))
def _(make):
    yield (make.mask(3, 4), make(3, 4), make(3, 4)), {}
    yield (make.mask(4), make(3, 1), make(3, 4)), {}
    yield (make.mask(3, 1), make(4), make()), {}
    yield (make.mask(4, 3).transpose(0, 1), make(3, 8)[:, ::2], make(4, 3).transpose(0, 1)), {}
    yield (make.mask(), make(), make()), {}
    yield (make.mask(0, 3), make(3), make(3)), {}
    yield (make.mask(1, 2, 1, 2, 1, 2, 1), make(2), make(1)), {}
    if make.name != "bool":
        yield (make.mask(3, 4), make(3, 4), 2), {}
    yield plain((make.mask(131), make(131), make(131)))
    if make.floating:
        # What is not chosen must not leak into the gradient.
        yield plain(
            (make.tensor([True, False], dtype="bool"), make.tensor([1.0, NAN]), make.tensor([INF, 2.0]))
        )
    yield error(
        (make(3, dtype="float32"), make(3), make(3)),
        {},
        clew.DTypeError,
        "where: expected a condition of dtype bool",
    )
    yield error(
        (make.mask(3), make(4), make(3)),
        {},
        clew.ShapeError,
        "where: expected shapes that broadcast together",
    )


BACKWARD = {
    # function: derivative in terms of what it saves
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "relu": lambda y: (y > 0) * 1.0,
    "silu": lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "gelu": lambda x: 0.5 * (1 + erf(x / math.sqrt(2))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "gelu_tanh": lambda x: (numpy_gelu(x + 1e-6, "tanh") - numpy_gelu(x - 1e-6, "tanh")) / 2e-6,
}


def numpy_pointwise_backward(g, saved, function, p0=0, p1=0):
    if function == "leaky_relu":
        return g * np.where(saved > 0, 1, p0)
    if function == "clamp":
        return g * ((saved >= p0) & (saved <= p1))
    return g * BACKWARD[function](saved)


@samples("pointwise_backward", ref=numpy_pointwise_backward, tolerance={"float64": (1e-8, 1e-8)})
def _(make):
    for function in ("tanh", "sigmoid", "relu", "silu", "gelu", "gelu_tanh"):
        yield (make(3, 5), make(3, 5), function), {}
    yield (make(3, 5), make(3, 5), "leaky_relu", 0.2), {}
    yield (make(3, 5), make(3, 5), "clamp", -1.0, 1.0), {}
    yield (make(5, 3).transpose(0, 1), make(3, 5), "tanh"), {}
    yield (make(), make(), "tanh"), {}
    yield (make(0, 3), make(0, 3), "tanh"), {}
    yield (make(131), make(131), "sigmoid"), {}
    yield error((make(3), make(3), "cosine"), {}, ValueError, "pointwise_backward: expected")
    yield error((make(3), make(4), "tanh"), {}, clew.ShapeError, "pointwise_backward: expected")
