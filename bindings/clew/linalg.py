"""Linear algebra: norms, equations, inverses, determinants and factorisations.

>>> import clew
>>> clew.linalg.solve(clew.tensor([[2.0, 0.0], [0.0, 4.0]]), clew.tensor([2.0, 2.0])).tolist()
[1.0, 0.5]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from clew import _C
from clew._composed import matrix_exp

Tensor = _C.Tensor
LinAlgError = _C.LinAlgError
Dims = int | Sequence[int] | None

_ops = _C.ops

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "inv_ex",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]

# What the registry has as it is: signatures and documentation come from there.
inv = _ops.linalg_inv
det = _ops.linalg_det
cholesky = _ops.linalg_cholesky
svdvals = _ops.linalg_svdvals
multi_dot = _ops.linalg_multi_dot
matrix_power = _ops.matrix_power
matmul = _ops.matmul


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class LstsqResult(NamedTuple):
    """What `lstsq` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


class InvExResult(NamedTuple):
    """What `inv_ex` returns."""

    inverse: Tensor
    info: Tensor


class CholeskyExResult(NamedTuple):
    """What `cholesky_ex` returns."""

    L: Tensor
    info: Tensor


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Solves A X = B, or X A = B with left=False.

    Args:
        A: shape (*, n, n), float32 or float64.
        B: shape (*, n, k), or vectors (*, n) or (n,); batches broadcast. With left=False (*, k, n).
        left: on which side A stands.
    Returns:
        X, of the shape of B with the batch broadcast.
    Raises:
        clew.linalg.LinAlgError: a singular matrix; the message names the batch entry.
        clew.ShapeError: the shapes do not fit.
    Example:
        >>> clew.linalg.solve(clew.eye(2) * 2, clew.ones(2)).tolist()
        [0.5, 0.5]
    """
    return _ops.linalg_solve(A, B, left)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Solves A X = B with a triangular A, or X A = B with left=False.

    Args:
        A: shape (*, n, n), float32 or float64; the other triangle is not read.
        B: shape (*, n, k), with left=False (*, k, n); batches broadcast.
        upper: which triangle.
        left: on which side A stands.
        unitriangular: take the diagonal as 1.
    Returns:
        X, of the shape of B with the batch broadcast.
    Raises:
        clew.linalg.LinAlgError: a zero on the diagonal.
    Example:
        >>> clew.linalg.solve_triangular(clew.eye(1) * 2, clew.ones(1, 1), upper=True).tolist()
        [[0.5]]
    """
    if A.dim() >= 2 and B.dim() >= 2 and A.shape[:-2] != B.shape[:-2]:
        from clew._functions import broadcast_shapes

        batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
        A, B = A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])
    return _ops.linalg_solve_triangular(A, B, upper, left, unitriangular)


def slogdet(A: Tensor) -> SlogdetResult:
    """Sign and logarithm of the size of determinants, which do not overflow.

    Args:
        A: shape (*, n, n), float32 or float64.
    Returns:
        (sign, logabsdet): shape (*).
    Example:
        >>> clew.linalg.slogdet(clew.eye(2)).logabsdet.item()
        0.0
    """
    return SlogdetResult(*_ops.linalg_slogdet(A))


def qr(A: Tensor, mode: str = "reduced") -> QRResult:
    """QR factorisations: A = Q R, Q^T Q = 1, R upper triangular.

    Args:
        A: shape (*, m, n), float32 or float64.
        mode: 'reduced' for Q (*, m, k) and R (*, k, n), k = min(m, n); 'complete' for k = m; 'r' without Q.
    Returns:
        (Q, R).
    Example:
        >>> clew.linalg.qr(clew.eye(2)).R.shape
        clew.Size([2, 2])
    """
    return QRResult(*_ops.linalg_qr(A, mode))


def eigh(A: Tensor, UPLO: str = "L") -> EighResult:
    """Eigenvalues, in rising order, and eigenvectors of symmetric matrices: A = V diag(w) V^T.

    Args:
        A: shape (*, n, n), float32 or float64.
        UPLO: 'L' or 'U', the triangle that is read.
    Returns:
        (eigenvalues, eigenvectors): shapes (*, n) and (*, n, n).
    Example:
        >>> clew.linalg.eigh(clew.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
        [1.0, 2.0]
    """
    return EighResult(*_ops.linalg_eigh(A, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices, in rising order; see `eigh`.

    Example:
        >>> clew.linalg.eigvalsh(clew.tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
        [1.0, 2.0]
    """
    return _ops.linalg_eigh(A, UPLO)[0]


def svd(A: Tensor, full_matrices: bool = True) -> SVDResult:
    """Singular value decompositions: A = U diag(S) Vh, S in falling order.

    Args:
        A: shape (*, m, n), float32 or float64.
        full_matrices: U (*, m, m) and Vh (*, n, n) instead of U (*, m, k) and Vh (*, k, n), k = min(m, n).
    Returns:
        (U, S, Vh).
    Example:
        >>> clew.linalg.svd(clew.tensor([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
        [4.0, 3.0]
    """
    return SVDResult(*_ops.linalg_svd(A, full_matrices))


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvExResult:
    """Inverses, with a code per matrix instead of an error.

    Args:
        A: shape (*, n, n), float32 or float64.
        check_errors: raise as `inv` does.
    Returns:
        (inverse, info): info int32 of shape (*), 0 where the inverse exists; elsewhere it is NaN.
    Example:
        >>> clew.linalg.inv_ex(clew.zeros(1, 1)).info.item()
        1
    """
    if check_errors:
        out = inv(A)
        return InvExResult(out, _C.functions.zeros(A.shape[:-2], dtype=_C.int32))
    bad = _ops.linalg_det(A.detach()) == 0
    safe = A.masked_fill(bad[..., None, None], 0.0) + _eye_like(A) * bad[..., None, None]
    return InvExResult(inv(safe).masked_fill(bad[..., None, None], float("nan")), bad.to(_C.int32))


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyExResult:
    """Cholesky factors, with a code per matrix instead of an error.

    Args:
        A: shape (*, n, n), float32 or float64.
        upper: the upper factor instead of the lower one.
        check_errors: raise as `cholesky` does.
    Returns:
        (L, info): info int32 of shape (*), 0 where the factor exists; elsewhere it is NaN.
    Example:
        >>> clew.linalg.cholesky_ex(clew.zeros(1, 1)).info.item()
        1
    """
    if check_errors:
        out = cholesky(A, upper)
        return CholeskyExResult(out, _C.functions.zeros(A.shape[:-2], dtype=_C.int32))
    flat = A.detach().reshape(-1, *A.shape[-2:])
    bad = []
    for matrix in flat:
        try:
            cholesky(matrix, upper)
            bad.append(False)
        except LinAlgError:
            bad.append(True)
    mask = _C.tensor(bad).reshape(A.shape[:-2])
    safe = A.masked_fill(mask[..., None, None], 0.0) + _eye_like(A) * mask[..., None, None]
    return CholeskyExResult(
        cholesky(safe, upper).masked_fill(mask[..., None, None], float("nan")), mask.to(_C.int32)
    )


def _eye_like(A: Tensor) -> Tensor:
    return _C.functions.eye(A.shape[-1], dtype=A.dtype, device=A.device)


def norm(
    A: Tensor, ord: float | str | None = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Norm of vectors or matrices.

    Args:
        A: any shape, floating.
        ord: None: the 2-norm of all elements of `dim`. With two dims a matrix norm: "fro", "nuc", 1, -1, 2,
            -2, inf or -inf. Else a vector norm.
        dim: one or two dims; None: all, which must be one or two when `ord` is given.
        keepdim: keep them with size 1.
        dtype: convert to this dtype first.
    Returns:
        Tensor without (or with size 1 at) the reduced dimensions.
    Raises:
        ValueError: `ord` does not fit the number of dims.
    Example:
        >>> clew.linalg.norm(clew.tensor([3.0, 4.0])).item()
        5.0
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    count = 1 if isinstance(dim, int) else A.dim() if dim is None else len(dim)
    if dim is None and A.dim() > 2:
        raise _C.ShapeError(
            f"linalg.norm: expected a vector or a matrix with ord, got shape {tuple(A.shape)} (pass dim)"
        )
    if isinstance(ord, str) or count == 2:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if count > 2:
        raise ValueError(f"linalg.norm: expected one or two dims, got {dim}")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Vector norm over dimensions: sum(|x|^ord)^(1/ord).

    Args:
        x: any shape, floating.
        ord: a number, inf or -inf; 0 counts what is not 0.
        dim: dims to reduce; None: all.
        keepdim: keep them with size 1.
        dtype: convert to this dtype first.
    Returns:
        Tensor without (or with size 1 at) the reduced dimensions.
    Example:
        >>> clew.linalg.vector_norm(clew.tensor([3.0, -4.0]), 1).item()
        7.0
    """
    return _ops.linalg_vector_norm(x, ord, dim, keepdim, dtype)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Matrix norm over two dimensions.

    Args:
        A: at least two dimensions, floating.
        ord: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.
        dim: the two dimensions.
        keepdim: keep them with size 1.
        dtype: convert to this dtype first.
    Returns:
        Tensor without (or with size 1 at) the two dimensions.
    Raises:
        ValueError: another `ord`.
    Example:
        >>> clew.linalg.matrix_norm(clew.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc").item()
        7.0
    """
    return _ops.linalg_matrix_norm(A, ord, dim, keepdim, dtype)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross product of vectors in three dimensions.

    Args:
        input, other: shapes that broadcast together, size 3 along `dim`.
        dim: the dimension.
    Returns:
        Tensor of the broadcast shape.
    Example:
        >>> clew.linalg.cross(clew.tensor([1, 0, 0]), clew.tensor([0, 1, 0])).tolist()
        [0, 0, 1]
    """
    return _ops.cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Dot products of vectors along a dimension.

    Args:
        x, y: shapes that broadcast together.
        dim: the dimension.
    Returns:
        Tensor of the broadcast shape without `dim`.
    Example:
        >>> clew.linalg.vecdot(clew.tensor([1, 2]), clew.tensor([3, 4])).item()
        11
    """
    return (x * y).sum(dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Diagonals of matrices, as a view.

    Example:
        >>> clew.linalg.diagonal(clew.eye(2)).tolist()
        [1.0, 1.0]
    """
    return _ops.diagonal(A, offset, dim1, dim2)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """Condition numbers: norm(A, p) * norm(A^-1, p); for None and 2 the ratio of singular values.

    Args:
        A: shape (*, n, n), for None, 2 and -2 also (*, m, n).
        p: the norm, as in `matrix_norm`.
    Returns:
        Tensor of shape (*).
    Example:
        >>> clew.linalg.cond(clew.tensor([[2.0, 0.0], [0.0, 1.0]])).item()
        2.0
    """
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def matrix_rank(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """Number of singular values that are not small.

    Args:
        A: shape (*, m, n), float32 or float64.
        atol, rtol: small is up to max(atol, rtol * greatest); default rtol: max(m, n) * epsilon.
        hermitian: A is symmetric: take eigenvalues.
    Returns:
        int64 tensor of shape (*).
    Example:
        >>> clew.linalg.matrix_rank(clew.ones(2, 2)).item()
        1
    """
    s = eigvalsh(A.detach()).abs() if hermitian else svdvals(A.detach())
    limit = s.amax(-1, keepdim=True) * _relative(A, atol, rtol)
    if atol is not None:
        limit = limit.clamp(min=atol)
    return (s > limit).sum(-1)


def _relative(A: Tensor, atol: float | None, rtol: float | None) -> float:
    if rtol is not None:
        return rtol
    if atol is not None and atol > 0:
        return 0.0
    return max(A.shape[-2:]) * (2.0**-23 if A.dtype is _C.float32 else 2.0**-52)


def pinv(
    A: Tensor,
    rcond: float | None = None,
    hermitian: bool = False,
    *,
    atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:
    """Pseudoinverses, by singular values.

    Args:
        A: shape (*, m, n), float32 or float64.
        rcond: another name of `rtol`.
        hermitian: accepted for compatibility.
        atol, rtol: singular values up to max(atol, rtol * greatest) count as 0.
    Returns:
        Tensor of shape (*, n, m).
    Example:
        >>> clew.linalg.pinv(clew.tensor([[2.0, 0.0]])).tolist()
        [[0.5], [0.0]]
    """
    rtol = rcond if rtol is None else rtol
    if atol is None:
        return _ops.linalg_pinv(A, -1.0 if rtol is None else rtol)
    U, S, Vh = svd(A, full_matrices=False)
    small = S.detach() <= (S.detach().amax(-1, keepdim=True) * _relative(A, atol, rtol)).clamp(min=atol)
    inverse = (1 / S.masked_fill(small, 1.0)).masked_fill(small, 0.0)
    return (Vh.mT * inverse.unsqueeze(-2)) @ U.mT


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LstsqResult:
    """Least squares: the X of smallest norm that minimises norm(A X - B).

    Args:
        A: shape (*, m, n), float32 or float64.
        B: shape (*, m, k).
        rcond: singular values up to rcond times the greatest count as 0.
        driver: accepted for compatibility; singular values are used.
    Returns:
        (solution, residuals, rank, singular_values). Residuals where m > n and A has full rank, else empty.
    Example:
        >>> clew.linalg.lstsq(clew.eye(2), clew.ones(2, 1)).solution.tolist()
        [[1.0], [1.0]]
    """
    X = pinv(A, rcond) @ B
    rank = matrix_rank(A, rtol=rcond)
    m, n = A.shape[-2:]
    full = m > n and bool((rank == n).all())
    residuals = ((A @ X - B) ** 2).sum(-2) if full else B.new_empty(0)
    return LstsqResult(X, residuals, rank, svdvals(A))


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("clew.linalg", name)
