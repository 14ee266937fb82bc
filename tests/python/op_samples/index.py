"""Samples of indexing, gathering and scattering."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples


def full(indices) -> tuple:
    return tuple(slice(None) if i is None else i for i in indices)


@samples("index", ref=lambda x, indices: x[full(indices)], torch=False)
def _(make):
    yield (make(4, 3), [make.index(5, high=4)]), {}
    yield (make(4, 3), [None, make.index(2, 2, high=3)]), {}
    yield (make(4, 3), [make.index(3, high=4), make.index(3, high=3)]), {}
    yield (make(4, 3, 2), [make.index(3, 1, high=4), None, make.index(2, high=2)]), {}
    yield (make(2, 4, 3), [None, make.index(3, 1, high=4), make.index(2, high=3)]), {}
    yield (make(4, 3), [make.tensor([-1, 0, -4], dtype="int64")]), {}
    yield case((make(4, 3), [make.tensor([True, False, True, True], dtype="bool")]), meta=False)
    yield case((make(4, 3), [make.tensor(np.arange(12).reshape(4, 3) % 3 == 0, dtype="bool")]), meta=False)
    yield (make(3, 4).transpose(0, 1), [make.index(5, high=4)]), {}
    yield (make(4, 6)[:, ::2], [make.index(5, high=4), make.index(5, high=3)]), {}
    yield (make(4, 3), [make.tensor(2, dtype="int64")]), {}
    yield (make(4, 3), [make.index(0, high=4)]), {}
    yield (make(0, 3), [make.index(0, high=1)]), {}
    yield (
        (make(1, 2, 1, 2, 1, 3, 1), [None, make.index(3, high=2), None, None, None, make.index(3, high=3)]),
        {},
    )
    yield error((make(4, 3), [make.tensor([4], dtype="int64")]), {}, IndexError, "index: expected")
    yield error((make(4, 3), [make.tensor([-5], dtype="int64")]), {}, IndexError, "index: expected")
    yield error((make(4), [make.index(2, high=4), make.index(2, high=4)]), {}, IndexError, "index: expected")
    yield error((make(4, 3), [make.tensor([True, False], dtype="bool")]), {}, IndexError, "index: expected")
    yield error(
        (make(4, 3), [make.index(2, high=4), make.index(3, high=3)]),
        {},
        (clew.ShapeError, IndexError),
        "index: expected",
    )
    yield error(
        (make(4, 3), [make(2, dtype="float32")]), {}, (IndexError, clew.DTypeError), "index: expected"
    )


def numpy_index_put(x, indices, values, accumulate=False):
    y = x.copy()
    if accumulate:
        np.add.at(y, full(indices), values)
    else:
        y[full(indices)] = values
    return y


@samples("index_put", ref=numpy_index_put)
def _(make):
    where = make.tensor([3, 0, 1], dtype="int64")
    yield (make(4, 3), [where], make(3, 3)), {}
    yield (make(4, 3), [where], make(3)), {}
    yield (make(4, 3), [where, make.tensor([0, 2, 1], dtype="int64")], make(3)), {}
    yield (make(4, 3), [where], make()), {}
    yield (make(3, 4).transpose(0, 1), [where], make(3, 1)), {}
    yield case((make(4, 3), [make.tensor([True, False, True, False], dtype="bool")], make(2, 3)), meta=False)
    if make.name != "bool":
        again = make.tensor([1, 0, 1, 1], dtype="int64")
        yield (make(4, 3), [again], make(4, 3)), {"accumulate": True}
        yield (make(4, 3), [again], make()), {"accumulate": True}
    yield (make(4, 3), [make.index(0, high=4)], make(0, 3)), {}
    yield (make(1, 2, 1, 2, 1, 3, 1), [make.tensor([0], dtype="int64")], make(1)), {}
    yield error((make(4), [make.tensor([4], dtype="int64")], make()), {}, IndexError, "index_put: expected")
    yield error((make(4), [make.index(2, high=4)], make(3)), {}, clew.ShapeError, "index_put: expected")


@samples("index_select", ref=lambda x, dim, index: x if x.ndim == 0 else np.take(x, index, axis=dim))
def _(make):
    yield (make(4, 3), 0, make.index(5, high=4)), {}
    yield (make(4, 3), 1, make.index(2, high=3)), {}
    yield (make(3, 4).transpose(0, 1), 0, make.index(6, high=4)[::2]), {}
    yield (make(4, 3), -1, make.index(2, high=3).to(clew.int32)), {}
    yield (make(4, 3), 0, make.index(0, high=4)), {}
    yield (make(1, 2, 1, 2, 1, 3, 1), 5, make.index(4, high=3)), {}
    yield plain((make(50, 7), 0, make.index(64, high=50)))
    yield error((make(4, 3), 0, make.tensor([4], dtype="int64")), {}, IndexError, "index_select: expected")
    yield error(
        (make(4, 3), 2, make.index(2, high=3)), {}, IndexError, "index_select: expected dim in [-2, 1], got 2"
    )
    yield error((make(4, 3), 0, make.index(2, 2, high=3)), {}, RuntimeError, "index_select: expected")
    yield error(
        (make(4, 3), 0, make(2, dtype="float32")), {}, (RuntimeError, IndexError), "index_select: expected"
    )


def numpy_index_add(x, dim, index, source, alpha=1):
    y = x.copy()
    at = [slice(None)] * x.ndim
    at[dim] = index
    np.add.at(y, tuple(at), (source * np.asarray(alpha).astype(x.dtype)).astype(x.dtype))
    return y


@samples("index_add", ref=numpy_index_add, skip_dtypes=("bool",))
def _(make):
    yield (make(4, 3), 0, make.index(5, high=4), make(5, 3)), {}
    yield (make(4, 3), 1, make.index(4, high=3), make(4, 4)), {}
    yield (make(3, 4).transpose(0, 1), 0, make.index(5, high=4), make(3, 5).transpose(0, 1)), {}
    yield (make(4, 3), 0, make.index(5, high=4), make(5, 3)), {"alpha": 2}
    yield (make(4, 3), 0, make.index(0, high=4), make(0, 3)), {}
    yield (make(1, 2, 1, 2, 1, 3, 1), 5, make.index(2, high=3), make(1, 2, 1, 2, 1, 2, 1)), {}
    yield error((make(4), 0, make.tensor([4], dtype="int64"), make(1)), {}, IndexError, "index_add: expected")
    yield error((make(4, 3), 0, make.index(2, high=4), make(3, 3)), {}, RuntimeError, "index_add: expected")
    yield error((make(4, 3), 0, make.index(2, high=4), make(2, 2)), {}, RuntimeError, "index_add: expected")


def numpy_gather(x, dim, index):
    if x.ndim == 0:
        return x
    at = list(np.indices(index.shape))
    at[dim] = index
    return x[tuple(at)]


@samples("gather", ref=numpy_gather)
def _(make):
    yield (make(4, 3), 0, make.index(2, 3, high=4)), {}
    yield (make(4, 3), 1, make.index(3, 5, high=3)), {}
    yield (make(3, 4).transpose(0, 1), 0, make.index(3, 2, high=4).transpose(0, 1)), {}
    yield (make(2, 3, 4), -1, make.index(2, 2, 2, high=4)), {}
    yield (make(4, 3), 0, make.index(0, 3, high=4)), {}
    yield (make(), 0, make.tensor(0, dtype="int64")), {}
    yield (make(1, 2, 1, 2, 1, 3, 1), 5, make.index(1, 2, 1, 2, 1, 2, 1, high=3)), {}
    yield error(
        (make(4, 3), 0, make.tensor([[4]], dtype="int64")), {}, (IndexError, RuntimeError), "gather: expected"
    )
    yield error((make(4, 3), 0, make.index(2, high=4)), {}, RuntimeError, "gather: expected")
    yield error((make(4, 3), 0, make.index(2, 5, high=4)), {}, RuntimeError, "gather: expected")
    yield error(
        (make(4, 3), 0, make(2, 3, dtype="float32")), {}, (RuntimeError, IndexError), "gather: expected"
    )


def numpy_scatter(x, dim, index, src, reduce=None):
    y = x.copy()
    at = list(np.indices(index.shape))
    at[dim] = index
    values = src[tuple(slice(n) for n in index.shape)]
    if reduce is None:
        y[tuple(at)] = values
    else:
        {"add": np.add, "multiply": np.multiply}[reduce].at(y, tuple(at), values)
    return y


def numpy_scatter_add(x, dim, index, src):
    y = x.copy()
    at = list(np.indices(index.shape))
    at[dim] = index
    np.add.at(y, tuple(at), src[tuple(slice(n) for n in index.shape)])
    return y


def scattering(name, repeats):
    def generate(make):
        once = make.tensor([[2, 0, 1], [0, 1, 3]], dtype="int64")
        yield (make(4, 3), 0, once, make(2, 3)), {}
        yield (make(4, 3), 0, once, make(3, 4)), {}  # only the corner of src that index covers
        yield (make(3, 4).transpose(0, 1), 0, once, make(3, 2).transpose(0, 1)), {}
        yield (make(2, 4), 1, make.tensor([[3, 1], [0, 2]], dtype="int64"), make(2, 2)), {}
        yield (make(2, 4), -1, make.tensor([[1], [2]], dtype="int64"), make(2, 1)), {}
        yield (make(4, 3), 0, make.index(0, 3, high=4), make(0, 3)), {}
        yield (
            (
                make(1, 2, 1, 2, 1, 3, 1),
                5,
                make.index(1, 2, 1, 2, 1, 1, 1, high=3),
                make(1, 2, 1, 2, 1, 1, 1),
            ),
            {},
        )
        if repeats:
            yield (make(4, 3), 0, make.index(5, 3, high=4), make(5, 3)), {}
        else:
            for how in ("add", "multiply"):
                yield case((make(4, 3), 0, once, make(2, 3)), {"reduce": how}, grad=how == "add")
            yield error(
                (make(4, 3), 0, once, make(2, 3)), {"reduce": "max"}, ValueError, "scatter: expected reduce"
            )
        yield error(
            (make(4), 0, make.tensor([4], dtype="int64"), make(1)),
            {},
            (IndexError, RuntimeError),
            f"{name}: expected",
        )
        yield error(
            (make(4, 3), 0, make.index(2, 3, high=4), make(1, 3)), {}, RuntimeError, f"{name}: expected"
        )
        yield error((make(4, 3), 0, make.index(2, high=4), make(2)), {}, RuntimeError, f"{name}: expected")

    return generate


samples("scatter", ref=numpy_scatter)(scattering("scatter", False))
samples("scatter_add", ref=numpy_scatter_add, skip_dtypes=("bool",))(scattering("scatter_add", True))


def numpy_masked_fill(x, mask, value):
    x, mask = np.broadcast_arrays(x, mask)
    return np.where(mask, np.asarray(value).astype(x.dtype), x)


@samples("masked_fill", ref=numpy_masked_fill)
def _(make):
    yield (make(3, 4), make.mask(3, 4), 1), {}
    yield (make(3, 4), make.mask(4), make()), {}
    yield (make(4, 3).transpose(0, 1), make.mask(3, 1), 0), {}
    yield case((make(4), make.mask(3, 1), 1), inplace=False)
    yield (make(), make.mask(), 1), {}
    yield (make(0, 3), make.mask(3), 1), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), make.mask(2), 1), {}
    if make.floating:
        yield case((make(3, 4), make.mask(3, 4), float("-inf")), differences=False)
    yield error((make(3), make(3, dtype="float32"), 1), {}, clew.DTypeError, "masked_fill: expected")
    yield error((make(3), make.mask(4), 1), {}, clew.ShapeError, "masked_fill: expected")
    yield error((make(3), make.mask(3), make(2)), {}, RuntimeError, "masked_fill: expected")


def numpy_masked_select(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


@samples("masked_select", ref=numpy_masked_select, data_dependent=True)
def _(make):
    yield (make(3, 4), make.mask(3, 4)), {}
    yield (make(3, 4), make.mask(4)), {}
    yield (make(4), make.mask(3, 1)), {}
    yield (make(4, 3).transpose(0, 1), make.mask(3, 4)), {}
    yield (make(), make.tensor(True, dtype="bool")), {}
    yield (make(0, 3), make.mask(3)), {}
    yield (make(3), make.tensor([False] * 3, dtype="bool")), {}
    yield error((make(3), make(3, dtype="float32")), {}, clew.DTypeError, "masked_select: expected")
    yield error((make(3), make.mask(4)), {}, clew.ShapeError, "masked_select: expected")


def numpy_nonzero(x):
    return np.stack(np.nonzero(x), axis=-1) if np.ndim(x) else np.zeros((int(x != 0), 0), np.int64)


@samples("nonzero", ref=numpy_nonzero, data_dependent=True)
def _(make):
    yield make(3, 4), {}
    yield make.tensor([[0, 1, 0], [2, 0, 0]]), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make(), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 2, 1), {}


def numpy_embedding(index, weight, padding_idx=None, scale_grad_by_freq=False):
    return weight[index]


@samples("embedding", ref=numpy_embedding)
def _(make):
    yield (make.index(3, high=5), make(5, 4)), {}
    yield (make.index(2, 3, high=5), make(5, 2)), {}
    yield (make.index(3, 2, high=5).transpose(0, 1), make(4, 5).transpose(0, 1)), {}
    yield (make.index(4, high=5).to(clew.int32), make(5, 3)), {}
    yield (make.tensor(2, dtype="int64"), make(5, 3)), {}
    yield (make.index(0, high=5), make(5, 3)), {}
    yield case((make.tensor([1, 2, 1, 0], dtype="int64"), make(4, 3)), {"padding_idx": 1}, grad=False)
    yield case((make.tensor([1, 1, 0], dtype="int64"), make(4, 3)), {"scale_grad_by_freq": True}, grad=False)
    yield error((make.index(3, high=5), make(5, 3)), {"sparse": True}, NotImplementedError, "embedding: exp")
    yield error((make.tensor([5], dtype="int64"), make(5, 3)), {}, IndexError, "embedding: expected")
    yield error((make.tensor([-1], dtype="int64"), make(5, 3)), {}, IndexError, "embedding: expected")
    yield error((make(3, dtype="float32"), make(5, 3)), {}, clew.DTypeError, "embedding: expected")
    yield error((make.index(3, high=5), make(5)), {}, RuntimeError, "embedding: expected")


def numpy_one_hot(x, num_classes=-1):
    n = int(x.max()) + 1 if num_classes < 0 else num_classes
    return (np.asarray(x)[..., None] == np.arange(n)).astype(np.int64)


@samples("one_hot", ref=numpy_one_hot)
def _(make):
    yield (make.index(5, high=4), 4), {}
    yield case(make.index(2, 3, high=4), meta=False)
    yield (make.index(3, 2, high=4).transpose(0, 1), 6), {}
    yield (make.tensor(2, dtype="int64"), 4), {}
    yield (make.index(0, high=4), 4), {}
    yield error((make.tensor([4], dtype="int64"), 4), {}, (ValueError, IndexError), "one_hot: expected")
    yield error((make.tensor([-1], dtype="int64"), 4), {}, (ValueError, IndexError), "one_hot: expected")
    yield error(make.index(0, high=4), {}, ValueError, "one_hot: expected")
