"""Indexing and operators against NumPy: reading, writing, views or copies."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import clew

SHAPE = (4, 5, 3)


def array() -> np.ndarray:
    return np.arange(60, dtype=np.float64).reshape(SHAPE)


BASIC = [
    0,
    -1,
    (1, 2),
    (1, 2, 0),
    slice(None),
    slice(1, 3),
    slice(None, None, 2),
    slice(-3, -1),
    slice(2, 100),
    slice(3, 1),
    (slice(None), 2),
    (slice(1, 4), slice(None, None, 2), 1),
    ...,
    (..., 0),
    (0, ...),
    (1, ..., 2),
    (..., slice(1, 3)),
    None,
    (None, 1),
    (slice(None), None, slice(2)),
    (0, None, ..., None),
    (),
    (np.int64(2), slice(None, np.int64(2))),
]
MASK = array() % 3 == 0
ADVANCED = [
    [0, 2],
    [[0, 1], [2, 3]],
    [-1, 0],
    ([0, 1], [2, 3]),
    ([0, 1], slice(None), [2, 0]),
    (slice(None), [1, 1, 4]),
    (..., [2, 0]),
    ([0, 1, 2], 3),
    (2, [0, 4], slice(1, 3)),
    ([[0], [3]], [1, 2]),
    (None, [0, 1]),
    ([0, 1], None, [1, 2]),
    (slice(1, 3), [0, 2], [1, 1]),
    ([0, 1], [0, 1], [0, 1]),
    np.array([3, 0]),
    np.array([], dtype=np.int64),
    MASK,
    MASK[:, 0, 0],
    (slice(None), MASK[0, :, 0]),
    (1, MASK[1]),
    (MASK[:, :, 0], slice(0, 2)),
    True,
    False,
    [True, False, True, False],
]


def to_clew(index):
    """NumPy arrays in an index become tensors; all else stays."""
    if isinstance(index, np.ndarray):
        return clew.from_numpy(index.copy())
    if isinstance(index, tuple):
        return tuple(to_clew(i) for i in index)
    return index


def name(index) -> str:
    return repr(index).replace("\n", "")[:60]


@pytest.mark.parametrize("index", BASIC, ids=name)
def test_basic_reading_gives_views(index) -> None:
    a = array()
    t = clew.from_numpy(a.copy())
    got = t[index]
    np.testing.assert_array_equal(got.numpy(), a[index])
    if got.numel():
        assert got.storage_offset() * 8 + t.data_ptr() == got.data_ptr()
        t.fill_(-1.0)
        assert np.all(got.numpy() == -1)


@pytest.mark.parametrize("index", ADVANCED, ids=name)
def test_advanced_reading_copies(index) -> None:
    a = array()
    t = clew.from_numpy(a.copy())
    got = t[to_clew(index)]
    np.testing.assert_array_equal(got.numpy(), a[index])
    t.fill_(-1.0)
    np.testing.assert_array_equal(got.numpy(), a[index])


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=name)
def test_writing(index) -> None:
    a = array()
    t = clew.from_numpy(a.copy())
    a[index] = -7
    t[to_clew(index)] = -7
    np.testing.assert_array_equal(t.numpy(), a)
    values = np.random.RandomState(0).uniform(size=a[index].shape)
    a[index] = values
    t[to_clew(index)] = clew.tensor(values)
    np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=name)
def test_strided_source(index) -> None:
    a = array().transpose(2, 1, 0)[:, ::2]
    t = clew.from_numpy(array()).permute(2, 1, 0)[:, ::2]
    try:
        want = a[index]
    except IndexError:
        with pytest.raises(IndexError):
            t[to_clew(index)]
    else:
        np.testing.assert_array_equal(t[to_clew(index)].numpy(), want)


def random_index(random: np.random.RandomState, shape: tuple) -> tuple:
    """Some index for `shape`: integers, slices, None, and arrays that broadcast together."""
    parts: list = []
    common = tuple(random.randint(1, 4, random.randint(1, 3)))
    dims = list(shape)
    while dims:
        n = dims.pop(0)
        kind = random.randint(7)
        if kind == 0:
            parts.append(int(random.randint(-n, n)))
        elif kind <= 2:
            start, stop = (int(x) for x in random.randint(-n - 1, n + 2, 2))
            parts.append(slice(start, stop, int(random.randint(1, 3))))
        elif kind == 3:
            parts.append(None)
            dims.insert(0, n)
        elif kind == 4:
            keep = common[int(random.randint(len(common))) :]
            parts.append(random.randint(-n, n, keep))
        elif kind == 5:
            parts.append(random.randint(-n, n, common))
        else:
            parts.append(slice(None))
    return tuple(parts)


def in_two_steps(a: np.ndarray, index: tuple) -> tuple[np.ndarray, tuple]:
    """The view by integers, slices and None, and the index that is left.

    In NumPy an integer beside arrays counts as one of them; here, as in PyTorch, it selects first.
    """
    view = a[(..., *(slice(None) if isinstance(i, np.ndarray) else i for i in index))]
    rest = tuple(i if isinstance(i, np.ndarray) else slice(None) for i in index if not isinstance(i, int))
    return view, rest


@pytest.mark.parametrize("seed", range(200))
def test_random_indices(seed: int) -> None:
    random = np.random.RandomState(seed)
    shape = tuple(int(n) for n in random.randint(1, 5, random.randint(1, 5)))
    a = random.uniform(size=shape)
    index = random_index(random, shape)
    t = clew.from_numpy(a.copy())
    got = t[to_clew(index)]
    view, rest = in_two_steps(a, index)
    np.testing.assert_array_equal(got.numpy(), view[rest])
    t[to_clew(index)] = 5
    view[rest] = 5
    np.testing.assert_array_equal(t.numpy(), a)


def test_iteration_length_and_membership() -> None:
    t = clew.from_numpy(array())
    assert len(t) == 4
    assert [row.sum().item() for row in t] == array().sum((1, 2)).tolist()
    assert 7 in t and 77 not in t
    with pytest.raises(TypeError):
        len(t[0, 0, 0])
    with pytest.raises(TypeError):
        iter(t[0, 0, 0])


def test_negative_steps_name_flip() -> None:
    with pytest.raises(ValueError, match="flip"):
        clew.ones(3)[::-1]


# --- operators -------------------------------------------------------------------------------------

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge"]
BITS = ["and_", "or_", "xor"]


@pytest.mark.parametrize("op", BINARY)
def test_arithmetic_operators(op: str) -> None:
    f = getattr(operator, op)
    a, b = np.array([1.5, -2.0, 3.0]), np.array([2.0, 3.0, -1.0])
    x, y = clew.tensor(a), clew.tensor(b)
    base = np.abs(a)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f(x, y).numpy(), f(a, b))
        np.testing.assert_allclose(f(x, 2).numpy(), f(a, 2))
        np.testing.assert_allclose(f(2.5, clew.tensor(base)).numpy(), f(2.5, base))


@pytest.mark.parametrize("op", BITS)
def test_bit_operators(op: str) -> None:
    f = getattr(operator, op)
    a, b = np.array([1, 6, 12]), np.array([3, 5, 10])
    np.testing.assert_array_equal(f(clew.tensor(a), clew.tensor(b)).numpy(), f(a, b))
    np.testing.assert_array_equal(f(clew.tensor(a), 7).numpy(), f(a, 7))
    p, q = a > 2, b > 4
    np.testing.assert_array_equal(f(clew.tensor(p), clew.tensor(q)).numpy(), f(p, q))


@pytest.mark.parametrize("op", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"])
def test_in_place_operators(op: str) -> None:
    f = getattr(operator, op)
    a, b = np.array([1.5, 2.0, 3.0]), np.array([2.0, 3.0, 1.0])
    x = clew.tensor(a)
    same = x
    x = f(x, clew.tensor(b))
    assert x is same
    np.testing.assert_allclose(x.numpy(), f(a.copy(), b))
    x = f(x, 2)
    assert x is same and x._version == 2


def test_unary_operators_and_matmul() -> None:
    a = np.array([[1.5, -2.0], [0.0, 3.0]])
    x = clew.tensor(a)
    np.testing.assert_array_equal((-x).numpy(), -a)
    np.testing.assert_array_equal((+x).numpy(), a)
    np.testing.assert_array_equal(abs(x).numpy(), abs(a))
    np.testing.assert_array_equal((~(x > 0)).numpy(), ~(a > 0))
    np.testing.assert_array_equal((x @ x).numpy(), a @ a)
    np.testing.assert_array_equal(round(x * 1.3).numpy(), np.round(a * 1.3))
    assert float(x[0, 0]) == 1.5 and int(x[1, 1]) == 3 and bool(x[0, 0])
    assert [0, 1, 2][clew.tensor(1)] == 1  # an integer tensor is an index
