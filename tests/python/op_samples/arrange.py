"""Samples of ops that arrange elements anew."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples


@samples("roll", ref=lambda x, shifts, dims=None: np.roll(x, shifts, dims))
def _(make):
    yield (make(5), 2), {}
    yield (make(3, 4), -1), {}
    yield (make(3, 4), 1, 0), {}
    yield (make(4, 3).transpose(0, 1), (1, -2), (0, 1)), {}
    yield (make(0, 3), 1, 0), {}
    yield (make(), 1), {}
    yield error((make(3), (1, 2), (0,)), {}, ValueError, "roll: expected as many shifts as dims")


@samples("repeat_interleave", ref=np.repeat)
def _(make):
    yield (make(3), 2), {}
    yield (make(2, 3), 2), {}
    yield (make(3, 2).transpose(0, 1), 3, 1), {}
    yield (make(), 2), {}
    yield (make(2), 0), {}
    yield error((make(3), -1), {}, ValueError, "repeat_interleave: expected repeats >= 0, got -1")


def repeats(*values):
    return clew.tensor(values)


@samples(
    "repeat_interleave.tensor",
    ref=lambda x, n, dim=None: np.repeat(x, n, dim),
    torch=False,
    data_dependent=True,
)
def _(make):
    yield case((make(3), repeats(2, 0, 1)))
    yield case((make(3, 2).transpose(0, 1), repeats(1, 2, 3), 1))
    yield case((make(2, 3), repeats(2)))
    yield error((make(3), repeats(1, 2)), {}, clew.ShapeError, "repeat_interleave: expected 3 repeats")
    yield error((make(2), repeats(1, -1)), {}, ValueError, "repeat_interleave: expected repeats >= 0, got -1")


@samples("diag", ref=lambda x, diagonal=0: np.diag(x, diagonal))
def _(make):
    yield make(3), {}
    yield make(3), {"diagonal": -1}
    yield make(3, 4), {"diagonal": 1}
    yield make(4, 3).transpose(0, 1), {}
    yield error(make(2, 2, 2), {}, clew.ShapeError, "diag: expected a vector or a matrix")


def numpy_diag_embed(x, offset=0, dim1=-2, dim2=-1):
    n = x.shape[-1] + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n), x.dtype)
    i = np.arange(x.shape[-1])
    y[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return np.moveaxis(y, (-2, -1), (dim1, dim2))


@samples("diag_embed", ref=numpy_diag_embed)
def _(make):
    yield make(3), {}
    yield make(2, 3), {"offset": 1}
    yield make(3, 2).transpose(0, 1), {"offset": -1, "dim1": 0, "dim2": 2}
    yield make(0), {}
    yield error(make(), {}, clew.ShapeError, "diag_embed: expected at least one dimension")
    yield error(make(3), {"dim1": 0, "dim2": 0}, ValueError, "diag_embed: expected two different dims")


@samples("diagflat", ref=lambda x, offset=0: np.diagflat(x, offset))
def _(make):
    yield make(3), {}
    yield make(2, 2), {"offset": 1}


@samples("broadcast_to", ref=np.broadcast_to)
def _(make):
    yield (make(3), (2, 3)), {}
    yield (make(3, 1), (3, 2)), {}
    yield error((make(3), (2,)), {}, clew.ShapeError, "expected")


def numpy_take(x, indices, dim=None):
    if dim is None:
        return x.reshape(-1)[indices.reshape(-1)]
    shape = list(np.broadcast_shapes(*(np.delete(a.shape, dim).tolist() for a in (x, indices))))
    full = [[*shape[: dim % x.ndim], a.shape[dim], *shape[dim % x.ndim :]] for a in (x, indices)]
    return np.take_along_axis(np.broadcast_to(x, full[0]), np.broadcast_to(indices, full[1]), dim)


@samples("take_along_dim", ref=numpy_take)
def _(make):
    yield (make(3, 4), make.index(3, 2, high=4), 1), {}
    yield (make(3, 4), make.index(1, 4, high=3), 0), {}
    yield (make(1, 4), make.index(3, 2, high=4), -1), {}
    yield (make(3, 4), make.index(5, high=12)), {}
    yield error(
        (make(3, 4), make.index(3, high=3), 0),
        {},
        clew.ShapeError,
        "take_along_dim: expected as many dimensions",
    )


@samples("tensor_split", ref=lambda x, n, dim=0: tuple(np.array_split(x, n, dim)), torch=False)
def _(make):
    yield (make(7), 3), {}
    yield (make(3, 4), 3, 1), {}
    yield (make(2), 4), {}
    yield error((make(3), 0), {}, ValueError, "tensor_split: expected sections > 0, got 0")
    yield error((make(), 1), {}, clew.ShapeError, "tensor_split: expected at least one dimension")


@samples("tensor_split.indices", ref=lambda x, at, dim=0: tuple(np.split(x, at, dim)), torch=False)
def _(make):
    yield (make(7), (2, 5)), {}
    yield (make(3, 4), (1, -1), 1), {}
    yield (make(4), (1, 9)), {}


samples("ravel", ref=np.ravel)(
    lambda make: iter([(make(2, 3), {}), (make(3, 2).transpose(0, 1), {}), (make(), {}), (make(0, 3), {})])
)


@samples("unflatten", ref=lambda x, dim, sizes: np.reshape(x, (*x.shape[:dim], *sizes, *x.shape[dim:][1:])))
def _(make):
    yield (make(2, 6), 1, (2, 3)), {}
    yield (make(6, 2), 0, (3, -1)), {}
    yield error((make(6), 0, (4, 2)), {}, clew.ShapeError, "unflatten: expected")
    yield error((make(), 0, (1,)), {}, IndexError, "unflatten: expected at least one dimension")


@samples("fliplr", ref=np.fliplr)
def _(make):
    yield make(2, 3), {}
    yield error(make(3), {}, clew.ShapeError, "fliplr: expected at least two dimensions")


@samples("flipud", ref=np.flipud)
def _(make):
    yield make(2, 3), {}
    yield error(make(), {}, clew.ShapeError, "flipud: expected at least one dimension")


@samples("rot90", ref=lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims))
def _(make):
    for k in (0, 1, 2, 3, -1):
        yield (make(2, 3), k), {}
    yield (make(2, 3, 2), 1, (1, 2)), {}
    yield error((make(2, 3), 1, (0, 0)), {}, ValueError, "rot90: expected two different dims")
    yield error((make(3), 1), {}, clew.ShapeError, "rot90: expected at least two dimensions")


@samples(
    "at_least", ref=lambda x, rank: (np.atleast_1d, np.atleast_2d, np.atleast_3d)[rank - 1](x), torch=False
)
def _(make):
    for rank in (1, 2, 3):
        yield (make(), rank), {}
        yield (make(3), rank), {}
        yield (make(2, 3), rank), {}
        yield (make(2, 3, 2), rank), {}


def stacking(make):
    yield case(([make(3), make(3)],))
    yield case(([make(2, 3), make(2, 3)],))
    yield case(([make(3, 2).transpose(0, 1), make(2, 3)],))
    yield case(([make(), make()],))
    yield error(([],), {}, ValueError, "expected at least one tensor, got none")


samples("hstack", ref=np.hstack)(stacking)
samples("vstack", ref=np.vstack)(stacking)
samples("dstack", ref=np.dstack)(stacking)
samples("column_stack", ref=lambda t: np.column_stack([np.atleast_1d(x) for x in t]))(stacking)


@samples("meshgrid_of", ref=lambda t, indexing="ij": tuple(np.meshgrid(*t, indexing=indexing)), torch=False)
def _(make):
    yield ([make(2), make(3)],), {}
    yield ([make(2), make(3), make(1)],), {"indexing": "xy"}
    yield case(([make(2)],), {"indexing": "xy"})
    yield error(([make(2, 2)],), {}, clew.ShapeError, "meshgrid: expected vectors or numbers")
    yield error(([make(2)],), {"indexing": "ji"}, ValueError, "meshgrid: expected indexing 'ij' or 'xy'")


def numpy_block_diag(tensors):
    blocks = [np.atleast_2d(t) for t in tensors]
    y = np.zeros(np.sum([b.shape for b in blocks], 0), np.result_type(*blocks))
    r = c = 0
    for b in blocks:
        y[r : r + b.shape[0], c : c + b.shape[1]] = b
        r, c = r + b.shape[0], c + b.shape[1]
    return y


@samples("block_diag_of", ref=numpy_block_diag, torch=False)
def _(make):
    yield case(([make(2, 3), make(2), make()],))
    yield error(([make(2, 2, 2)],), {}, clew.ShapeError, "block_diag: expected at most two dimensions")


for name, f in {"tril_indices": np.tril_indices, "triu_indices": np.triu_indices}.items():

    @samples(
        name,
        ref=lambda row, col, offset=0, f=f, **_: np.stack(f(row, offset, col)),
        creation=True,
        data_dependent=True,
        undeclared=False,
        skip_dtypes=("bool", "uint8", "int8", "int16", "float16", "bfloat16", "float32", "float64"),
    )
    def _(make, name=name):
        yield plain((3, 4), {"dtype": make.dtype})
        yield plain((4, 2, -1), {"dtype": make.dtype})
        yield plain((0, 3), {"dtype": make.dtype})
        yield error((-1, 3), {}, ValueError, f"{name}: expected sizes >= 0")


@samples(
    "logspace",
    ref=lambda start, end, steps, base=10.0, **_: np.logspace(start, end, steps, base=base),
    creation=True,
    undeclared=False,
    skip_dtypes=("bool", "uint8", "int8", "int16", "int32", "int64"),
)
def _(make):
    yield plain((0, 2, 5), {"dtype": make.dtype})
    yield plain((-1, 1, 3, 2.0), {"dtype": make.dtype})
    yield plain((0, 1, 0), {"dtype": make.dtype})


@samples(
    "vander",
    ref=lambda x, N=None, increasing=False: np.vander(x, N, increasing),
    undeclared=False,
    skip_dtypes=("bool",),
)
def _(make):
    yield make(3, low=1, high=3), {}
    yield (make(3, low=1, high=3), 2), {"increasing": True}
    yield error(make(2, 2), {}, clew.ShapeError, "vander: expected a vector")
