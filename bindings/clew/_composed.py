"""Functions of the namespace that are composed of other operations, which bring their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clew import _C
from clew._memory_format import strided

Tensor = _C.Tensor
_ops = _C.ops
_f = _C.functions

__all__ = [
    "adjoint",
    "bartlett_window",
    "blackman_window",
    "cholesky_inverse",
    "cholesky_solve",
    "conj",
    "conj_physical",
    "cumulative_trapezoid",
    "gradient",
    "hamming_window",
    "hann_window",
    "heaviside",
    "is_same_size",
    "kaiser_window",
    "ldexp",
    "matrix_exp",
    "poisson",
    "real",
    "renorm",
    "resolve_conj",
    "scalar_tensor",
    "split_with_sizes",
]


# --- matrices --------------------------------------------------------------------------------------------


def _square(name: str, input: Tensor) -> None:
    if input.dim() < 2 or input.shape[-1] != input.shape[-2]:
        raise _C.ShapeError(f"{name}: expected square matrices (*, n, n), got shape {tuple(input.shape)}")
    if not input.is_floating_point():
        raise _C.DTypeError(f"{name}: expected floating point, got {input.dtype}")


def adjoint(input: Tensor) -> Tensor:
    """Transposed matrices; the elements are real.

    Example:
        >>> clew.adjoint(clew.ones(2, 3)).shape
        clew.Size([3, 2])
    """
    if input.dim() < 2:
        raise _C.ShapeError(f"adjoint: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return input.mT


# Coefficients 1 / k! of the series, by degree: with a norm of at most 0.5 the rest is below double precision.
_DEGREE = 13


def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices.

        exp(A) = sum over k of A^k / k! = exp(A / 2^s)^(2^s)

    Args:
        input: shape (*, n, n), floating point.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        clew.ShapeError: matrices that are not square.
    Reference:
        Moler, Van Loan. Nineteen Dubious Ways to Compute the Exponential of a Matrix. 2003.
    Example:
        >>> clew.matrix_exp(clew.zeros(2, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    _square("matrix_exp", input)
    eye = _f.eye(input.shape[-1], dtype=input.dtype, device=input.device)
    if input.numel() == 0:
        return input.clone()
    norm = float(input.detach().abs().sum(-1).max())
    if not math.isfinite(norm):
        return input * float("nan")
    halvings = max(0, math.ceil(math.log2(norm / 0.5))) if norm > 0.5 else 0
    x = input / 2.0**halvings
    # Horner's rule: I + x (I + x/2 (I + x/3 (...))).
    out = eye + x / _DEGREE
    for k in range(_DEGREE - 1, 0, -1):
        out = eye + (x @ out) / k
    for _ in range(halvings):
        out = out @ out
    return out


def cholesky_solve(input: Tensor, other: Tensor, upper: bool = False) -> Tensor:
    """Solves A x = B, given the Cholesky factor of A.

    Args:
        input: B, shape (*, n, k).
        other: L with A = L L^T, shape (*, n, n); U with A = U^T U where `upper` is set.
        upper: which of both.
    Returns:
        x, shape (*, n, k).
    Example:
        >>> clew.cholesky_solve(clew.ones(1, 1), clew.full((1, 1), 2.0)).item()
        0.25
    """
    _square("cholesky_solve", other)
    if input.dim() < 2 or input.shape[-2] != other.shape[-1]:
        raise _C.ShapeError(
            f"cholesky_solve: expected input of shape (*, {other.shape[-1]}, k), got {tuple(input.shape)}"
        )
    lower = other.mT.tril() if upper else other.tril()
    y = _ops.linalg_solve_triangular(lower, input, False)
    return _ops.linalg_solve_triangular(lower.mT, y, True)


def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, given its Cholesky factor; see `cholesky_solve`.

    Example:
        >>> clew.cholesky_inverse(clew.full((1, 1), 2.0)).item()
        0.25
    """
    _square("cholesky_inverse", input)
    return cholesky_solve(_f.eye(input.shape[-1], dtype=input.dtype, device=input.device), input, upper)


# --- elements --------------------------------------------------------------------------------------------


def real(input: Tensor) -> Tensor:
    """The tensor itself: elements are real."""
    return input


def conj(input: Tensor) -> Tensor:
    """The tensor itself: elements are real."""
    return input


conj_physical = conj
resolve_conj = conj


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, and `values` at 0; it has no gradient.

    Example:
        >>> clew.heaviside(clew.tensor([-1.0, 0.0, 2.0]), clew.tensor(0.5)).tolist()
        [0.0, 0.5, 1.0]
    """
    if input.dtype != values.dtype:
        raise _C.DTypeError(f"heaviside: expected one dtype, got {input.dtype} and {values.dtype}")
    input, values = input.detach(), values.detach()
    step = (input > 0).to(input.dtype)
    return _ops.where(input == 0, values, _ops.where(input.isnan(), input, step))


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2^other.

    Example:
        >>> clew.ldexp(clew.tensor([3.0]), clew.tensor([2])).tolist()
        [12.0]
    """
    return input * _ops.pow(_C.tensor(2.0), other)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Scales the slices along a dimension whose norm exceeds `maxnorm` down to it.

    Args:
        input: at least two dimensions, floating point.
        p: which norm, positive.
        dim: along which the slices are counted.
        maxnorm: the largest norm that stays.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        ValueError: p or maxnorm out of range.
    Example:
        >>> clew.renorm(clew.tensor([[6.0, 8.0]]), 2, 0, 5.0).round().tolist()
        [[3.0, 4.0]]
    """
    if input.dim() < 2:
        raise _C.ShapeError(f"renorm: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    if p <= 0 or maxnorm < 0:
        raise ValueError(f"renorm: expected p > 0 and maxnorm >= 0, got {p} and {maxnorm}")
    at = dim % input.dim()
    others = [d for d in range(input.dim()) if d != at]
    norms = _ops.linalg_vector_norm(input, p, others, True)
    factor = _ops.where(norms > maxnorm, maxnorm / (norms + 1e-7), _f.ones_like(norms))
    return input * factor


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral up to each point by the trapezoid rule.

    Example:
        >>> clew.cumulative_trapezoid(clew.tensor([1.0, 2.0, 3.0])).tolist()
        [1.5, 4.0]
    """
    n = y.shape[dim]
    pairs = y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)
    if x is None:
        return pairs.cumsum(dim) * (dx / 2)
    if x.dim() == 1:
        steps = x.diff()
        shape = [1] * y.dim()
        shape[dim] = -1
        steps = steps.reshape(shape)
    else:
        steps = x.diff(dim=dim)
    return (pairs * steps).cumsum(dim) / 2


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Estimates derivatives along dimensions by differences of neighbours, central ones inside.

    Args:
        input: values on a grid, floating point.
        spacing: the distance of neighbours: a number, one per dimension, or a vector of positions for each.
        dim: the dimensions; None: all.
        edge_order: 1 or 2, the order of the estimate at the ends.
    Returns:
        A tensor of the shape of `input` per dimension.
    Raises:
        ValueError: too few points, or other options than these.
    Example:
        >>> clew.gradient(clew.tensor([1.0, 4.0, 9.0]))[0].tolist()
        [3.0, 4.0, 5.0]
    """
    dims = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: expected edge_order 1 or 2, got {edge_order}")
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise ValueError(f"gradient: expected {len(dims)} spacings, got {len(steps)}")
    out = []
    for d, step in zip(dims, steps, strict=True):
        x = input.movedim(d, -1)
        n = x.shape[-1]
        if n <= edge_order:
            raise ValueError(f"gradient: expected more than {edge_order} points along dim {d}, got {n}")
        if isinstance(step, Tensor) and step.dim() == 1:
            gaps = step.diff().to(x.dtype)
        else:
            gaps = _f.full((n - 1,), float(step), dtype=x.dtype)
        slopes = x.diff(dim=-1) / gaps
        before, after = gaps[:-1], gaps[1:]
        inside = (slopes[..., :-1] * after + slopes[..., 1:] * before) / (before + after)
        first, last = slopes[..., :1], slopes[..., -1:]
        if edge_order == 2:
            first = first + (first - slopes[..., 1:2]) * gaps[0] / (gaps[0] + gaps[1])
            last = last + (last - slopes[..., -2:-1]) * gaps[-1] / (gaps[-1] + gaps[-2])
        out.append(_f.cat([first, inside, last], -1).movedim(-1, d))
    return tuple(out)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Random numbers from Poisson distributions with the given rates; they have no gradient.

    Args:
        input: rates >= 0, floating point.
        generator: default: the generator that manual_seed sets.
    Returns:
        Tensor of the shape and dtype of `input`.
    Raises:
        ValueError: a negative rate.
    Example:
        >>> clew.poisson(clew.zeros(2)).tolist()
        [0.0, 0.0]
    """
    rates = input.detach().to(_C.float64).numpy()
    if rates.size and not rates.min() >= 0:
        raise ValueError(f"poisson: expected rates >= 0, got {rates.min()}")
    drawn = np.asarray(_host_generator(generator).poisson(rates), dtype=np.float64)
    return _C.from_numpy(drawn).to(input.dtype)


def _host_generator(generator: Any = None) -> np.random.Generator:
    """NumPy's generator, seeded from Clew's, whose state moves on by one draw."""
    seed = _C.functions.randint(0, 2**62, (1,), generator=generator)
    return np.random.default_rng(int(seed.item()))


# --- sizes and creation ----------------------------------------------------------------------------------


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return input.shape == other.shape


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along a dimension; see `split`."""
    return input.split(list(split_sizes), dim)


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-dim tensor of the default dtype.

    Example:
        >>> clew.scalar_tensor(3).dtype
        clew.float32
    """
    from clew import get_default_dtype

    kind = get_default_dtype() if dtype is None else dtype
    return _C.tensor(s, dtype=kind, device=device, requires_grad=requires_grad)


def _window(name: str, n: int, periodic: bool, values: Any, options: dict[str, Any]) -> Tensor:
    from clew import get_default_dtype

    if n < 0:
        raise ValueError(f"{name}: expected window_length >= 0, got {n}")
    for key in ("layout", "pin_memory"):
        options.pop(key, None)
    dtype = options.pop("dtype", None) or get_default_dtype()
    requires_grad = options.pop("requires_grad", False)
    if n == 1:
        array = np.ones(1)
    else:
        array = values(n + 1 if periodic else n)[:n] if n else np.zeros(0)
    out = _C.from_numpy(np.ascontiguousarray(array, dtype=np.float64)).to(dtype=dtype, **options)
    return out.requires_grad_(requires_grad)


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Hann's window, sin^2(pi k / (N - 1)); N is one more where it is periodic.

    Example:
        >>> clew.hann_window(4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    return _window("hann_window", window_length, periodic, np.hanning, options)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Tensor:
    """Hamming's window, alpha - beta cos(2 pi k / (N - 1)); N is one more where it is periodic.

    Example:
        >>> clew.hamming_window(3, periodic=False)[1].item()
        1.0
    """

    def values(n: int) -> Any:
        return alpha - beta * np.cos(2 * np.pi * np.arange(n) / (n - 1))

    return _window("hamming_window", window_length, periodic, values, options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Blackman's window, 0.42 - 0.5 cos(2 pi k / (N - 1)) + 0.08 cos(4 pi k / (N - 1)).

    Example:
        >>> clew.blackman_window(3, periodic=False)[1].item()
        1.0
    """

    def values(n: int) -> Any:
        return np.maximum(np.blackman(n), 0.0)

    return _window("blackman_window", window_length, periodic, values, options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """Bartlett's window, a triangle.

    Example:
        >>> clew.bartlett_window(4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    return _window("bartlett_window", window_length, periodic, np.bartlett, options)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Tensor:
    """Kaiser's window, I0(beta sqrt(1 - (2 k / (N - 1) - 1)^2)) / I0(beta).

    Example:
        >>> clew.kaiser_window(3, periodic=False)[1].item()
        1.0
    """
    return _window("kaiser_window", window_length, periodic, lambda n: np.kaiser(n, beta), options)


# --- methods ---------------------------------------------------------------------------------------------


def _in_place(name: str) -> Any:
    op = getattr(_f, name)

    def method(self: Tensor, other: Any) -> Tensor:
        return self.copy_(op(self, other))

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"{name}, in place; the result in this tensor's dtype."
    return method


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"):
    _C._set_method(f"{_name}_", _in_place(_name))


def logical_not_(self: Tensor) -> Tensor:
    """logical_not, in place; the result in this tensor's dtype."""
    return self.copy_(_f.logical_not(self))


def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """renorm, in place."""
    return self.copy_(renorm(self.clone(), p, dim, maxnorm))


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Overwrites the tensor with random numbers from a Cauchy distribution."""
    if sigma <= 0:
        raise ValueError(f"cauchy_: expected sigma > 0, got {sigma}")
    part = _f.rand(self.shape, generator=generator, dtype=_C.float64)
    return self.copy_(median + sigma * (math.pi * (part - 0.5)).tan())


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Overwrites the tensor with how many trials of probability `p` it takes to succeed, at least 1."""
    if not 0 < p < 1:
        raise ValueError(f"geometric_: expected p in (0, 1), got {p}")
    part = _f.rand(self.shape, generator=generator, dtype=_C.float64)
    return self.copy_(((-part).log1p() / math.log1p(-p)).ceil().clamp(min=1))


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Overwrites the tensor with exp of normal random numbers."""
    if std <= 0:
        raise ValueError(f"log_normal_: expected std > 0, got {std}")
    noise = _f.randn(self.shape, generator=generator, dtype=_C.float64)
    return self.copy_((mean + std * noise).exp())


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sums over the dimensions that a broadcast from `size` would add or widen.

    Example:
        >>> clew.ones(2, 3).sum_to_size(1, 3).tolist()
        [[2.0, 2.0, 2.0]]
    """
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    extra = self.dim() - len(wanted)
    fits = extra >= 0 and all(n in (1, m) for n, m in zip(wanted, self.shape[extra:], strict=True))
    if not fits:
        raise _C.ShapeError(
            f"sum_to_size: expected a size that broadcasts to {tuple(self.shape)}, got {wanted}"
        )
    dims = [*range(extra), *(extra + i for i, n in enumerate(wanted) if n == 1 != self.shape[extra + i])]
    return (self.sum(dims, keepdim=True) if dims else self).reshape(wanted)


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replaces each element by a Python function of it; slow, and without gradient."""
    if self.requires_grad:
        raise _C.AutogradError("apply_: expected a tensor that requires no grad, got one that does")
    values = [callable(v) for v in self.reshape(-1).tolist()]
    return self.copy_(_C.tensor(values, dtype=self.dtype).reshape(self.shape))


for _method in (
    adjoint,
    apply_,
    cauchy_,
    cholesky_inverse,
    cholesky_solve,
    conj,
    geometric_,
    heaviside,
    is_same_size,
    ldexp,
    log_normal_,
    logical_not_,
    matrix_exp,
    renorm,
    renorm_,
    split_with_sizes,
    sum_to_size,
):
    _C._set_method(_method.__name__, _method)
_C._set_method("conj_physical", conj_physical)
_C._set_method("resolve_conj", resolve_conj)


for _name in ("H", "mH"):
    _C._set_method(_name, property(adjoint))
_C._set_method("real", property(real))
_C._set_method("is_sparse", property(lambda self: False))
_C._set_method("layout", property(lambda self: strided))
