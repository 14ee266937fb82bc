"""Samples of order statistics, running extremes, histograms and moments."""

from __future__ import annotations

import numpy as np

import clew

from .core import error, plain, samples
from .reduce import INF, KEPT, NAN, axes, moment, reduction


@samples(
    "logcumsumexp",
    ref=lambda x, dim: np.log(np.cumsum(np.exp(np.asarray(x, np.float64)), dim)) if np.ndim(x) else x,
)
def _(make):
    yield make(3, 4), {"dim": 0}
    yield make(3, 4), {"dim": 1}
    yield make(4, 3).transpose(0, 1), {"dim": -1}
    yield make(), {"dim": 0}
    yield make(0, 3), {"dim": 0}
    if make.floating:
        x = make.tensor([-INF, -INF, 0.0, 100.0])
        got = x.logcumsumexp(0).tolist()
        assert got[:3] == [-INF, -INF, 0.0] and got[3] == 100.0
        assert clew.tensor([1.0, NAN, 1.0]).logcumsumexp(0).isnan().tolist() == [False, True, True]
    yield error(make(3), {"dim": 1}, IndexError, "logcumsumexp: expected dim in [-1, 0], got 1")


def numpy_running(better):
    def reference(x, dim):
        x = np.asarray(x)
        if x.ndim == 0:
            return x, np.int64(0)
        moved = np.moveaxis(x, dim, -1)
        values, indices = moved.copy(), np.zeros(moved.shape, np.int64)
        for row in np.ndindex(moved.shape[:-1]):
            best = 0
            for i, v in enumerate(moved[row]):
                held = moved[row][best]
                if i == 0 or (held == held and (v != v or better(v, held))):
                    best = i
                values[row][i], indices[row][i] = moved[row][best], best
        return np.moveaxis(values, -1, dim), np.moveaxis(indices, -1, dim)

    return reference


def running(make):
    yield make(3, 4), {"dim": 0}
    yield make(3, 5), {"dim": 1}
    yield make(2, 3, 4).transpose(0, 2), {"dim": 1}
    yield make(3, 8)[:, ::2], {"dim": -1}
    yield make(), {"dim": 0}
    yield make(0, 3), {"dim": 0}
    if make.floating:
        yield plain(make.tensor([1.0, 1.0, NAN, 3.0, NAN]), {"dim": 0})
    yield error(make(3), {"dim": 1}, IndexError, "expected dim in [-1, 0], got 1")


samples("cummax", ref=numpy_running(lambda a, b: a >= b), torch=False)(running)
samples("cummin", ref=numpy_running(lambda a, b: a <= b), torch=False)(running)


@samples(
    "count_nonzero",
    ref=lambda x, dim=None: np.asarray(np.count_nonzero(x, axis=axes(dim) if np.ndim(x) else None)),
)
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"dim": 1}
    yield make(2, 3, 4).transpose(0, 2), {"dim": (0, 2)}
    yield make(), {}
    yield make(0, 3), {"dim": 0}


def with_nan(make):
    if make.floating:
        yield plain(make.tensor([[1.0, NAN, 3.0], [NAN, NAN, NAN]]), {"dim": 1})
        yield plain(make.tensor([1.0, NAN, 3.0]), {})


def numpy_nansum(x, dim=None, keepdim=False, dtype=None):
    x = np.asarray(x)
    return reduction(np.nansum)(x.astype(KEPT.get(x.dtype.name, x.dtype)), dim, keepdim)


@samples("nansum", ref=numpy_nansum, wide=True)
def _(make):
    yield make(3, 4, low=-1, high=1), {}
    yield make(3, 4, low=-1, high=1), {"dim": 0}
    yield make(2, 3, 4, low=-1, high=1).transpose(0, 2), {"dim": (0, 1), "keepdim": True}
    yield from with_nan(make)


@samples("nanmean", ref=reduction(np.nanmean), wide=True)
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"dim": 0}
    yield make(2, 3, 4).transpose(0, 2), {"dim": (0, 1), "keepdim": True}
    yield plain(make.tensor([[1.0, NAN, 3.0], [NAN, 2.0, NAN]]), {"dim": 1})


for name, f in {"var": lambda v: v, "std": np.sqrt}.items():

    @samples(f"{name}.unbiased", ref=lambda x, unbiased, f=f: moment(f)(x, None, int(unbiased)), wide=True)
    def _(make):
        yield (make(3, 4), True), {}
        yield (make(4, 3).transpose(0, 1), False), {}

    @samples(
        f"{name}_mean.unbiased",
        ref=lambda x, unbiased, f=f: (moment(f)(x, None, int(unbiased)), np.mean(x)),
        wide=True,
    )
    def _(make):
        yield (make(3, 4), True), {}
        yield (make(4, 3).transpose(0, 1), False), {}

    @samples(
        f"{name}_mean",
        ref=lambda x, dim=None, correction=1, keepdim=False, f=f: (
            moment(f)(x, dim, correction, keepdim),
            reduction(np.mean)(x, dim, keepdim),
        ),
        wide=True,
    )
    def _(make):
        yield make(3, 4), {}
        yield make(3, 4), {"dim": 1, "correction": 0}
        yield make(2, 3, 4).transpose(0, 2), {"dim": (0, 2), "keepdim": True}


@samples(
    "aminmax",
    ref=lambda x, dim=None, keepdim=False: (
        reduction(np.min)(x, dim, keepdim),
        reduction(np.max)(x, dim, keepdim),
    ),
)
def _(make):
    yield make(3, 4), {}
    yield make(3, 4), {"dim": 1}
    yield make(4, 3).transpose(0, 1), {"dim": 0, "keepdim": True}
    yield make(), {}
    yield error(make(0), {}, IndexError, "expected at least one element")


def lower_median(x, skip):
    x = np.asarray(x).reshape(-1)
    if x.dtype.kind == "f":
        missing = np.isnan(x)
        if missing.any() and not skip or missing.all():
            return np.float64(NAN)
        x = x[~missing]
    return np.sort(x)[(x.size - 1) // 2]


def check_picked(value_of):
    """Values by the reference; indices by what stands there."""

    def check(result, x, *args, **kwargs):
        values, indices = (t.detach() for t in result)
        x = x.detach()
        dim = kwargs.get("dim", args[-1] if args else -1)
        if x.dim() == 0:
            assert values.item() == x.item() and indices.item() == 0
            return
        if not kwargs.get("keepdim", False):
            values, indices = values.unsqueeze(dim), indices.unsqueeze(dim)
        there = x.gather(dim, indices)
        assert bool(((there == values) | (there.isnan() & values.isnan())).all())
        array = (x.to(clew.float64) if x.is_floating_point() else x).cpu().numpy()
        want = np.apply_along_axis(lambda row: value_of(row, *args[:-1], **kwargs), dim, array)
        got = np.squeeze((values.to(clew.float64) if x.is_floating_point() else values).cpu().numpy(), dim)
        assert np.array_equal(got, want, equal_nan=array.dtype.kind == "f")

    return check


for name, skip in {"median": False, "nanmedian": True}.items():

    @samples(name, ref=lambda x, skip=skip: lower_median(x, skip))
    def _(make):
        yield make(5), {}
        yield make(3, 4), {}
        yield make(4, 3).transpose(0, 1), {}
        yield make(), {}
        if make.floating:
            yield plain(make.tensor([1.0, NAN, 3.0, 2.0]))
            yield plain(make.tensor([NAN, NAN]))
            yield plain(make(0))

    @samples(
        f"{name}.dim", check=check_picked(lambda row, skip=skip, **_: lower_median(row, skip)), torch=False
    )
    def _(make):
        yield make(3, 4), {"dim": 1}
        yield make(4, 3).transpose(0, 1), {"dim": 0, "keepdim": True}
        yield make(2, 3, 5), {"dim": -1}
        yield make(), {"dim": 0}
        if make.floating:
            yield plain(make.tensor([[1.0, NAN, 3.0], [NAN, NAN, NAN], [2.0, 1.0, 3.0]]), {"dim": 1})
        yield error(make(0, 3), {"dim": 0}, IndexError, "expected at least one element along dim 0")
        yield error(make(3), {"dim": 1}, IndexError, "expected dim in [-1, 0], got 1")


def most_frequent(row, **_):
    values, counts = np.unique(row, return_counts=True)
    return values[np.argmax(counts)]


@samples("mode", check=check_picked(most_frequent), torch=False)
def _(make):
    yield make(3, 6), {"dim": 1}
    yield make(5, 3).transpose(0, 1), {"dim": 1, "keepdim": True}
    # Of equal values a small step of one changes which is the most frequent.
    yield plain(make.tensor([[1, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 1]]), {"dim": 1})
    yield make(), {"dim": 0}
    yield error(make(0), {"dim": 0}, IndexError, "mode: expected at least one element")


@samples("kthvalue", check=check_picked(lambda row, k, **_: np.sort(row)[k - 1]), torch=False)
def _(make):
    yield make(3, 4), {"k": 2, "dim": 1}
    yield make(5, 3).transpose(0, 1), {"k": 4, "dim": 1, "keepdim": True}
    yield make(), {"k": 1, "dim": 0}
    yield error((make(3), 4), {}, ValueError, "kthvalue: expected k in [1, 3], got 4")
    yield error((make(3), 0), {}, ValueError, "kthvalue: expected k in [1, 3], got 0")


samples("msort", ref=lambda x: np.sort(x, axis=0))(
    lambda make: iter([(make(5), {}), (make(3, 4), {}), (make(4, 3).transpose(0, 1), {}), (make(0, 3), {})])
)


def numpy_quantile(f):
    def reference(x, q, dim=None, keepdim=False, interpolation="linear"):
        y = f(x, np.asarray(q), axis=dim, keepdims=keepdim, method=interpolation)
        return np.asarray(y)

    return reference


for name, f in {"quantile": np.quantile, "nanquantile": np.nanquantile}.items():
    # The rank is computed in the dtype of the input.
    @samples(
        name,
        ref=numpy_quantile(f),
        tolerance={"float16": (1e-2, 1e-2), "bfloat16": (8e-2, 8e-2)},
        frozen=(1,),
    )
    def _(make, name=name):
        yield (make(7), 0.3), {}
        yield (make(3, 4), 0.75), {"dim": 1}
        yield (make(4, 3).transpose(0, 1), make.tensor([0.0, 0.25, 1.0])), {"dim": 1, "keepdim": True}
        yield (make(2, 3), make.tensor([0.5])), {}
        yield (make(2, 3), 0.5), {"keepdim": True}
        for interpolation in ("lower", "higher", "midpoint", "nearest"):
            yield (make(3, 4), 0.6), {"dim": 1, "interpolation": interpolation}
        yield plain((make.tensor([[1.0, NAN, 3.0], [0.0, 1.0, 2.0]]), 0.5), {"dim": 1})
        yield error((make(3), 1.5), {}, ValueError, f"{name}: expected q in [0, 1]")
        yield error((make(3), 0.5), {"interpolation": "best"}, ValueError, f"{name}: expected interpolation")
        yield error((make(0), 0.5), {}, ValueError, f"{name}: expected at least one element")


@samples(
    "dist",
    ref=lambda x, y, p=2: np.sum(np.abs(x - y) ** p) ** (1 / p) if p < INF else np.max(np.abs(x - y)),
    wide=True,
)
def _(make):
    yield (make(3, 4), make(4)), {}
    yield (make(3), make(3)), {"p": 1}
    yield (make(3), make(3)), {"p": INF}


def numpy_diff(x, n=1, dim=-1, prepend=None, append=None):
    extra = {k: v for k, v in {"prepend": prepend, "append": append}.items() if v is not None}
    return np.diff(np.asarray(x), n, dim, **extra)


@samples("diff", ref=numpy_diff)
def _(make):
    yield make(5), {}
    yield make(3, 4), {"dim": 0}
    yield make(4, 5).transpose(0, 1), {"n": 2}
    yield make(3, 2), {"n": 3}
    yield make(3), {"n": 0}
    yield make(2, 3), {"prepend": make(2, 1), "append": make(2, 2)}
    yield error(make(), {}, clew.ShapeError, "diff: expected at least one dimension")


def numpy_trapezoid(y, x=None, dx=1, dim=-1):
    f = getattr(np, "trapezoid", None) or np.trapz
    return np.asarray(f(np.asarray(y, np.float64), None if x is None else np.asarray(x, np.float64), dx, dim))


@samples(
    "trapezoid",
    ref=numpy_trapezoid,
    wide=True,
    undeclared=False,
    skip_dtypes=("bool", "uint8", "int8", "int16", "int32", "int64"),
)
def _(make):
    yield make(5), {}
    yield make(3, 4), {"dx": 0.5, "dim": 0}
    yield (make(3, 4), make(4)), {}
    yield (make(3, 4), make(3)), {"dim": 0}
    yield (make(3, 4), make(3, 4)), {}


def numpy_cov(x, correction=1, fweights=None, aweights=None):
    return np.asarray(
        np.cov(np.asarray(x, np.float64), ddof=correction, fweights=fweights, aweights=aweights)
    )


NOT_BOOL = {"undeclared": False, "skip_dtypes": ("bool",)}


@samples("cov", ref=numpy_cov, wide=True, frozen=("aweights",), **NOT_BOOL)
def _(make):
    yield make(3, 5), {}
    yield make(5), {"correction": 0}
    yield make(5, 3).transpose(0, 1), {}
    weights = make.tensor([1, 2, 1, 3, 1], dtype="int64")
    yield make(2, 5), {"fweights": weights}
    yield make(2, 5), {"aweights": make.tensor([0.5, 1.0, 2.0, 1.0, 0.25])}
    yield make(2, 5), {"fweights": weights, "aweights": make.tensor([0.5, 1.0, 2.0, 1.0, 0.25])}
    yield error(make(2, 2, 2), {}, clew.ShapeError, "cov: expected at most two dimensions")


@samples("corrcoef", ref=lambda x: np.asarray(np.corrcoef(np.asarray(x, np.float64))), wide=True, **NOT_BOOL)
def _(make):
    x = make.tensor([[1, 2, 4, 3], [3, 1, 2, 5], [0, 2, 1, 1]])
    yield plain(x)
    if make.floating:
        yield make(3, 5), {}


@samples(
    "bincount",
    ref=lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength),
    data_dependent=True,
    frozen=("weights",),
)
def _(make):
    yield plain(make(9, low=0, high=5))
    yield plain(make(9, low=0, high=5), {"minlength": 8})
    yield plain(make(0))
    yield plain(make(4, low=0, high=3), {"weights": make.tensor([0.5, 1.0, 2.0, -1.0], dtype="float32")})
    if make.signed:
        yield error(make.tensor([1, -1]), {}, ValueError, "bincount: expected values >= 0, got -1")
    yield error(make(2, 2), {}, clew.ShapeError, "bincount: expected a vector")


def numpy_histc(x, bins=100, min=0, max=0):
    limits = (np.min(x), np.max(x)) if min == max else (min, max)
    return np.histogram(x, bins, limits)[0].astype(np.float64)


@samples("histc", ref=numpy_histc, data_dependent=True)
def _(make):
    # Away from the edges of bins, where the narrow dtypes round.
    x = make.tensor([[0.1, 0.6, 1.1], [1.7, 2.2, 2.4]])
    yield plain(x, {"bins": 5, "min": 0, "max": 2.5})
    yield plain(x.transpose(0, 1), {"bins": 3, "min": 1, "max": 4})
    yield error(x, {"bins": 0}, ValueError, "histc: expected bins > 0, got 0")
    yield error(x, {"min": 2, "max": 1}, ValueError, "histc: expected min < max")


def numpy_search(s, x, out_int32=False, right=False):
    s, x = np.asarray(s), np.asarray(x)
    side = "right" if right else "left"
    if s.ndim == 1:
        return np.asarray(np.searchsorted(s, x, side))
    out = np.empty(x.shape, np.int64)
    for row in np.ndindex(s.shape[:-1]):
        out[row] = np.searchsorted(s[row], x[row], side)
    return out


@samples("searchsorted", ref=numpy_search)
def _(make):
    s = make.tensor([0, 1, 1, 2, 3]) if make.name != "bool" else make.tensor([0, 0, 1])
    yield (s, make(3, 4)), {}
    yield (s, make(4, 3).transpose(0, 1)), {"right": True}
    yield (s, make()), {"out_int32": True}
    yield (s, make(0, 3)), {}
    yield (clew.stack([s, s]), make(2, 4)), {}
    yield error((make(), make(3)), {}, clew.ShapeError, "searchsorted: expected a sequence with dimensions")
    yield error((make(2, 3), make(3, 3)), {}, clew.ShapeError, "searchsorted: expected a sorted vector")


@samples("bucketize", ref=lambda x, s, out_int32=False, right=False: numpy_search(s, x, out_int32, right))
def _(make):
    s = make.tensor([0, 1, 1, 2, 3]) if make.name != "bool" else make.tensor([0, 0, 1])
    yield (make(3, 4), s), {}
    yield (make(4, 3).transpose(0, 1), s), {"right": True}
    yield error((make(3), make(2, 3)), {}, clew.ShapeError, "bucketize: expected boundaries to be a vector")


@samples("isin", ref=lambda x, y, assume_unique=False, invert=False: np.isin(x, y, invert=invert))
def _(make):
    x = make(3, 4)
    yield (x, x[1].clone()), {}
    yield (x.transpose(0, 1), make(3)), {"invert": True}
    yield (x, make(0)), {}
    yield (make(0), make(3)), {}


def numpy_unique(x, dim, consecutive):
    x = np.asarray(x)
    if consecutive:
        rows = np.moveaxis(x, dim, 0) if dim is not None else x.reshape(-1)
        new = np.array([i == 0 or np.any(rows[i] != rows[i - 1]) for i in range(len(rows))], bool)
        starts = np.flatnonzero(new)
        values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
        inverse = np.cumsum(new) - 1
        return values, inverse.reshape(x.shape) if dim is None else inverse, np.diff([*starts, len(rows)])
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    return values, inverse.reshape(x.shape) if dim is None else inverse.reshape(-1), counts


@samples("unique_runs", ref=numpy_unique, data_dependent=True)
def _(make):
    few = make.tensor([[1, 0, 1], [1, 0, 1], [0, 1, 1]])
    for consecutive in (False, True):
        yield plain((make(3, 4), None, consecutive))
        yield plain((few, None, consecutive))
        yield plain((few.transpose(0, 1), 0, consecutive))
        yield plain((few, 1, consecutive))
        yield plain((make(), None, consecutive))
        yield plain((make(0), None, consecutive))
    yield error((few, 2, False), {}, IndexError, "unique: expected dim in [-2, 1], got 2")


def numpy_cumprod(x, dim, dtype=None):
    x = np.asarray(x)
    return (
        x.astype(KEPT.get(x.dtype.name, x.dtype))
        if x.ndim == 0
        else np.cumprod(x, axis=dim, dtype=KEPT.get(x.dtype.name))
    )


@samples("cumprod", ref=numpy_cumprod)
def _(make):
    yield make(3, 4, low=0.5, high=1.5), {"dim": 0}
    yield make(2, 3, 4, low=0.5, high=1.5).transpose(0, 2), {"dim": 1}
    yield make(3, 8, low=0.5, high=1.5)[:, ::2], {"dim": -1}
    yield make(low=0.5, high=1.5), {"dim": 0}
    yield make(0, 3), {"dim": 0}
    yield make.tensor([[2.0, 0.0, 3.0, 0.0], [1.0, 2.0, 3.0, 0.5]]), {"dim": 1}
    yield error(make(2, 3), {"dim": 2}, IndexError, "cumprod: expected dim in [-2, 1], got 2")
