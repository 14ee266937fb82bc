"""Samples of views and of ops that move elements."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, samples


def reshaping(name):
    def generate(make):
        yield (make(3, 4), (2, 6)), {}
        yield (make(3, 4), (12,)), {}
        yield (make(3, 4), (-1, 2)), {}
        yield (make(2, 3, 4), (6, 4)), {}
        yield (make(), (1, 1)), {}
        yield (make(1), ()), {}
        yield (make(0, 3), (3, 0)), {}
        yield (make(4, 6), (1, 2, 2, 1, 3, 2, 1)), {}
        yield error((make(3, 4), (5, 2)), {}, clew.ShapeError, f"{name}: expected a shape for 12 elements")
        yield error((make(3, 4), (-1, 5)), {}, clew.ShapeError, f"{name}: expected")
        yield error((make(3, 4), (-1, -1)), {}, clew.ShapeError, f"{name}: expected at most one -1")
        yield error((make(0, 3), (-1, 0)), {}, clew.ShapeError, f"{name}: expected")

    return generate


@samples("reshape", ref=np.reshape)
def _(make):
    yield from reshaping("reshape")(make)
    yield (make(4, 3).transpose(0, 1), (12,)), {}
    yield (make(2, 3, 4).transpose(0, 2), (4, 6)), {}
    yield (make(3, 1).expand(3, 4), (12,)), {}


@samples("view", ref=np.reshape)
def _(make):
    for item in reshaping("view")(make):
        yield case(*item, strides=False) if isinstance(item, tuple) else item
    yield case((make(2, 3, 4)[:, :, ::2], (6, 2)), strides=False)
    yield error((make(4, 3).transpose(0, 1), (12,)), {}, clew.ShapeError, "view: expected")


def numpy_flatten(x, start_dim=0, end_dim=-1):
    if x.ndim == 0:
        return x.reshape(1)
    a, b = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape(x.shape[:a] + (int(np.prod(x.shape[a : b + 1])),) + x.shape[b + 1 :])


@samples("flatten", ref=numpy_flatten)
def _(make):
    yield make(2, 3, 4), {}
    yield make(2, 3, 4), {"start_dim": 1}
    yield make(2, 3, 2, 2), {"start_dim": 1, "end_dim": 2}
    yield make(2, 3, 4).transpose(0, 2), {"start_dim": 1}
    yield make(3, 8)[:, ::2], {}
    yield make(), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 2, 1), {"start_dim": 2, "end_dim": -2}
    yield error(make(2, 3), {"start_dim": 2}, IndexError, "flatten: expected")
    yield error(make(2, 3), {"start_dim": 1, "end_dim": 0}, RuntimeError, "flatten: expected")


def numpy_squeeze(x, dim=None):
    if dim is None:
        return np.squeeze(x)
    dims = (dim,) if isinstance(dim, int) else dim
    if x.ndim == 0:
        return x
    return np.squeeze(x, tuple(d for d in dims if x.shape[d] == 1))


@samples("squeeze", ref=numpy_squeeze)
def _(make):
    yield make(1, 3, 1), {}
    yield make(1, 3, 1), {"dim": 0}
    yield make(1, 3, 1), {"dim": -1}
    yield make(1, 3, 1), {"dim": 1}
    yield make(1, 3, 1), {"dim": (0, 2)}
    yield make(3, 1, 2).transpose(0, 2), {}
    yield make(), {}
    yield make(0, 1), {"dim": 1}
    yield make(1, 2, 1, 2, 1, 2, 1), {}
    yield error(make(2, 3), {"dim": 2}, IndexError, "squeeze: expected dim in [-2, 1], got 2")


@samples("unsqueeze", ref=lambda x, dim: np.expand_dims(x, dim))
def _(make):
    for dim in (0, 1, 2, -1, -3):
        yield make(3, 4), {"dim": dim}
    yield make(4, 3).transpose(0, 1), {"dim": 1}
    yield make(), {"dim": 0}
    yield make(0, 3), {"dim": 1}
    yield make(1, 2, 1, 2, 1, 2), {"dim": 3}
    yield error(make(2, 3), {"dim": 3}, IndexError, "unsqueeze: expected dim in [-3, 2], got 3")


@samples("permute", ref=lambda x, dims: np.transpose(x, dims))
def _(make):
    yield (make(2, 3, 4), (2, 0, 1)), {}
    yield (make(2, 3, 4), (0, -1, 1)), {}
    yield (make(2, 3, 4).transpose(0, 1), (2, 1, 0)), {}
    yield (make(), ()), {}
    yield (make(0, 3), (1, 0)), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), (6, 5, 4, 3, 2, 1, 0)), {}
    yield error((make(2, 3), (0, 0)), {}, RuntimeError, "permute: expected each dim once")
    yield error((make(2, 3), (0,)), {}, RuntimeError, "permute: expected")


def numpy_transpose(x, dim0, dim1):
    return x if x.ndim == 0 else np.swapaxes(x, dim0, dim1)


@samples("transpose", ref=numpy_transpose)
def _(make):
    yield (make(3, 4), 0, 1), {}
    yield (make(2, 3, 4), -1, 0), {}
    yield (make(2, 3, 4).transpose(0, 1), 1, 2), {}
    yield (make(2, 3), 1, 1), {}
    yield (make(), 0, 0), {}
    yield (make(0, 3), 0, 1), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), 1, 5), {}
    yield error((make(2, 3), 0, 2), {}, IndexError, "transpose: expected dim in [-2, 1], got 2")


@samples("t", ref=np.transpose)
def _(make):
    yield make(3, 4), {}
    yield make(4, 3).transpose(0, 1), {}
    yield make(3), {}
    yield make(), {}
    yield make(0, 3), {}
    yield error(make(2, 3, 4), {}, RuntimeError, "t: expected")


@samples("movedim", ref=np.moveaxis)
def _(make):
    yield (make(2, 3, 4), 0, 2), {}
    yield (make(2, 3, 4), (0, 1), (-1, 0)), {}
    yield (make(2, 3, 4).transpose(0, 1), -1, 0), {}
    yield (make(0, 3), 0, 1), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), 1, 5), {}
    yield error((make(2, 3), 0, 2), {}, IndexError, "movedim: expected dim in [-2, 1], got 2")
    yield error((make(2, 3), (0, 1), (0,)), {}, RuntimeError, "movedim: expected")


def numpy_expand(x, size):
    size = list(size)
    for i in range(1, x.ndim + 1):
        if size[-i] == -1:
            size[-i] = x.shape[-i]
    return np.broadcast_to(x, size)


@samples("expand", ref=numpy_expand)
def _(make):
    yield (make(3, 1), (3, 4)), {}
    yield (make(1, 4), (3, -1)), {}
    yield (make(3), (2, 3)), {}
    yield (make(1, 3).transpose(0, 1), (2, 3, 4)), {}
    yield (make(), (2, 2)), {}
    yield (make(1, 3), (0, 3)), {}
    yield (make(1, 2, 1, 2, 1, 1, 1), (1, 2, 2, 2, 1, 2, 1)), {}
    yield error((make(3, 2), (3, 4)), {}, clew.ShapeError, "expand: expected")
    yield error((make(3, 2), (2,)), {}, clew.ShapeError, "expand: expected")


@samples("expand_as", ref=lambda x, other: np.broadcast_to(x, other.shape), torch=False)
def _(make):
    yield (make(3, 1), make(3, 4)), {}
    yield (make(), make(2, 2)), {}
    yield (make(3), make(0, 3)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "expected")


@samples("select", ref=lambda x, dim, index: np.take(x, index, axis=dim))
def _(make):
    yield (make(3, 4), 0, 1), {}
    yield (make(3, 4), 1, -1), {}
    yield (make(2, 3, 4).transpose(0, 2), 1, 2), {}
    yield (make(3), 0, 2), {}
    yield (make(3, 0), 0, 1), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), 5, 1), {}
    yield error((make(3, 4), 0, 3), {}, IndexError, "select: expected index in [-3, 2], got 3")
    yield error((make(3, 4), 2, 0), {}, IndexError, "select: expected dim in [-2, 1], got 2")
    yield error((make(), 0, 0), {}, IndexError, "select: expected")


def numpy_slice(x, dim, start, end, step=1):
    at = [slice(None)] * x.ndim
    at[dim] = slice(start, end, step)
    return x[tuple(at)]


@samples("slice", ref=numpy_slice, torch=False)
def _(make):
    yield (make(3, 8), 1, 1, 6), {}
    yield (make(3, 8), 1, 1, 8, 3), {}
    yield (make(3, 8), -1, -5, -1, 2), {}
    yield (make(3, 4), 0, 2, 100), {}
    yield (make(3, 4), 0, 2, 1), {}
    yield (make(8, 3).transpose(0, 1), 1, 0, 8, 2), {}
    yield (make(0, 3), 0, 0, 5), {}
    yield (make(1, 2, 1, 2, 1, 4, 1), 5, 1, 4, 2), {}
    yield case((make(3, 8), 1, -(1 << 62), (1 << 62), 1 << 62))
    yield error((make(3, 4), 1, 0, 4, 0), {}, ValueError, "slice: expected")
    yield error((make(3, 4), 1, 4, 0, -1), {}, ValueError, "slice: expected")
    yield error((make(), 0, 0, 1), {}, IndexError, "slice: expected")


@samples("narrow", ref=lambda x, dim, start, length: numpy_slice(x, dim, start, start + length))
def _(make):
    yield (make(3, 8), 1, 2, 4), {}
    yield (make(3, 8), -1, 0, 0), {}
    yield (make(8, 3).transpose(0, 1), 1, 3, 5), {}
    yield (make(0, 3), 0, 0, 0), {}
    yield (make(1, 2, 1, 2, 1, 4, 1), 5, 1, 2), {}
    yield error((make(3, 4), 1, 2, 3), {}, (RuntimeError, IndexError), "narrow: expected")
    yield error((make(3, 4), 1, 0, -1), {}, (RuntimeError, IndexError), "narrow: expected")
    yield error((make(3, 4), 1, 1 << 62, 1 << 62), {}, (RuntimeError, IndexError), "narrow: expected")


@samples("diagonal", ref=lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2))
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"offset": 1}
    yield make(3, 4), {"offset": -2}
    yield make(2, 3, 4), {"offset": 1, "dim1": 0, "dim2": 2}
    yield make(2, 3, 4), {"dim1": -1, "dim2": 0}
    yield make(4, 3).transpose(0, 1), {}
    yield make(0, 3), {}
    yield make(1, 2, 1, 2, 1, 3, 1), {"dim1": 1, "dim2": 5}
    yield error(make(3, 4), {"dim1": 0, "dim2": 0}, RuntimeError, "diagonal: expected")
    yield error(make(3), {}, IndexError, "diagonal: expected")


def numpy_as_strided(x, size, stride, storage_offset=0):
    flat = np.ascontiguousarray(x).reshape(-1)
    at = np.full(size, storage_offset or 0)
    for d, (n, s) in enumerate(zip(size, stride)):
        at = at + (np.arange(n) * s).reshape([-1 if i == d else 1 for i in range(len(size))])
    return flat[at.astype(np.int64)]


@samples("as_strided", ref=numpy_as_strided)
def _(make):
    for args in [
        (make(3, 4), (2, 2), (4, 1)),
        (make(3, 4), (2, 2), (1, 4), 3),
        (make(12), (3, 4), (2, 1)),  # overlapping: gradients add up
        (make(3, 4), (5,), (0,), 7),
        (make(3, 4), (), (), 5),
        (make(3, 4), (0, 2), (1, 1)),
        (make(2, 6), (1, 2, 1, 2, 1, 2, 1), (0, 4, 0, 2, 0, 1, 0)),
    ]:
        yield case(args, strides=False)
    yield error((make(3, 4), (13,), (1,)), {}, RuntimeError, "as_strided: expected")
    yield error((make(3, 4), (2, 2), (1,)), {}, RuntimeError, "as_strided: expected")
    yield error((make(3, 4), (2,), (-1,)), {}, RuntimeError, "as_strided: expected")
    yield error((make(3, 4), (2,), (1 << 62,)), {}, RuntimeError, "as_strided: expected")
    yield error((make(3, 4), (2,), (1,), -1), {}, RuntimeError, "as_strided: expected")


def numpy_as_strided_scatter(x, src, size, stride, storage_offset=0):
    flat = np.ascontiguousarray(x).reshape(-1).copy()
    at = np.full(size, storage_offset or 0)
    for d, (n, s) in enumerate(zip(size, stride)):
        at = at + (np.arange(n) * s).reshape([-1 if i == d else 1 for i in range(len(size))])
    flat[at.astype(np.int64)] = src
    return flat.reshape(x.shape)


# PyTorch returns the gradient of the overwritten region for the rest; finite differences disagree.
@samples("as_strided_scatter", ref=numpy_as_strided_scatter, torch=False)
def _(make):
    for args in [
        (make(3, 4), make(2, 2), (2, 2), (4, 1)),
        (make(3, 4), make(2, 2), (2, 2), (1, 4), 3),
        (make(3, 4), make(), (), (), 5),
        (make(3, 4), make(0, 2), (0, 2), (1, 1)),
    ]:
        yield case(args, strides=False)
    yield error((make(3, 4), make(13), (13,), (1,)), {}, RuntimeError, "as_strided_scatter: expected")
    yield error((make(3, 4), make(3), (2,), (1,)), {}, RuntimeError, "as_strided_scatter: expected")


# --- pieces ----------------------------------------------------------------------------------------


def numpy_split(x, split_size, dim=0):
    n = x.shape[dim]
    return [numpy_slice(x, dim, i, min(i + split_size, n)) for i in range(0, max(n, 1), max(split_size, 1))]


@samples("split", ref=numpy_split)
def _(make):
    yield (make(5, 3), 2), {}
    yield (make(3, 6), 3), {"dim": 1}
    yield (make(6, 3).transpose(0, 1), 4), {"dim": -1}
    yield (make(3), 5), {}
    yield (make(1, 2, 1, 2, 1, 4, 1), 2), {"dim": 5}
    yield error((make(3), -1), {}, RuntimeError, "split: expected")
    yield error((make(3), 0), {}, RuntimeError, "split: expected")
    yield error((make(), 1), {}, (RuntimeError, IndexError), "split: expected")


def numpy_split_sizes(x, split_sizes, dim=0):
    return np.split(x, np.cumsum(split_sizes)[:-1], axis=dim)


@samples("split.sizes", ref=numpy_split_sizes, torch="split")
def _(make):
    yield (make(5, 3), [2, 0, 3]), {}
    yield (make(6, 3).transpose(0, 1), [1, 5]), {"dim": 1}
    yield error((make(5), [2, 2]), {}, RuntimeError, "split: expected")
    yield error((make(5), [7, -2]), {}, RuntimeError, "split: expected")


def numpy_chunk(x, chunks, dim=0):
    n = x.shape[dim]
    return numpy_split(x, max(-(-n // chunks), 1), dim) if n else [x] * chunks


@samples("chunk", ref=numpy_chunk)
def _(make):
    yield (make(5, 3), 2), {}
    yield (make(5, 3), 4), {}
    yield (make(6, 3).transpose(0, 1), 3), {"dim": 1}
    yield (make(3), 5), {}
    yield error((make(3), 0), {}, RuntimeError, "chunk: expected")
    yield error((make(0, 3), 1 << 31), {}, ValueError, "chunk: expected chunks <= 2^20 of an empty tensor")


@samples("unbind", ref=lambda x, dim=0: [np.take(x, i, axis=dim) for i in range(x.shape[dim])])
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"dim": 1}
    yield make(2, 3, 2).transpose(0, 1), {"dim": -1}
    yield make(3), {}
    yield make(1, 2, 1, 2, 1, 2, 1), {"dim": 3}
    yield error(make(), {}, IndexError, "unbind: expected")


@samples("cat", ref=lambda tensors, dim=0: np.concatenate(tensors, axis=dim))
def _(make):
    yield [make(2, 3), make(1, 3)], {}
    yield [make(2, 3), make(2, 2), make(2, 1)], {"dim": 1}
    yield [make(3, 2).transpose(0, 1), make(2, 6)[:, ::2]], {"dim": -1}
    yield [make(3)], {}
    yield [make(0, 3), make(2, 3)], {}
    yield [make(1, 2, 1, 2, 1, 2, 1), make(1, 2, 1, 1, 1, 2, 1)], {"dim": 3}
    yield error([make(2, 3), make(2, 4)], {}, clew.ShapeError, "cat: expected")
    yield error([make(2, 3), make(3)], {}, clew.ShapeError, "cat: expected")
    yield error([make(2, 3)], {"dim": 2}, IndexError, "cat: expected dim in [-2, 1], got 2")
    yield error([], {}, ValueError, "cat: expected")


@samples("stack", ref=lambda tensors, dim=0: np.stack(tensors, axis=dim))
def _(make):
    yield [make(2, 3), make(2, 3)], {}
    yield [make(2, 3), make(3, 2).transpose(0, 1), make(2, 6)[:, ::2]], {"dim": 1}
    yield [make(), make()], {}
    yield [make(2), make(2)], {"dim": -1}
    yield [make(0, 3), make(0, 3)], {}
    yield error([make(2, 3), make(3, 2)], {}, clew.ShapeError, "stack: expected")
    yield error([], {}, ValueError, "stack: expected")


def numpy_repeat(x, repeats):
    return np.tile(x, repeats)


@samples("repeat", ref=numpy_repeat)
def _(make):
    yield (make(2, 3), (2, 2)), {}
    yield (make(3), (2, 1, 2)), {}
    yield (make(3, 2).transpose(0, 1), (1, 3)), {}
    yield (make(), (2,)), {}
    yield (make(2, 3), (0, 2)), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), (1, 1, 2, 1, 1, 1, 2)), {}
    yield error((make(2, 3), (2,)), {}, RuntimeError, "repeat: expected")
    yield error((make(2), (-1,)), {}, RuntimeError, "repeat: expected")
    yield error((make(2, 3), (1 << 40, 1 << 40)), {}, RuntimeError, "repeat: expected")


@samples("tile", ref=np.tile)
def _(make):
    yield (make(2, 3), (2, 2)), {}
    yield (make(2, 3), (2,)), {}
    yield (make(3), (2, 2)), {}
    yield (make(), (2,)), {}
    yield error((make(2), (-1,)), {}, RuntimeError, "expected")


@samples("flip", ref=lambda x, dims: np.flip(x, dims))
def _(make):
    yield (make(3, 4), (0,)), {}
    yield (make(3, 4), (0, 1)), {}
    yield (make(2, 3, 4).transpose(0, 2), (-1, 0)), {}
    yield (make(3, 4), ()), {}
    yield (make(0, 3), (0,)), {}
    yield (make(1, 2, 1, 2, 1, 2, 1), (5, 3)), {}
    yield error((make(3, 4), (2,)), {}, IndexError, "flip: expected dim in [-2, 1], got 2")
    yield error((make(3, 4), (0, -2)), {}, RuntimeError, "flip: expected each dim once")


for name, reference in {"tril": np.tril, "triu": np.triu}.items():

    @samples(name, ref=lambda x, diagonal=0, f=reference: f(x, diagonal))
    def _(make, name=name):
        for diagonal in (0, 1, -1, 5, -5):
            yield make(3, 4), {"diagonal": diagonal}
        yield make(4, 3).transpose(0, 1), {}
        yield make(2, 3, 3), {"diagonal": 1}
        yield make(0, 3), {}
        yield make(1, 2, 1, 1, 1, 3, 3), {}
        yield error(make(3), {}, RuntimeError, f"{name}: expected")
