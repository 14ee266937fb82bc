"""Samples of random ops: shape, range and repetition here; statistics in test_random.py."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples, to_array


def shape_of(size) -> tuple:
    return (size,) if isinstance(size, int) else tuple(size)


def in_range(low, high):
    def check(y, size, **_):
        assert tuple(y.shape) == shape_of(size)
        values = to_array(y)
        assert np.all((values >= low) & (values < high))

    return check


SHAPES = [(3, 4), (), (0, 3), (1, 2, 1, 2, 1, 2, 1), (77,)]


def sized(make):
    for shape in SHAPES:
        yield (shape,), {"dtype": make.dtype}
    yield error(((2, -3),), {}, RuntimeError, "expected sizes >= 0, got -3")


samples("rand", check=in_range(0, 1), random=True, creation=True)(sized)
samples("randn", check=in_range(-9, 9), random=True, creation=True)(sized)


def check_randint(y, high, size, **_):
    in_range(0, high)(y, size)


@samples("randint", check=check_randint, random=True, creation=True, undeclared=False, skip_dtypes=("bool",))
def _(make):
    for shape in SHAPES:
        yield (7, shape), {"dtype": make.dtype}
    yield error((0, (3,)), {}, (ValueError, RuntimeError), "randint: expected")


def check_randint_low(y, low, high, size, **_):
    in_range(low, high)(y, size)


@samples(
    "randint.low",
    check=check_randint_low,
    random=True,
    creation=True,
    undeclared=False,
    skip_dtypes=("bool",),
)
def _(make):
    for shape in SHAPES:
        yield (2 if make.name == "uint8" else -2, 5, shape), {"dtype": make.dtype}
    yield error((3, 3, (2,)), {}, (ValueError, RuntimeError), "randint: expected")


def check_randperm(y, n, **_):
    assert sorted(to_array(y).tolist()) == list(range(n))


@samples(
    "randperm", check=check_randperm, random=True, creation=True, undeclared=False, skip_dtypes=("bool",)
)
def _(make):
    for n in (0, 1, 5, 100):
        yield n, {"dtype": make.dtype}
    yield error(-1, {}, (ValueError, RuntimeError), "randperm: expected")


def like(make):
    yield make(3, 4), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make(), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 2, 1), {}


samples("rand_like", check=lambda y, x, **_: in_range(0, 1.0001)(y, tuple(x.shape)), random=True)(like)
samples("randn_like", check=lambda y, x, **_: in_range(-9, 9)(y, tuple(x.shape)), random=True)(like)


def filling(name, *bad):
    def generate(make):
        for item in like(make):
            yield plain(*item)
        if bad:
            yield error((make(3), *bad[0]), {}, (ValueError, RuntimeError), f"{name}: expected")

    return generate


def check_filled(low, high):
    return lambda y, x, *_, **__: in_range(low, high)(y, tuple(x.shape))


samples("uniform", check=check_filled(0, 1.0001), random=True)(filling("uniform_", (2.0, 1.0)))
samples("exponential", check=check_filled(0, 99), random=True)(filling("exponential_", (-1.0,)))


def check_random(y, x, start=None, end=None):
    low, high = (0, start) if end is None else (start, end)
    values = to_array(y)
    assert values.shape == tuple(x.shape) and np.all(values == np.floor(values))
    assert np.all(values >= (low or 0)) and (high is None or np.all(values < high))


@samples("random", check=check_random, random=True)
def _(make):
    for item in like(make):
        yield plain(*item)
        yield plain((item[0], 2))
    if make.name != "bool":
        yield plain((make(77), 3, 7))
    yield error((make(3), 0), {}, ValueError, "random_: expected from < to, got from 0 and to 0")
    yield error(
        (make(3, dtype="uint8"), 0, 300), {}, ValueError, "random_: expected bounds that uint8 can hold"
    )


samples("normal", check=check_filled(-9, 9), random=True)(filling("normal_", (0.0, -1.0)))


def check_bernoulli(y, p, **_):
    values, p = to_array(y), to_array(p)
    assert values.shape == p.shape
    assert np.all((values == 0) | (values == 1))
    assert np.all(values[p == 0] == 0) and np.all(values[p == 1] == 1)


@samples("bernoulli", check=check_bernoulli, random=True)
def _(make):
    yield make(3, 4, low=0, high=1), {}
    yield make(4, 3, low=0, high=1).transpose(0, 1), {}
    yield make(low=0, high=1), {}
    yield make(0, 3, low=0, high=1), {}
    yield plain(make.tensor([0.0, 1.0] * 20))
    yield error(make.tensor([1.5]), {}, (ValueError, RuntimeError), "bernoulli: expected")
    yield error(make.tensor([-0.5]), {}, (ValueError, RuntimeError), "bernoulli: expected")


def check_multinomial(y, p, num_samples, replacement=False, **_):
    values, p = to_array(y), to_array(p)
    assert y.dtype == clew.int64
    assert values.shape == p.shape[:-1] + (num_samples,)
    rows = values.reshape(-1, num_samples)
    for row, weights in zip(rows, p.reshape(-1, p.shape[-1])):
        assert np.all(weights[row] > 0)
        assert replacement or len(set(row.tolist())) == num_samples


@samples("multinomial", check=check_multinomial, random=True)
def _(make):
    yield (make(5, low=0.1, high=1), 3), {}
    yield (make(3, 5, low=0.1, high=1), 5), {}
    yield (make(5, 3, low=0.1, high=1).transpose(0, 1), 4), {"replacement": True}
    yield case((make.tensor([0.0, 1.0, 0.0, 2.0]), 9), {"replacement": True}, grad=False)
    yield error((make(3, low=0.1, high=1), 4), {}, (ValueError, RuntimeError), "multinomial: expected")
    yield error((make.tensor([-1.0, 1.0]), 1), {}, (ValueError, RuntimeError), "multinomial: expected")
    yield error((make.tensor([0.0, 0.0]), 1), {}, (ValueError, RuntimeError), "multinomial: expected")


def check_dropout(y, x, p=0.5, training=True):
    got, want = to_array(y), to_array(x)
    assert got.shape == want.shape
    if not training or p == 0:
        assert np.array_equal(got, want)
        return
    scaled = want / (1 - p) if p < 1 else want * 0
    assert np.all((got == 0) | np.isclose(got, scaled, rtol=1e-2))


@samples("dropout", check=check_dropout, random=True)
def _(make):
    yield make(3, 5), {}
    yield make(5, 3).transpose(0, 1), {"p": 0.25}
    yield make(3, 5), {"p": 0.0}
    yield make(3, 5), {"p": 1.0}
    yield make(3, 5), {"training": False}
    yield make(), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 2, 1), {"p": 0.5}
    yield error(make(3), {"p": 1.5}, ValueError, "dropout: expected p in [0, 1], got 1.5")
    yield error(make(3), {"p": -0.1}, ValueError, "dropout: expected p in [0, 1], got -0.1")


def check_bernoulli_p(y, x, p, **_):
    values = to_array(y)
    assert values.shape == tuple(x.shape) and y.dtype == x.dtype
    assert np.all((values == 0) | (values == 1))
    assert np.all(values == p) or 0 < p < 1


@samples("bernoulli.p", check=check_bernoulli_p, random=True)
def _(make):
    for p in (0.0, 0.5, 1.0):
        yield plain((make(3, 4), p))
    yield plain((make(4, 3).transpose(0, 1), 0.25))
    yield error((make(3), 1.5), {}, ValueError, "bernoulli: expected p in [0, 1], got 1.5")


def check_normal_of(y, mean, std, **_):
    shape = np.broadcast_shapes(
        np.shape(to_array(mean)), np.shape(std if isinstance(std, float) else to_array(std))
    )
    assert tuple(y.shape) == shape
    assert np.all(np.abs(to_array(y)) < 40)


@samples("normal_of", check=check_normal_of, random=True)
def _(make):
    yield plain((make(3, 4), make(4, low=0, high=3)))
    yield plain((make(3, 1), 2.0))
    yield plain((make(0, 3), make(3, low=0, high=3)))
    yield error((make(3), make.tensor([1.0, -1.0, 1.0])), {}, ValueError, "normal: expected std >= 0")


def check_randint_like(y, x, low, high=None, **_):
    low, high = (0, low) if high is None else (low, high)
    in_range(low, high)(y, tuple(x.shape))
    assert y.dtype == x.dtype


@samples("randint_like", check=check_randint_like, random=True, skip_dtypes=("bool",))
def _(make):
    yield plain((make(3, 4), 5))
    yield error((make(3), 0), {}, ValueError, "randint: expected low < high")


@samples("randint_like.low", check=check_randint_like, random=True, skip_dtypes=("bool",))
def _(make):
    yield plain((make(3, 4), 2, 5))
    yield plain((make(0, 4), 2, 5))
