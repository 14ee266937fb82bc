"""Ready-made parametrizations: length and direction, largest singular value 1, orthogonal."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn.functional import normalize
from clew.nn.modules.module import Module
from clew.nn.utils._weight_norm import _norm
from clew.nn.utils.parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _expect_tensor(what: str, module: Module, name: str) -> Tensor:
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{what}: expected a parameter or buffer of {type(module).__name__}, got {name!r}")
    return tensor


def _rows(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows are counted by `dim`."""
    return weight.movedim(dim, 0).flatten(1) if weight.dim() > 1 else weight


class _WeightNorm(Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / _norm(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _norm(weight, self.dim), weight


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        rank = weight.dim()
        if not -rank <= dim < rank:
            raise IndexError(f"spectral_norm: expected dim in [{-rank}, {rank - 1}], got {dim}")
        self.dim, self.eps, self.n_power_iterations = dim % rank, eps, n_power_iterations
        if rank > 1:
            rows = _rows(weight.detach(), self.dim)
            h, w = rows.shape
            self.register_buffer("_u", normalize(rows.new_empty(h).normal_(0, 1), dim=0, eps=eps))
            self.register_buffer("_v", normalize(rows.new_empty(w).normal_(0, 1), dim=0, eps=eps))
            self._iterate(rows, 15)

    def _iterate(self, rows: Tensor, n: int) -> None:
        with clew.no_grad():
            for _ in range(n):
                self._u = normalize(rows.mv(self._v), dim=0, eps=self.eps)
                self._v = normalize(rows.t().mv(self._u), dim=0, eps=self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        rows = _rows(weight, self.dim)
        if self.training:
            self._iterate(rows.detach(), self.n_power_iterations)
        return weight / self._u.clone().dot(rows.mv(self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        # It may be too small, which the next reading mends.
        return value


class _Orthogonal(Module):
    """Q of the original by one of three maps; matrices with more columns than rows go transposed."""

    def __init__(self, weight: Tensor, map_name: str, use_trivialization: bool) -> None:
        super().__init__()
        self.map = map_name
        self.wide = weight.shape[-2] < weight.shape[-1]
        if use_trivialization:
            self.register_buffer("base", None)
        self.trivialized = use_trivialization

    def forward(self, X: Tensor) -> Tensor:
        A = X.mT if self.wide else X
        n, k = A.shape[-2], A.shape[-1]
        if self.map == "householder":
            Q = _householder(A)
        else:
            A = A.tril()
            if n != k:
                A = clew.cat([A, A.new_zeros(*A.shape[:-1], n - k)], -1)
            S = A - A.mT
            eye = clew.eye(n, dtype=A.dtype)
            if self.map == "matrix_exp":
                Q = clew.matrix_exp(S)
            else:
                Q = clew.linalg.solve(eye - S * 0.5, eye + S * 0.5)
            Q = Q[..., :k]
            if self.trivialized and self.base is not None:
                Q = self.base @ Q[..., :k, :k] if n == k else _full(self.base) @ Q
        return Q.mT if self.wide else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        A = Q.mT if self.wide else Q
        if not self.trivialized:
            if self.map != "householder":
                raise NotImplementedError(
                    "orthogonal: expected the householder map, or use_trivialization, to assign, got "
                    f"{self.map!r}"
                )
            return Q
        n, k = A.shape[-2], A.shape[-1]
        eye = clew.eye(k, dtype=A.dtype)
        if not clew.allclose(A.mT @ A, eye, atol=10 * clew.finfo(A.dtype).eps * n):
            # Orthogonal already is kept; of another matrix, the nearest basis of its columns.
            Qr, R = clew.linalg.qr(A)
            A = Qr * R.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        self.base = A.clone()
        return clew.zeros_like(Q)


def _full(columns: Tensor) -> Tensor:
    """A square orthogonal matrix that begins with these columns."""
    n, k = columns.shape[-2], columns.shape[-1]
    eye = clew.eye(n, dtype=columns.dtype)
    u, _, _ = clew.linalg.svd(eye - columns @ columns.mT)
    return clew.cat([columns, u[..., : n - k]], -1)


def _householder(A: Tensor) -> Tensor:
    Q, R = clew.linalg.qr(A)
    return Q * R.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Computes a parameter from its length (`original0`) and direction (`original1`); returns the module.

        w = g * v / ||v||

    Args:
        module: whose parameter it is.
        name: of the parameter.
        dim: along which there is a length for each index; None means one for all.
    Reference:
        Salimans, Kingma. Weight Normalization. 2016. arXiv:1602.07868.
    Example:
        >>> layer = clew.nn.utils.parametrizations.weight_norm(clew.nn.Linear(3, 2))
        >>> layer.parametrizations.weight.original0.shape
        clew.Size([2, 1])
    """
    _expect_tensor("weight_norm", module, name)
    return register_parametrization(module, name, _WeightNorm(-1 if dim is None else dim), unsafe=True)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides a parameter by its largest singular value, as power iteration has it; returns the module.

    Args:
        module: whose parameter it is.
        name: of the parameter.
        n_power_iterations: per reading in training mode.
        eps: least norm to divide by.
        dim: of the outputs; default 0, and 1 for transposed convolutions.
    Raises:
        ValueError: no such parameter, or `n_power_iterations` not positive.
    Reference:
        Miyato et al. Spectral Normalization for Generative Adversarial Networks. 2018. arXiv:1802.05957.
    Example:
        >>> layer = clew.nn.utils.parametrizations.spectral_norm(clew.nn.Linear(3, 2), n_power_iterations=20)
        >>> bool(clew.linalg.svdvals(layer.weight)[0] < 1.01)
        True
    """
    weight = _expect_tensor("spectral_norm", module, name)
    if n_power_iterations <= 0:
        raise ValueError(f"spectral_norm: expected n_power_iterations > 0, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keeps a matrix orthogonal: its columns, or rows where these are fewer, are orthonormal.

    Args:
        module: whose parameter it is.
        name: of the parameter, at least two dimensions.
        orthogonal_map: matrix_exp, cayley or householder; default matrix_exp for square matrices.
        use_trivialization: let the map start at the matrix there is.
    Returns:
        The module.
    Raises:
        ValueError: another map, or no matrix.
    Reference:
        Lezcano-Casado. Trivializations for gradient-based optimization on manifolds. 2019. arXiv:1909.09501.
    Example:
        >>> w = clew.nn.utils.parametrizations.orthogonal(clew.nn.Linear(3, 3)).weight
        >>> bool(clew.dist(w.mT @ w, clew.eye(3)) < 1e-5)
        True
    """
    weight = _expect_tensor("orthogonal", module, name)
    if weight.dim() < 2:
        raise ValueError(f"orthogonal: expected a matrix, got shape {tuple(weight.shape)}")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(f"orthogonal: expected matrix_exp, cayley or householder, got {orthogonal_map!r}")
    use_trivialization = use_trivialization and orthogonal_map != "householder"
    rule = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, rule, unsafe=not use_trivialization)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.utils.parametrizations", name)
