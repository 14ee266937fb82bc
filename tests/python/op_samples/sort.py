"""Samples of sorting."""

from __future__ import annotations

import numpy as np

from .core import error, plain, samples

NAN, INF = float("nan"), float("inf")


def order(x, dim, descending):
    """Stable; NaN counts as the greatest value."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    # Stable in descending order: sort the reversed array and mirror the positions.
    return x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)


def numpy_sort(x, dim=-1, descending=False, stable=False):
    x = np.asarray(x)
    if x.ndim == 0:
        return x, np.int64(0)
    at = order(x, dim, descending)
    return np.take_along_axis(x, at, dim), at


def sorting(name):
    def generate(make):
        yield make(3, 5), {}
        yield make(3, 5), {"dim": 0}
        yield make(3, 5), {"descending": True, "stable": True}
        yield make(2, 3, 4).transpose(0, 2), {"dim": 0}
        yield make(3, 8)[:, ::2], {"descending": True, "stable": True}
        yield make(), {}
        yield make(0, 3), {"dim": 0}
        yield make(0, 3), {"dim": 1}
        yield make(1, 2, 1, 2, 1, 3, 1), {"dim": 5}
        # Ties keep their order.
        yield plain(make.tensor([1, 0, 1, 0, 1, 1, 0]), {"stable": True})
        yield plain(make(3, 200), {"stable": True})
        if make.floating:
            yield plain(make.tensor([NAN, 1.0, -INF, NAN, INF, 0.0]), {"stable": True})
            yield plain(make.tensor([NAN, 1.0, -INF, INF, 0.0]), {"descending": True, "stable": True})
        yield error(make(2, 3), {"dim": 2}, IndexError, f"{name}: expected dim in [-2, 1], got 2")

    return generate


# Ours is always stable; PyTorch's is so only on request, which its argsort takes by keyword as well.
samples("sort", ref=numpy_sort, torch=False)(sorting("sort"))
samples("argsort", ref=lambda *a, **k: numpy_sort(*a, **k)[1], torch=False)(sorting("argsort"))


def numpy_topk(x, k, dim=-1, largest=True, sorted=True):
    x = np.asarray(x)
    if x.ndim == 0:
        return x, np.int64(0)
    at = np.take(order(x, dim, largest), np.arange(k), axis=dim)
    return np.take_along_axis(x, at, dim), at


@samples("topk", ref=numpy_topk, torch=False)
def _(make):
    yield (make(3, 5), 2), {}
    yield (make(3, 5), 2), {"dim": 0}
    yield (make(3, 5), 3), {"largest": False}
    yield (make(5, 3).transpose(0, 1), 5), {}
    yield (make(3, 8)[:, ::2], 1), {}
    yield (make(3, 5), 0), {}
    yield (make(), 1), {}
    yield (make(0, 3), 2), {}
    yield (make(1, 2, 1, 2, 1, 3, 1), 2), {"dim": 5}
    yield plain((make(2, 300), 7))
    yield error((make(3, 5), 6), {}, (ValueError, IndexError, RuntimeError), "topk: expected")
    yield error((make(3, 5), -1), {}, (ValueError, IndexError, RuntimeError), "topk: expected")
    yield error((make(3, 5), 2), {"dim": 2}, IndexError, "topk: expected dim in [-2, 1], got 2")
