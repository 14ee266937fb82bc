"""How samples are written, made and compared.

A sample generator yields calls of one op::

    @samples("softmax", ref=numpy_softmax)
    def _(make):
        yield make(3, 5), {"dim": 1}
        yield (make(2, 3), make(3)), {}
        yield error(make(3), {"dim": 2}, IndexError, "softmax: expected dim in")

`make` draws tensors of the dtype under test; `ref` is a NumPy function that gets floating tensors as
float64 arrays and all others as they are.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import clew

__all__ = [
    "FLOATING",
    "GRAD_TOLERANCE",
    "INTEGER",
    "SAMPLES",
    "TOLERANCE",
    "ErrorSample",
    "Maker",
    "OpSamples",
    "Sample",
    "assert_array_close",
    "assert_close",
    "assert_same",
    "case",
    "checks",
    "dtype_name",
    "error",
    "flat",
    "is_tensor",
    "map_tensors",
    "pack",
    "plain",
    "samples",
    "stepped",
    "tensors_in",
    "to_array",
    "transposed",
]

# (rtol, atol) of a result by its dtype: the only place that states them.
TOLERANCE = {
    "float16": (2e-3, 2e-3),
    "bfloat16": (1.6e-2, 1.6e-2),
    "float32": (2e-5, 1e-5),
    "float64": (1e-11, 1e-12),
}
# Gradients take two roundings: one of the forward result, one of the formula.
GRAD_TOLERANCE = {
    "float16": (6e-3, 6e-3),
    "bfloat16": (5e-2, 5e-2),
    "float32": (1e-4, 2e-5),
    "float64": (1e-9, 1e-11),
}
FLOATING = ("float16", "bfloat16", "float32", "float64")
INTEGER = ("uint8", "int8", "int16", "int32", "int64")

checks: Counter[str] = Counter()


def dtype_name(dtype: Any) -> str:
    return str(dtype).rsplit(".", 1)[-1]


class Maker:
    """Draws tensors for one op and dtype; the same ones in every run."""

    def __init__(self, op: str, dtype: str, device: str = "cpu") -> None:
        self.name = dtype
        self.dtype = getattr(clew, dtype)
        self.device = device
        self.floating = dtype in FLOATING
        self.integer = dtype in INTEGER
        self.signed = dtype not in ("uint8", "bool")
        self.random = np.random.RandomState(zlib.crc32(f"{op} {dtype}".encode()) & 0x7FFFFFFF)

    def __call__(self, *shape: int, dtype: str | None = None, low: float = -3, high: float = 3) -> Any:
        """A tensor of distinct floats, of integers in [low, high], or of bools."""
        name = dtype or self.name
        n = int(np.prod(shape, dtype=np.int64))
        if name in FLOATING:
            # One value out of each of n equal pieces: no ties, which finite differences cannot stand.
            steps = (self.random.permutation(n) + self.random.uniform(0.2, 0.8, n)) / max(n, 1)
            values = low + (high - low) * steps
        elif name == "bool":
            values = self.random.randint(0, 2, n).astype(bool)
        else:
            first = max(int(np.ceil(low)), 0 if name == "uint8" else int(np.ceil(low)))
            values = self.random.randint(first, max(int(high), first) + 1, n)
        return self.tensor(values.reshape(shape), dtype=name)

    def index(self, *shape: int, high: int) -> Any:
        """int64 values in [0, high)."""
        return self.tensor(self.random.randint(0, high, shape), dtype="int64")

    def mask(self, *shape: int) -> Any:
        return self.tensor(self.random.randint(0, 2, shape).astype(bool), dtype="bool")

    def tensor(self, values: Any, dtype: str | None = None) -> Any:
        """The given values, in the dtype under test unless another is named."""
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float64)
        elif array.dtype.kind in "iu":
            array = array.astype(np.int64)
        t = clew.tensor(array).to(getattr(clew, dtype or self.name))
        return t if self.device == "cpu" else t.to(self.device)


@dataclass
class Sample:
    args: tuple
    kwargs: dict
    grad: bool = True
    differences: bool = True  # finite differences mean something
    meta: bool = True
    strides: bool = True
    inplace: bool = True
    ref: bool = True
    torch: bool = True


@dataclass
class ErrorSample:
    args: tuple
    kwargs: dict
    kind: type
    text: str


@dataclass
class OpSamples:
    """What is known about one op, beyond what the op table says."""

    name: str
    generator: Callable[[Maker], Iterator]
    ref: Callable | None
    check: Callable | None  # check(result, *args, **kwargs), for results that no formula predicts
    torch: str | bool | None  # PyTorch's function, if it is not found under the op's name
    frozen: tuple  # positions and keywords of floating arguments that have no gradient
    dtypes: tuple  # dtypes for which a call makes no sense although they are declared
    random: bool
    creation: bool
    data_dependent: bool  # the shape of the result depends on values, so there is none on the meta device
    undeclared: bool
    wide: bool
    tolerance: dict = field(default_factory=dict)

    def each(self, make: Maker) -> Iterator[Sample]:
        for item in self.generator(make):
            if isinstance(item, Sample):
                yield item
            elif not isinstance(item, ErrorSample):
                yield Sample(pack(item[0]), item[1])

    def errors(self, make: Maker) -> Iterator[ErrorSample]:
        for item in self.generator(make):
            if isinstance(item, ErrorSample):
                yield item


SAMPLES: dict[str, OpSamples] = {}


def samples(
    *names: str,
    ref: Callable | None = None,
    check: Callable | None = None,
    torch: str | bool | None = None,
    frozen: tuple = (),
    skip_dtypes: tuple = (),
    random: bool = False,
    creation: bool = False,
    data_dependent: bool = False,
    undeclared: bool = True,
    wide: bool = False,
    tolerance: dict | None = None,
) -> Callable:
    """Registers a generator of samples for the ops `names`. `wide`: sums over many products, looser by 4."""

    def register(generator: Callable) -> Callable:
        for name in names:
            if name in SAMPLES:
                raise ValueError(f"samples: expected each op once, got {name} again")
            SAMPLES[name] = OpSamples(
                name,
                generator,
                ref,
                check,
                torch,
                frozen,
                skip_dtypes,
                random,
                creation,
                data_dependent,
                undeclared,
                wide,
                tolerance or {},
            )
        return generator

    return register


def pack(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


def case(args: Any, kwargs: dict | None = None, **flags: bool) -> Sample:
    """A sample to which not every check applies: `case(x, {}, grad=False)`."""
    return Sample(pack(args), kwargs or {}, **flags)


def plain(args: Any, kwargs: dict | None = None) -> Sample:
    """A forward-only sample: special values, ties, kinks."""
    return case(args, kwargs, grad=False)


def error(args: Any, kwargs: dict, kind: type, text: str) -> ErrorSample:
    return ErrorSample(pack(args), kwargs, kind, text)


# --- arguments -------------------------------------------------------------------------------------


def is_tensor(x: Any) -> bool:
    return isinstance(x, clew.Tensor)


def map_tensors(f: Callable, x: Any) -> Any:
    """Applies `f` to every tensor in nested tuples, lists and dicts."""
    if is_tensor(x):
        return f(x)
    if type(x) is tuple:
        return tuple(map_tensors(f, y) for y in x)
    if type(x) is list:
        return [map_tensors(f, y) for y in x]
    if type(x) is dict:
        return {k: map_tensors(f, y) for k, y in x.items()}
    return x


def tensors_in(x: Any) -> list:
    found: list = []
    map_tensors(lambda t: found.append(t) or t, x)
    return found


def to_array(t: Any) -> np.ndarray:
    """A copy as NumPy array: floating as float64, others in their dtype."""
    t = t.detach()
    return (t.to(clew.float64) if dtype_name(t.dtype) in FLOATING else t).cpu().numpy().copy()


def stepped(t: Any) -> Any:
    """The same values with a stride of 2 in the last dimension and an offset."""
    if t.dim() == 0:
        base = clew.zeros(3, dtype=t.dtype, device=t.device)
        base[1].copy_(t.detach())
        return base[1]
    base = clew.zeros(tuple(t.shape[:-1]) + (2 * t.shape[-1] + 1,), dtype=t.dtype, device=t.device)
    view = base[..., 1::2]
    view.copy_(t.detach())
    return view


def transposed(t: Any) -> Any:
    """The same values, stored with the first and last dimension exchanged."""
    return t if t.dim() < 2 else t.detach().transpose(0, -1).contiguous().transpose(0, -1)


# --- comparison ------------------------------------------------------------------------------------


def flat(result: Any) -> list:
    """Tensors of a result that may be one tensor, several, or None."""
    return list(result) if isinstance(result, tuple | list) else [result]


def assert_array_close(
    got: np.ndarray, want: Any, name: str, what: str, table: dict = TOLERANCE, factor: float = 1
) -> None:
    want = np.asarray(want)
    assert got.shape == want.shape, f"{what}: expected shape {want.shape}, got {got.shape}"
    if name in table:
        rtol, atol = table[name]
        with np.errstate(all="ignore"):
            close = np.isclose(got, want, rtol=rtol * factor, atol=atol * factor, equal_nan=True)
    else:
        close = got == want
    if not np.all(close):
        at = tuple(int(i) for i in np.argwhere(~close)[0])
        raise AssertionError(
            f"{what}: expected {want[at]!r}, got {got[at]!r} at {at} of shape {got.shape} "
            f"({int(np.sum(~close))} of {close.size} differ)"
        )


def assert_close(got: Any, want: Any, what: str, table: dict = TOLERANCE, factor: float = 1) -> None:
    """Compares result tensors with NumPy arrays (or tensors) by the tolerance of the result's dtype."""
    got, want = flat(got), flat(want)
    assert len(got) == len(want), f"{what}: expected {len(want)} results, got {len(got)}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if is_tensor(w):
            assert g.dtype == w.dtype, f"{what}: expected dtype {w.dtype}, got {g.dtype}"
            w = to_array(w)
        label = what if len(got) == 1 else f"{what}, result {i}"
        assert_array_close(to_array(g), w, dtype_name(g.dtype), label, table, factor)


def assert_same(got: Any, want: Any, what: str, ulps: float = 0) -> None:
    """Equal shape, dtype and values; `ulps` allows for another order of summation."""
    got, want = flat(got), flat(want)
    assert len(got) == len(want), f"{what}: expected {len(want)} results, got {len(got)}"
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype, f"{what}: expected dtype {w.dtype}, got {g.dtype}"
        assert tuple(g.shape) == tuple(w.shape), (
            f"{what}: expected shape {tuple(w.shape)}, got {tuple(g.shape)}"
        )
        table = {k: (v[0] * ulps, v[1] * ulps) for k, v in TOLERANCE.items()}
        assert_array_close(to_array(g), to_array(w), dtype_name(g.dtype), what, table)
