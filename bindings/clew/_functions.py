"""Functions of the namespace whose Python form is more than a signature: several tensors as arguments, tuples
of changing length, strings or lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from clew import _C

Tensor = _C.Tensor
_ops = _C.ops
Number = int | float

__all__ = [
    "allclose",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "chain_matmul",
    "cholesky",
    "combinations",
    "det",
    "dsplit",
    "einsum",
    "histogram",
    "hsplit",
    "inverse",
    "meshgrid",
    "normal",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "tensordot",
    "unique",
    "unique_consecutive",
    "vsplit",
]


inverse = _ops.linalg_inv
det = _ops.linalg_det
slogdet = _ops.linalg_slogdet
cholesky = _ops.linalg_cholesky
pinverse = _ops.linalg_pinv


def _tensors(tensors: tuple) -> Sequence[Tensor]:
    """`f(a, b)` and `f([a, b])` are one call."""
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """True when `isclose` holds for every element.

    Example:
        >>> clew.allclose(clew.ones(2), clew.ones(2) + 1e-9)
        True
    """
    return _ops.isclose(input, other, rtol, atol, equal_nan).all().item()


def _letters(indices: Sequence[Any]) -> str:
    out = []
    for i in indices:
        if i is Ellipsis:
            out.append("...")
            continue
        if not isinstance(i, int) or not 0 <= i < 52:
            raise ValueError(f"einsum: expected subscripts in [0, 52) or ..., got {i!r}")
        out.append(chr(ord("A") + i) if i < 26 else chr(ord("a") + i - 26))
    return "".join(out)


def einsum(*args: Any) -> Tensor:
    """Sums products of elements over indices, by Einstein's convention.

        'ij,jk->ik' is y[i, k] = sum_j a[i, j] * b[j, k]

    Args:
        args: an equation and its operands, one by one or in a list; or operands and lists of subscripts in
            turn, with a last list for the result: `einsum(a, [0, 1], b, [1, 2], [0, 2])`. `...` stands for
            dimensions without a subscript, which broadcast; a repeated subscript takes the diagonal.
    Returns:
        Tensor as the equation says; see `clew.ops.einsum`.
    Raises:
        ValueError: the equation does not read.
        clew.ShapeError: the operands do not fit it.
    Example:
        >>> clew.einsum("ii", clew.eye(3)).item()
        3.0
        >>> clew.einsum(clew.ones(2, 3), [0, 1], clew.ones(3), [1], [0]).tolist()
        [3.0, 3.0]
    """
    if len(args) < 2:
        raise ValueError(f"einsum: expected an equation and at least one operand, got {len(args)} arguments")
    if isinstance(args[0], str):
        return _ops.einsum(args[0], list(_tensors(args[1:])))
    terms = [_letters(indices) for indices in args[1::2]]
    equation = ",".join(terms)
    if len(args) % 2 == 1:
        equation += "->" + _letters(args[-1])
    return _ops.einsum(equation, list(args[0 : len(args) - 1 : 2] if len(args) % 2 else args[0::2]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Contracts dimensions of two tensors.

    Args:
        a, b: tensors of one dtype.
        dims: how many of the last dimensions of `a` meet the first of `b`; or two lists of dimensions.
    Returns:
        Tensor of what is left of `a`, then of `b`.
    Raises:
        clew.ShapeError: the sizes do not fit.
    Example:
        >>> clew.tensordot(clew.ones(2, 3), clew.ones(4, 3), dims=([1], [1])).shape
        clew.Size([2, 4])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        return _ops.tensordot(a, b, dims)
    dims_a, dims_b = dims
    as_list = [[d] if isinstance(d, int) else list(d) for d in (dims_a, dims_b)]
    return _ops.tensordot(a, b, as_list[0], as_list[1])


def normal(
    mean: Tensor | Number,
    std: Tensor | Number = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    **options: Any,
) -> Tensor:
    """Random numbers from normal distributions.

    Args:
        mean, std: tensors whose shapes broadcast together, or numbers.
        size: the shape, when both are numbers; then also dtype, device and requires_grad.
        generator: default: the generator that manual_seed sets.
    Returns:
        Tensor of the broadcast shape, or of shape `size`.
    Raises:
        ValueError: a negative std.
    Example:
        >>> clew.normal(3.0, 0.0, (2,)).tolist()
        [3.0, 3.0]
    """
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        if size is not None:
            raise TypeError("normal: expected no size with a tensor of means or deviations, got one")
        return _ops.normal_of(mean, std, generator=generator)
    if size is None:
        raise TypeError("normal: expected size with numbers for mean and std, got none")
    requires_grad = options.pop("requires_grad", False)
    out = _C.functions.empty(size, **options).normal_(mean, std, generator=generator)
    return out.requires_grad_(requires_grad)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: as many tensors of one shape as there are vectors.

    Args:
        tensors: vectors or numbers, one by one or in a list.
        indexing: 'ij', or 'xy' with the first two dimensions exchanged.
    Returns:
        Views of the arguments.
    Raises:
        ValueError: another indexing.
    Example:
        >>> [t.tolist() for t in clew.meshgrid(clew.tensor([1, 2]), clew.tensor([3]))]
        [[[1], [2]], [[3], [3]]]
    """
    return _ops.meshgrid_of(list(_tensors(tensors)), indexing)


def _at_least(rank: int, tensors: tuple) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return _ops.at_least(tensors[0], rank)
    return tuple(_ops.at_least(t, rank) for t in _tensors(tensors))


def atleast_1d(*tensors: Any) -> Any:
    """The tensors with at least one dimension.

    Example:
        >>> clew.atleast_1d(clew.tensor(1)).shape
        clew.Size([1])
    """
    return _at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """The tensors with at least two dimensions; a vector becomes a row.

    Example:
        >>> clew.atleast_2d(clew.ones(3)).shape
        clew.Size([1, 3])
    """
    return _at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """The tensors with at least three dimensions; a vector becomes (1, n, 1).

    Example:
        >>> clew.atleast_3d(clew.ones(3)).shape
        clew.Size([1, 3, 1])
    """
    return _at_least(3, tensors)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with blocks along its diagonal.

    Args:
        tensors: matrices; a vector is a row.
    Returns:
        Matrix, 0 outside of the blocks.
    Example:
        >>> clew.block_diag(clew.tensor([1]), clew.tensor([[2], [3]])).tolist()
        [[1, 0], [0, 2], [0, 3]]
    """
    return _ops.block_diag_of(list(tensors))


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that shapes broadcast to.

    Raises:
        clew.ShapeError: they do not.
    Example:
        >>> clew.broadcast_shapes((2, 1), (3,))
        clew.Size([2, 3])
    """
    common: list[int] = []
    for shape in shapes:
        sizes = [shape] if isinstance(shape, int) else list(shape)
        for n in sizes:
            if n < 0:
                raise ValueError(f"broadcast_shapes: expected sizes >= 0, got {n}")
        common = [1] * (len(sizes) - len(common)) + common
        for i, n in enumerate(reversed(sizes), 1):
            if n not in (1, common[-i]) and common[-i] != 1:
                raise _C.ShapeError(
                    "broadcast_shapes: expected shapes that broadcast together, got "
                    f"{', '.join(str(s) for s in shapes)}"
                )
            if common[-i] == 1:
                common[-i] = n
    return _C.Size(common)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of one shape, the common one.

    Example:
        >>> [t.tolist() for t in clew.broadcast_tensors(clew.tensor([1, 2]), clew.tensor([[3]]))]
        [[[1, 2]], [[3, 3]]]
    """
    given = _tensors(tensors)
    shape = broadcast_shapes(*(t.shape for t in given))
    return tuple(t.expand(shape) for t in given)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All ways to take one element of each vector, a row each.

    Example:
        >>> clew.cartesian_prod(clew.tensor([1, 2]), clew.tensor([3])).tolist()
        [[1, 3], [2, 3]]
    """
    given = _tensors(tensors)
    if len(given) == 1:
        return given[0]
    return _C.functions.stack([t.reshape(-1) for t in meshgrid(*given)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to take `r` elements of a vector in their order, a row each.

    Example:
        >>> clew.combinations(clew.tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    import itertools

    if input.dim() != 1:
        raise _C.ShapeError(f"combinations: expected a vector, got shape {tuple(input.shape)}")
    if r < 0:
        raise ValueError(f"combinations: expected r >= 0, got {r}")
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(pick(range(input.numel()), r)) if r else []
    at = _C.tensor(rows, dtype=_C.int64, device=input.device).reshape(len(rows), r)
    return input[at.reshape(-1)].reshape(len(rows), r) if r else input[:0]


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices, in the cheapest order; see `clew.linalg.multi_dot`."""
    given = _tensors(matrices)
    return given[0] if len(given) == 1 else _ops.linalg_multi_dot(list(given))


def qr(input: Tensor, some: bool = True) -> tuple[Tensor, Tensor]:
    """QR factorisations; see `clew.linalg.qr`.

    Example:
        >>> clew.qr(clew.eye(2))[1].shape
        clew.Size([2, 2])
    """
    return _ops.linalg_qr(input, "reduced" if some else "complete")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Singular value decompositions A = U diag(S) V^T; see `clew.linalg.svd`, which returns V^T.

    Args:
        input: shape (*, m, n), floating point.
        some: only as many columns as there are singular values.
        compute_uv: False gives zeros for U and V.
    Returns:
        (U, S, V).
    Example:
        >>> clew.svd(clew.eye(2))[1].tolist()
        [1.0, 1.0]
    """
    if not compute_uv:
        m, n = input.shape[-2:]
        batch = input.shape[:-2]
        s = _ops.linalg_svdvals(input)
        return input.new_zeros(*batch, m, m), s, input.new_zeros(*batch, n, n)
    u, s, vt = _ops.linalg_svd(input, not some)
    return u, s, vt.mT


def _split(name: str, input: Tensor, at: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.dim() < least:
        raise _C.ShapeError(f"{name}: expected at least {least} dimensions, got shape {tuple(input.shape)}")
    if isinstance(at, int) and at > 0 and input.shape[dim] % at:
        raise ValueError(f"{name}: expected a size that {at} divides, got {input.shape[dim]} (dim {dim})")
    return _ops.tensor_split(input, at, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Splits along the second dimension (a vector along its only one), into equal parts or at places.

    Example:
        >>> [t.tolist() for t in clew.hsplit(clew.arange(4), 2)]
        [[0, 1], [2, 3]]
    """
    return _split("hsplit", input, indices_or_sections, 0 if input.dim() == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Splits along the first dimension into equal parts or at the given places.

    Example:
        >>> [t.tolist() for t in clew.vsplit(clew.tensor([[1], [2]]), 2)]
        [[[1]], [[2]]]
    """
    return _split("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Splits along the third dimension into equal parts or at the given places.

    Example:
        >>> [t.tolist() for t in clew.dsplit(clew.tensor([[[1, 2]]]), 2)]
        [[[[1]]], [[[2]]]]
    """
    return _split("dsplit", input, indices_or_sections, 2, 3)


def _unique(runs: Any, return_inverse: bool, return_counts: bool) -> Any:
    values, inverse, counts = runs
    out = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return out if len(out) > 1 else values


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements, or slices along a dimension, in rising order.

    Args:
        input: any shape.
        sorted: accepted for compatibility; the result is sorted anyway.
        return_inverse: also, for each element, which of them it is.
        return_counts: also how often each occurs.
        dim: compare slices along this dimension; None: single elements.
    Returns:
        The values, or a tuple (values, inverse, counts) of what was asked for.
    Example:
        >>> clew.unique(clew.tensor([3, 1, 3])).tolist()
        [1, 3]
    """
    return _unique(_ops.unique_runs(input, dim, False), return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One element of each run of equal neighbours.

    Args:
        input: any shape.
        return_inverse: also, for each element, the run that it belongs to.
        return_counts: also the length of each run.
        dim: compare slices along this dimension; None: all elements as one row.
    Returns:
        The values, or a tuple (values, inverse, counts) of what was asked for.
    Example:
        >>> clew.unique_consecutive(clew.tensor([3, 3, 1, 3])).tolist()
        [3, 1, 3]
    """
    return _unique(_ops.unique_runs(input, dim, True), return_inverse, return_counts)


def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: tuple[float, float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """Histogram with its edges.

    Args:
        input: any shape, floating; it gets no gradient.
        bins: how many of one width, or a vector of rising edges.
        range: lowest and highest edge; None: those of the data.
        weight: how much each element counts, in the shape of `input`.
        density: divide by total and width.
    Returns:
        (counts, edges).
    Example:
        >>> [t.tolist() for t in clew.histogram(clew.tensor([1.0, 2.0, 1.0]), 2, range=(0.0, 2.0))]
        [[0.0, 3.0], [0.0, 1.0, 2.0]]
    """
    x = input.detach().reshape(-1)
    if isinstance(bins, Tensor):
        edges = bins
    else:
        if bins <= 0:
            raise ValueError(f"histogram: expected bins > 0, got {bins}")
        if range is None:
            range = (x.min().item(), x.max().item()) if x.numel() else (0.0, 1.0)
        low, high = range
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"histogram: expected a finite range with min <= max, got {range}")
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges = _C.functions.linspace(low, high, bins + 1, dtype=input.dtype, device=input.device)
    n = edges.numel() - 1
    at = _ops.searchsorted(edges, x, right=True) - 1
    at = at.masked_fill(x == edges[-1], n - 1)
    inside = (at >= 0) & (at < n)
    amounts = _C.functions.ones_like(x) if weight is None else weight.detach().reshape(-1).to(x.dtype)
    counts = _C.functions.zeros(n, dtype=x.dtype, device=x.device)
    counts.scatter_add_(0, at[inside], amounts[inside])
    if density:
        counts = counts / (counts.sum() * edges.diff())
    return counts, edges


def _methods() -> None:
    for function in (allclose, hsplit, vsplit, dsplit, unique, unique_consecutive, histogram):
        _C._set_method(function.__name__, function)
    for name in ("inverse", "det", "slogdet", "cholesky", "pinverse", "qr"):
        _C._set_method(name, globals()[name])


_methods()
