"""Writing at indices and along windows, composed of indexed assignment and views."""

from __future__ import annotations

from typing import Any

import numpy as np

from clew import _C
from clew.autograd.function import Function

Tensor = _C.Tensor
_ops = _C.ops

__all__ = [
    "diagonal_scatter",
    "index_copy",
    "index_fill",
    "masked_scatter",
    "scatter_reduce",
    "select_scatter",
    "slice_scatter",
    "take",
]


def _dim(name: str, dim: int, input: Tensor) -> int:
    rank = max(input.dim(), 1)
    if not -rank <= dim < rank:
        raise IndexError(f"{name}: expected dim in [{-rank}, {rank - 1}], got {dim}")
    return dim % rank


def _rows(name: str, input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`input` as a view whose first dimension is `dim`."""
    if not isinstance(index, Tensor) or index.dtype not in (_C.int64, _C.int32):
        got = index.dtype if isinstance(index, Tensor) else type(index).__name__
        raise _C.DTypeError(f"{name}: expected index of dtype int64, got {got}")
    if index.dim() > 1:
        raise _C.ShapeError(
            f"{name}: expected index with at most 1 dimension, got shape {tuple(index.shape)}"
        )
    at = _dim(name, dim, input)
    return input.unsqueeze(0) if input.dim() == 0 else input.movedim(at, 0)


def _index_fill(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        if value.dim():
            raise _C.ShapeError(
                f"index_fill: expected a number or a 0-dim tensor, got shape {tuple(value.shape)}"
            )
        value = value.to(self.dtype)
    else:
        value = _C.tensor(value, device=self.device).to(self.dtype)
    _rows("index_fill", self, dim, index).index_put_([index.reshape(-1)], value)
    return self


def _index_copy(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    rows = _rows("index_copy", self, dim, index)
    if source.dtype != self.dtype:
        raise _C.DTypeError(f"index_copy: expected source of dtype {self.dtype}, got {source.dtype}")
    values = source.unsqueeze(0) if source.dim() == 0 else source.movedim(_dim("index_copy", dim, source), 0)
    if values.shape[0] != index.numel() or values.shape[1:] != rows.shape[1:]:
        raise _C.ShapeError(
            f"index_copy: expected source of the shape of input with {index.numel()} at dimension {dim}, got "
            f"source {tuple(source.shape)} for input {tuple(self.shape)}"
        )
    rows.index_put_([index.reshape(-1)], values)
    return self


def _masked_scatter(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    if mask.dtype != _C.bool:
        raise _C.DTypeError(f"masked_scatter: expected a mask of dtype bool, got {mask.dtype}")
    if source.dtype != self.dtype:
        raise _C.DTypeError(f"masked_scatter: expected source of dtype {self.dtype}, got {source.dtype}")
    mask = mask.expand(self.shape)
    n = int(mask.sum())
    if n > source.numel():
        raise _C.ShapeError(
            f"masked_scatter: expected at least {n} elements in source, got {source.numel()} (as many as the "
            "mask has true ones)"
        )
    return self.index_put_([mask], source.reshape(-1)[:n])


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of a tensor with one value in the slices at `index`.

    Args:
        input: any shape.
        dim: along which the slices are counted.
        index: int64, at most one dimension.
        value: a number or a 0-dim tensor.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        IndexError: an index outside of the dimension.
    Example:
        >>> clew.index_fill(clew.ones(3), 0, clew.tensor([0, 2]), 5.0).tolist()
        [5.0, 1.0, 5.0]
    """
    return _index_fill(input.clone(), dim, index, value)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of a tensor with the slices at `index` taken from `source`.

    Args:
        input: any shape.
        dim: along which the slices are counted.
        index: int64, at most one dimension.
        source: the shape of `input`, but for as many slices as `index` has.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        IndexError: an index outside of the dimension.
        clew.ShapeError: `source` does not fit.
    Example:
        >>> clew.index_copy(clew.zeros(3), 0, clew.tensor([2]), clew.ones(1)).tolist()
        [0.0, 0.0, 1.0]
    """
    return _index_copy(input.clone(), dim, index, source)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of a tensor with the elements where `mask` is true taken from `source`, in order.

    Args:
        input: any shape.
        mask: bool, of a shape that broadcasts to that of `input`.
        source: at least as many elements as the mask has true ones.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        clew.ShapeError: `source` has too few elements.
    Example:
        >>> mask = clew.tensor([True, False, True])
        >>> clew.masked_scatter(clew.zeros(3), mask, clew.tensor([1.0, 2.0])).tolist()
        [1.0, 0.0, 2.0]
    """
    shape = tuple(np.broadcast_shapes(tuple(input.shape), tuple(mask.shape)))
    return _masked_scatter(input.expand(shape).clone(), mask, source)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at places counted through the whole tensor.

    Args:
        input: any shape.
        index: int64; negative ones count from the end.
    Returns:
        Tensor of the shape of `index`.
    Raises:
        IndexError: a place outside of the tensor.
    Example:
        >>> clew.take(clew.tensor([[1, 2], [3, 4]]), clew.tensor([0, -1])).tolist()
        [1, 4]
    """
    if index.dtype != _C.int64:
        raise _C.DTypeError(f"take: expected index of dtype int64, got {index.dtype}")
    return input.reshape(-1)[index]


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of a tensor with one slice taken from `src`.

    Example:
        >>> clew.select_scatter(clew.zeros(2, 2), clew.ones(2), 0, 1).tolist()
        [[0.0, 0.0], [1.0, 1.0]]
    """
    out = input.clone()
    return _fill_view("select_scatter", out, out.select(dim, index), src)


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy of a tensor with the slices start, start + step, ... below `end` taken from `src`.

    Example:
        >>> clew.slice_scatter(clew.zeros(4), clew.ones(2), 0, 1, 3).tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    if step <= 0:
        raise ValueError(f"slice_scatter: expected step > 0, got {step}")
    out = input.clone()
    where = (slice(None),) * _dim("slice_scatter", dim, input) + (slice(start, end, step),)
    return _fill_view("slice_scatter", out, out[where], src)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of a tensor with a diagonal taken from `src`.

    Example:
        >>> clew.diagonal_scatter(clew.zeros(2, 2), clew.ones(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    out = input.clone()
    return _fill_view("diagonal_scatter", out, out.diagonal(offset, dim1, dim2), src)


def _fill_view(name: str, out: Tensor, view: Tensor, src: Tensor) -> Tensor:
    if src.shape != view.shape:
        raise _C.ShapeError(f"{name}: expected src of shape {tuple(view.shape)}, got {tuple(src.shape)}")
    view.copy_(src)
    return out


_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


class _ScatterExtreme(Function):
    """Largest or smallest of what comes together in a place; ties share the gradient."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
        out = _scatter_at(input, dim, index, src, reduce)
        ctx.dim = dim
        ctx.save_for_backward(input, index, src, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        input, index, src, out = ctx.saved_tensors
        out = out.detach()
        mine = (input == out).to(g.dtype)
        theirs = (src == out.gather(ctx.dim, index)).to(g.dtype)
        shared = g / mine.scatter_add(ctx.dim, index, theirs)
        return mine * shared, None, None, theirs * shared.gather(ctx.dim, index), None


class _ScatterProduct(Function):
    """Product of what comes together in a place."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
        ctx.dim = dim
        ctx.save_for_backward(input, index, src)
        return _scatter_at(input, dim, index, src, "prod")

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        input, index, src = ctx.saved_tensors
        dim = ctx.dim
        # A factor's gradient is the product of the others: divided out where there is no zero, and where
        # there is one zero, it alone has a gradient.
        zeros = (input == 0).to(g.dtype).scatter_add(dim, index, (src == 0).to(g.dtype))
        rest = _ScatterProduct.apply(
            _ops.where(input == 0, _C.functions.ones_like(input), input),
            dim,
            index,
            _ops.where(src == 0, _C.functions.ones_like(src), src),
        )

        def of(factor: Tensor, rest: Tensor, zeros: Tensor, g: Tensor) -> Tensor:
            is_zero = factor == 0
            safe = _ops.where(is_zero, _C.functions.ones_like(factor), factor)
            alone = _ops.where(is_zero, zeros == 1, zeros == 0)
            return _ops.where(alone, g * rest / safe, _C.functions.zeros_like(factor))

        there = (rest.gather(dim, index), zeros.gather(dim, index), g.gather(dim, index))
        return of(input, rest, zeros, g), None, None, of(src, *there)


def _scatter_at(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
    narrow = input.dtype in (_C.float16, _C.bfloat16)
    wide = input.detach().to(_C.float32) if narrow else input.detach()
    out = wide.numpy().copy()
    places = list(np.indices(tuple(index.shape), sparse=True)) if index.dim() else []
    if places:
        places[dim] = index.numpy()
        values = src.detach().to(wide.dtype)[tuple(slice(n) for n in index.shape)].numpy()
        _UFUNCS[reduce].at(out, tuple(places), values)
    return _C.from_numpy(out).to(input.dtype)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Brings elements of `src` together in the places that `index` names along a dimension.

        y[index[i][j]][j] = reduce of input[index[i][j]][j] and all src[i][j] that name it (dim = 0)

    Args:
        input: any shape.
        dim: the dimension that `index` counts along.
        index: int64, with the dimensions of `input`.
        src: at least the sizes of `index`, dtype of `input`.
        reduce: sum, prod, mean, amax or amin. Equal largest elements share their gradient.
        include_self: whether `input`'s own element takes part where others come.
    Returns:
        Tensor of the shape of `input`.
    Raises:
        IndexError: an index outside of the dimension.
        ValueError: another `reduce`.
    Example:
        >>> at = clew.tensor([0, 0, 1])
        >>> clew.scatter_reduce(clew.zeros(3), 0, at, clew.tensor([1.0, 2.0, 3.0]), "amax").tolist()
        [2.0, 3.0, 0.0]
    """
    if reduce not in ("sum", "mean", *_UFUNCS):
        raise ValueError(f"scatter_reduce: expected sum, prod, mean, amax or amin, got {reduce!r}")
    if src.dtype != input.dtype:
        raise _C.DTypeError(f"scatter_reduce: expected src of dtype {input.dtype}, got {src.dtype}")
    if input.dim() == 0 and index.dim() <= 1 and src.dim() <= 1:
        row = scatter_reduce(
            input.reshape(1), dim, index.reshape(-1), src.reshape(-1), reduce, include_self=include_self
        )
        return row.reshape(())
    at = _dim("scatter_reduce", dim, input)
    if index.numel() == 0:
        return input.clone()
    # These check shapes and indices.
    if reduce in ("sum", "mean"):
        start = input if include_self else input.scatter(at, index, 0)
        total = start.scatter_add(at, index, src)
        if reduce == "sum":
            return total
        one = _C.functions.ones_like(src)
        count = _C.functions.ones_like(input) if include_self else _C.functions.zeros_like(input)
        count = count.scatter_add(at, index, one).clamp(min=1)
        return total / count if input.is_floating_point() else total.div(count, rounding_mode="floor")
    input.gather(at, index)
    part = src[tuple(slice(n) for n in index.shape)]
    if part.shape != index.shape:
        raise _C.ShapeError(
            f"scatter_reduce: expected src no smaller than index {tuple(index.shape)}, got {tuple(src.shape)}"
        )
    index = index.to(_C.int64)
    if not include_self:
        # What starts in these places is neutral, and equal to nothing that comes.
        neutral = {"prod": 1.0, "amax": float("-inf"), "amin": float("inf")}[reduce]
        if reduce != "prod" and not input.is_floating_point():
            neutral = _least(input.dtype) if reduce == "amax" else _most(input.dtype)
        input = input.scatter(at, index, neutral)
    if reduce == "prod":
        return _ScatterProduct.apply(input, at, index, part)
    return _ScatterExtreme.apply(input, at, index, part, reduce)


def _least(dtype: Any) -> int:
    from clew import iinfo

    return 0 if dtype == _C.bool else iinfo(dtype).min


def _most(dtype: Any) -> int:
    from clew import iinfo

    return 1 if dtype == _C.bool else iinfo(dtype).max


# --- methods ---------------------------------------------------------------------------------------------


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dimension, `step` apart, as a view.

    Args:
        dimension: along which the windows move.
        size: of a window.
        step: from one window to the next.
    Returns:
        View with the number of windows at `dimension` and the windows in a last dimension.
    Raises:
        ValueError: a size or step that does not fit.
    Example:
        >>> clew.arange(4).unfold(0, 2, 1).tolist()
        [[0, 1], [1, 2], [2, 3]]
    """
    at = _dim("unfold", dimension, self)
    length = self.shape[at] if self.dim() else 1
    if not 0 <= size <= length:
        raise ValueError(f"unfold: expected size in [0, {length}], got {size} (dimension {dimension})")
    if step <= 0:
        raise ValueError(f"unfold: expected step > 0, got {step}")
    if self.dim() == 0:
        return self.as_strided((size,), (1,))
    sizes, strides = [*self.shape, size], [*self.stride(), self.stride()[at]]
    sizes[at], strides[at] = (length - size) // step + 1, strides[at] * step
    return self.as_strided(sizes, strides)


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Writes `source` at places counted through the whole tensor; adds it where `accumulate` is set."""
    flat = self.reshape(-1)
    flat.index_put_([index.reshape(-1)], source.reshape(-1), accumulate)
    return self if self.is_contiguous() else self.copy_(flat.reshape(self.shape))


def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """scatter_reduce, in place."""
    return self.copy_(scatter_reduce(self.clone(), dim, index, src, reduce, include_self=include_self))


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """index_fill, in place."""
    return _index_fill(self, dim, index, value)


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """index_copy, in place."""
    return _index_copy(self, dim, index, source)


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """masked_scatter, in place."""
    return _masked_scatter(self, mask, source)


for _f in (
    diagonal_scatter,
    index_copy,
    index_copy_,
    index_fill,
    index_fill_,
    masked_scatter,
    masked_scatter_,
    put_,
    scatter_reduce,
    scatter_reduce_,
    select_scatter,
    slice_scatter,
    take,
    unfold,
):
    _C._set_method(_f.__name__, _f)
