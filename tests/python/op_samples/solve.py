"""Samples of equations, inverses, determinants and factorisations."""

from __future__ import annotations

import numpy as np

import clew

from .core import error, plain, samples, to_array

LinAlgError = clew.linalg.LinAlgError


def regular(make, *batch, n=3):
    """Far from singular: a large diagonal."""
    noise = make(*batch, n, n, low=-0.6, high=0.6)
    return noise + clew.diag(make.tensor([2.0, -1.5, 1.0, 2.5][:n]))


def symmetric(make, *batch, n=3):
    noise = make(*batch, n, n, low=-0.3, high=0.3)
    return (noise + noise.mT) / 2 + clew.diag(make.tensor([1.0, 2.0, 3.5, 5.0][:n]))


singular = [[1.0, 2.0], [2.0, 4.0]]


@samples("linalg_solve_batch", ref=np.linalg.solve, wide=True, torch=False)
def _(make):
    yield (regular(make), make(3, 2)), {}
    yield (regular(make, 2).mT, make(2, 3, 1)), {}
    yield (make(0, 0), make(0, 2)), {}
    yield error((make.tensor(singular), make(2, 1)), {}, LinAlgError, "expected an invertible matrix")
    yield error((make(2, 3), make(2, 1)), {}, clew.ShapeError, "linalg.solve: expected square matrices")
    yield error((make(2, 2), make(3, 1)), {}, clew.ShapeError, "linalg.solve: expected right-hand sides")


def numpy_solve(a, b, left=True):
    if not left:
        return np.swapaxes(numpy_solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    vector = b.ndim == 1 or b.shape == a.shape[:-1]
    b = b[..., None] if vector else b
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.linalg.solve(np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:]))
    return x[..., 0] if vector else x


@samples("linalg_solve", ref=numpy_solve, wide=True, torch=False)
def _(make):
    yield (regular(make), make(3, 2)), {}
    yield (regular(make), make(3)), {}
    yield (regular(make, 2), make(2, 3)), {}
    yield (regular(make, 2), make(3, 1)), {}
    yield (regular(make), make(2, 3, 2)), {}
    yield (regular(make), make(2, 3)), {"left": False}
    yield error(
        (clew.stack([make.tensor([[1.0, 0.0], [0.0, 1.0]]), make.tensor(singular)]), make(2, 1)),
        {},
        LinAlgError,
        "got a singular one (batch entry 1, at row 1)",
    )
    yield error((make(2, 2), make(3)), {}, clew.ShapeError, "linalg.solve: expected right-hand sides")


@samples("linalg_inv", ref=np.linalg.inv, wide=True, torch=False)
def _(make):
    yield regular(make), {}
    yield regular(make, 2, n=2).mT, {}
    yield make(0, 0), {}
    yield make(0, 2, 2), {}
    yield error(
        make.tensor(singular),
        {},
        LinAlgError,
        "linalg.inv: expected an invertible matrix, got a singular one (at row 1)",
    )
    yield error(make(2, 3), {}, clew.ShapeError, "linalg.inv: expected square matrices")
    yield error(make(3), {}, clew.ShapeError, "linalg.inv: expected matrices")


@samples("linalg_det", ref=np.linalg.det, wide=True, torch=False)
def _(make):
    yield regular(make), {}
    yield regular(make, 2, n=2).mT, {}
    yield make(0, 0), {}
    # A singular matrix has a gradient all the same.
    yield make.tensor(singular), {}
    yield error(make(2, 3), {}, clew.ShapeError, "linalg.det: expected square matrices")


@samples("linalg_slogdet", ref=lambda a: tuple(np.linalg.slogdet(a)), wide=True, torch=False)
def _(make):
    yield regular(make), {}
    yield regular(make, 2, n=2).mT, {}
    yield plain(make.tensor([[1.0, 0.0], [0.0, 0.0]]))
    yield error(make(2, 3), {}, clew.ShapeError, "linalg.slogdet: expected square matrices")


def numpy_logdet(a):
    sign, log = np.linalg.slogdet(a)
    return np.where(sign < 0, np.nan, log)


@samples("logdet", ref=numpy_logdet, wide=True)
def _(make):
    yield symmetric(make), {}
    yield symmetric(make, 2, n=2), {}
    yield plain(make.tensor([[-1.0, 0.0], [0.0, 1.0]]))


@samples(
    "linalg_cholesky",
    ref=lambda a, upper=False: np.swapaxes(np.linalg.cholesky(a), -1, -2) if upper else np.linalg.cholesky(a),
    wide=True,
    torch=False,
)
def _(make):
    # A formula that makes the input symmetric, so that differences stay within the symmetric matrices.
    yield plain(symmetric(make))
    yield plain(symmetric(make, 2), {"upper": True})
    yield plain(make(0, 0))
    yield error(
        make.tensor([[1.0, 0.0], [0.0, -1.0]]),
        {},
        LinAlgError,
        "linalg.cholesky: expected a positive definite matrix, got another (at row 1)",
    )
    yield error(make(2, 3), {}, clew.ShapeError, "linalg.cholesky: expected square matrices")


def numpy_solve_triangular(a, b, upper, left=True, unitriangular=False):
    t = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        t = t - np.apply_along_axis(np.diag, -1, np.diagonal(t, axis1=-2, axis2=-1)) + np.eye(t.shape[-1])
    return numpy_solve(t, b, left)


@samples("linalg_solve_triangular", ref=numpy_solve_triangular, wide=True, torch=False)
def _(make):
    for upper in (False, True):
        for left in (True, False):
            b = make(3, 2) if left else make(2, 3)
            yield (regular(make), b, upper, left), {}
            yield (regular(make), b, upper, left, True), {}
    yield (regular(make, 2).mT, make(2, 3, 1), True), {}
    yield error(
        (make.tensor([[1.0, 2.0], [0.0, 0.0]]), make(2, 1), True),
        {},
        LinAlgError,
        "linalg.solve_triangular: expected an invertible matrix",
    )
    yield error((make(2, 2), make(3, 1), True), {}, clew.ShapeError, "linalg.solve_triangular: expected")


def close(a, b, dtype):
    tolerance = 1e-4 if str(dtype).endswith("32") else 1e-10
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance), np.abs(a - b).max()


def check_qr(result, a, mode="reduced"):
    q, r = (to_array(t) for t in result)
    x = to_array(a)
    m, n = x.shape[-2:]
    k = min(m, n)
    assert np.array_equal(r, np.triu(r))
    if mode == "r":
        want = np.linalg.qr(x, "r")
        close(np.abs(r), np.abs(want), a.dtype)
        return
    assert q.shape == x.shape[:-1] + (k if mode == "reduced" else m,)
    close(q @ r, x, a.dtype)
    close(
        np.swapaxes(q, -1, -2) @ q,
        np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])),
        a.dtype,
    )


@samples("linalg_qr", check=check_qr, wide=True, torch=False)
def _(make):
    yield make(4, 3), {}
    yield make(3, 3), {}
    yield make(2, 4), {}
    yield make(2, 3, 2), {}
    yield make(2, 3), {"mode": "complete"}
    yield plain(make(4, 2), {"mode": "complete"})
    yield plain(make(4, 3), {"mode": "r"})
    yield plain(make(0, 3))
    yield error(make(3), {}, clew.ShapeError, "linalg.qr: expected matrices")
    yield error(make(3, 3), {"mode": "full"}, ValueError, "linalg.qr: expected mode")


def check_eigh(result, a, UPLO="L"):
    w, v = (to_array(t) for t in result)
    x = to_array(a)
    x = np.tril(x) if UPLO == "L" else np.swapaxes(np.triu(x), -1, -2)
    x = x + np.swapaxes(np.tril(x, -1), -1, -2)
    close(v * w[..., None, :] @ np.swapaxes(v, -1, -2), x, a.dtype)
    close(w, np.linalg.eigvalsh(x), a.dtype)


@samples("linalg_eigh", check=check_eigh, wide=True, torch=False)
def _(make):
    # Derivatives are those of symmetric matrices; test_linalg.py takes them.
    yield plain(symmetric(make))
    yield plain(symmetric(make, 2), {"UPLO": "U"})
    yield plain(make(3, 3))
    yield plain(make(0, 0))
    yield error(
        make.tensor([[float("nan"), 0.0], [0.0, 1.0]]), {}, LinAlgError, "linalg.eigh: expected finite values"
    )
    yield error(make(2, 3), {}, clew.ShapeError, "linalg.eigh: expected square matrices")
    yield error(make(2, 2), {"UPLO": "X"}, ValueError, "linalg.eigh: expected UPLO")


def check_svd(result, a, full_matrices=True):
    u, s, vh = (to_array(t) for t in result)
    x = to_array(a)
    k = s.shape[-1]
    close(u[..., :k] * s[..., None, :] @ vh[..., :k, :], x, a.dtype)
    close(s, np.linalg.svd(x, compute_uv=False) if x.size else s, a.dtype)
    want = np.linalg.svd(x, full_matrices)[0].shape if x.size else u.shape
    assert u.shape == want


@samples("linalg_svd", check=check_svd, wide=True, torch=False)
def _(make):
    # The signs of U and Vh belong together, so only what does not depend on them has differences.
    for shape in ((4, 3), (2, 3), (2, 3, 3)):
        yield plain(make(*shape))
        yield plain(make(*shape), {"full_matrices": False})
    yield plain(make(0, 3))
    yield error(make.tensor([[float("inf"), 0.0]]), {}, LinAlgError, "linalg.svd: expected finite values")
    yield error(make(3), {}, clew.ShapeError, "linalg.svd: expected matrices")


@samples("linalg_svdvals", ref=lambda a: np.linalg.svd(a, compute_uv=False), wide=True, torch=False)
def _(make):
    yield make(4, 3), {}
    yield make(3, 2).transpose(0, 1), {}
    yield make(2, 3, 3), {}


@samples(
    "linalg_pinv",
    ref=lambda a, rcond=-1: np.linalg.pinv(a, rcond if rcond >= 0 else 1e-15),
    wide=True,
    torch=False,
)
def _(make):
    yield make(4, 2), {}
    yield make(3, 2).transpose(0, 1), {}
    yield (make.tensor([[3.0, 0.0], [0.0, 0.01]]), 0.1), {}


def numpy_matrix_norm(a, ord="fro", dim=(-2, -1), keepdim=False, dtype=None):
    return np.linalg.norm(np.asarray(a, np.float64), ord, dim, keepdim)


@samples("linalg_matrix_norm", ref=numpy_matrix_norm, wide=True, torch=False)
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"ord": "nuc"}
    yield make(2, 3, 4), {"dim": (2, 0), "keepdim": True}
    yield make(2, 3, 4), {"ord": "nuc", "dim": (0, 2), "keepdim": True}
    yield error(make(3), {}, clew.ShapeError, "linalg.matrix_norm: expected at least two dimensions")
    yield error(make(3, 3), {"ord": "best"}, ValueError, "linalg.matrix_norm: expected ord")


@samples("linalg_matrix_norm.number", ref=numpy_matrix_norm, wide=True, torch=False)
def _(make):
    for ord in (1, -1, 2, -2, np.inf, -np.inf):
        yield (make(3, 4), ord), {}
    yield (make(2, 3, 4), 1), {"dim": (2, 0), "keepdim": True}
    yield (make(2, 3, 4), 2), {"dim": (0, 1), "keepdim": True}
    yield error((make(3, 3), 3), {}, ValueError, "linalg.matrix_norm: expected ord")
    yield error(
        (make(3, 3), 1), {"dim": (0, 0)}, ValueError, "linalg.matrix_norm: expected two different dims"
    )
