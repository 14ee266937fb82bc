"""Samples of products made of matrix products, and of einsum."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples


def added(product):
    def reference(x, a, b, beta=1, alpha=1):
        y = product(a, b) * np.asarray(alpha).astype(a.dtype)
        return y if beta == 0 else y + x * np.asarray(beta).astype(a.dtype)

    return reference


def adding(name, shape_x, shape_a, shape_b):
    def generate(make):
        def draw(shape):
            return make(*shape, low=-2, high=2)

        yield (draw(shape_x), draw(shape_a), draw(shape_b)), {}
        yield case((draw(()), draw(shape_a), draw(shape_b)), {"beta": 2, "alpha": 3}, inplace=False)
        yield case((draw(shape_x[-1:]), draw(shape_a), draw(shape_b)), inplace=len(shape_x) == 1)
        if make.floating:
            yield (draw(shape_x), draw(shape_a), draw(shape_b)), {"beta": 0.5, "alpha": -1.5}
            # beta = 0 ignores the input, NaN included.
            yield plain((draw(shape_x) * float("nan"), draw(shape_a), draw(shape_b)), {"beta": 0})
        wrong = (*shape_b[:-1], shape_b[-1] + 1, 1)
        yield error((draw(shape_x), draw(shape_a), draw(wrong)), {}, clew.ShapeError, f"{name}: expected")
        yield error((draw((7, 7)), draw(shape_a), draw(shape_b)), {}, clew.ShapeError, f"{name}: expected")

    return generate


samples("baddbmm", ref=added(np.matmul), wide=True)(adding("baddbmm", (2, 3, 4), (2, 3, 5), (2, 5, 4)))
samples("addbmm", ref=added(lambda a, b: np.matmul(a, b).sum(0).astype(a.dtype)), wide=True)(
    adding("addbmm", (3, 4), (2, 3, 5), (2, 5, 4))
)
samples("addmv", ref=added(np.matmul), wide=True)(adding("addmv", (3,), (3, 4), (4,)))
samples("addr", ref=added(np.outer), wide=True)(adding("addr", (3, 4), (3,), (4,)))


@samples("inner", ref=np.inner, wide=True)
def _(make):
    yield (make(3), make(3)), {}
    yield (make(2, 3), make(4, 3)), {}
    yield (make(3, 2).transpose(0, 1), make(2, 4, 3)), {}
    yield (make(), make(3)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "inner: expected one last size")


@samples("vdot", ref=np.vdot, wide=True)
def _(make):
    yield (make(3), make(3)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "dot: expected vectors of one size")


@samples("kron", ref=np.kron)
def _(make):
    yield (make(2), make(3)), {}
    yield (make(2, 3), make(3, 2)), {}
    yield (make(3, 2).transpose(0, 1), make(2)), {}
    yield (make(), make(2, 2)), {}
    yield (make(0), make(2)), {}


@samples("trace", ref=lambda x: np.asarray(np.trace(x)), wide=True)
def _(make):
    yield make(3, 3), {}
    yield make(4, 2).transpose(0, 1), {}
    yield error(make(3), {}, clew.ShapeError, "trace: expected a matrix")


def numpy_cross(a, b, dim=None):
    a, b = np.broadcast_arrays(a, b)
    if dim is None:
        dim = next(i for i, n in enumerate(a.shape) if n == 3)
    return np.cross(a, b, axis=dim)


@samples("cross", ref=numpy_cross, wide=True, torch=False)
def _(make):
    yield (make(3), make(3)), {}
    yield (make(2, 3), make(1, 3)), {"dim": -1}
    yield (make(2, 3).transpose(0, 1), make(3, 2)), {}
    yield error((make(4), make(4)), {}, clew.ShapeError, "cross: expected a dimension of size 3")
    yield error((make(2, 3), make(2, 3)), {"dim": 0}, clew.ShapeError, "cross: expected size 3 along dim 0")


@samples("tensordot", ref=np.tensordot, wide=True)
def _(make):
    yield (make(2, 3), make(3, 4), 1), {}
    yield (make(2, 3, 2), make(3, 2)), {}
    yield (make(2), make(3), 0), {}
    yield (make(3, 2).transpose(0, 1), make(3, 2), 1), {}
    yield error((make(2, 3), make(4, 3), 1), {}, clew.ShapeError, "tensordot: expected equal sizes")
    yield error((make(2), make(3), -1), {}, ValueError, "tensordot: expected dims >= 0, got -1")


@samples("tensordot.lists", ref=lambda a, b, x, y: np.tensordot(a, b, (x, y)), wide=True, torch=False)
def _(make):
    yield case((make(2, 3), make(4, 3), [1], [1]))
    yield case((make(2, 3, 4), make(4, 2, 2), [0, -1], [1, 0]))
    yield error((make(2, 3), make(4, 3), [1], [0]), {}, clew.ShapeError, "tensordot: expected equal sizes")
    yield error(
        (make(2, 3), make(4, 3), [1], [0, 1]), {}, clew.ShapeError, "tensordot: expected as many dims"
    )


def numpy_cdist(a, b, p=2):
    d = np.abs(a[..., :, None, :] - b[..., None, :, :])
    return d.max(-1) if p == np.inf else (d**p).sum(-1) ** (1 / p)


@samples("cdist", ref=numpy_cdist, wide=True)
def _(make):
    yield (make(3, 2), make(4, 2)), {}
    yield (make(2, 3, 2), make(1, 2, 2)), {"p": 1}
    yield (make(2, 3).transpose(0, 1), make(4, 2)), {"p": float("inf")}
    yield error((make(3, 2), make(4, 3)), {}, clew.ShapeError, "cdist: expected points of one size")
    yield error((make(3, 2), make(4, 2)), {"p": -1}, ValueError, "cdist: expected p >= 0, got -1")


@samples("einsum", ref=lambda equation, operands: np.einsum(equation, *operands), wide=True, torch=False)
def _(make):
    def draw(*shape):
        return make(*shape, low=-1, high=1) if make.floating else make(*shape)

    if make.name == "bool":
        yield case(("ij->ji", [draw(2, 3)]))
        return
    yield case(("ij,jk->ik", [draw(2, 3), draw(3, 4)]))
    yield case(("ij,jk", [draw(2, 3), draw(3, 4)]))
    yield case(("ii->i", [draw(3, 3)]))
    yield case(("ii", [draw(3, 3)]))
    yield case(("iij->ji", [draw(2, 2, 3)]))
    yield case(("i,j->ij", [draw(2), draw(3)]))
    yield case(("ij->", [draw(2, 3)]))
    yield case(("...ij,...jk->...ik", [draw(2, 1, 2, 3), draw(3, 3, 2)]))
    yield case(("b...,b->...", [draw(3, 2, 2), draw(3)]))
    yield case(("...i->i...", [draw(2, 3)]))
    yield case(("bn,anm,bm->ba", [draw(2, 3), draw(4, 3, 2), draw(2, 2)]))
    yield case(("ij,kj,jl->il", [draw(2, 3), draw(4, 3), draw(3, 2)]))
    yield case(("ab,cd,ef->", [draw(2, 1), draw(1, 2), draw(2, 2)]))
    yield case(("bhid,bhjd->bhij", [draw(2, 2, 3, 2), draw(2, 2, 2, 2)]))
    yield case((" i j , j -> i ", [draw(2, 3), draw(3)]))
    yield case((",i->i", [draw(), draw(3)]))
    yield case(("ij,jk->ik", [draw(0, 3), draw(3, 2)]))
    yield case(("ij,jk->ik", [draw(2, 0), draw(0, 2)]))
    yield case(("ij,ij->ij", [draw(3, 2).transpose(0, 1), draw(2, 3)]))
    for equation, shapes, text in (
        ("ij,jk->ik", [(2, 3)], "expected 2 operands"),
        ("ij->ik", [(2, 3)], "expected output subscripts that an operand has, got 'k'"),
        ("ij->ii", [(2, 3)], "expected each subscript once in the output, got 'i'"),
        ("i1->i", [(2, 3)], "expected letters as subscripts, got '1'"),
        ("i..->i", [(2, 3)], "expected '...' at most once in a term"),
        ("i->i", [(2, 3)], "expected operand 0 of 1 dimensions"),
        ("ijk...->i", [(2, 3)], "expected operand 0 of 3 or more dimensions"),
        ("ii->i", [(2, 3)], "expected equal sizes for a repeated subscript, got 2 and 3"),
        (
            "ij,jk->ik",
            [(2, 3), (4, 2)],
            "expected operands whose sizes agree for each subscript, got 3 and 4",
        ),
    ):
        yield error((equation, [draw(*s) for s in shapes]), {}, ValueError, f"einsum: {text}")


@samples(
    "linalg_multi_dot",
    ref=lambda tensors: np.linalg.multi_dot([np.asarray(t) for t in tensors]),
    wide=True,
    torch=False,
)
def _(make):
    yield case(([make(2, 3, low=-1, high=1), make(3, 4, low=-1, high=1), make(4, 2, low=-1, high=1)],))
    yield case(([make(3, low=-1, high=1), make(3, 2, low=-1, high=1)],))
    yield case(([make(3, 2, low=-1, high=1), make(2, 4, low=-1, high=1), make(4, low=-1, high=1)],))
    yield error(([make(2, 3)],), {}, ValueError, "multi_dot: expected at least two tensors, got 1")
    yield error(([make(2, 3), make(2, 3)],), {}, clew.ShapeError, "multi_dot: expected as many columns")


@samples(
    "matrix_power",
    ref=np.linalg.matrix_power,
    wide=True,
    torch=False,
    undeclared=False,
    skip_dtypes=("float16", "bfloat16"),
)
def _(make):
    a = make.tensor([[2.0, 0.5], [0.25, 1.0]])
    for n in (0, 1, 2, 5, -1, -2):
        yield (a, n), {}
    yield (clew.stack([a, a.mT]), 3), {}
    yield error((make(2, 3), 2), {}, clew.ShapeError, "matrix_power: expected square matrices")
