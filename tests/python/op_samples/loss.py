"""Samples of losses."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, samples
from .norm import numpy_log_softmax


def reduced(losses, reduction, count=None):
    if reduction == "none":
        return losses
    total = np.sum(losses)
    return total if reduction == "sum" else total / (losses.size if count is None else count)


def numpy_nll_loss(x, target, weight=None, ignore_index=-100, reduction="mean"):
    classes = x.shape[0 if x.ndim == 1 else 1]
    weight = np.ones(classes) if weight is None else weight
    counted = target != ignore_index
    at = np.where(counted, target, 0)
    factor = weight[at] * counted
    if x.ndim == 1:
        picked = x[at]
    else:
        picked = np.take_along_axis(x, np.expand_dims(at, 1), 1).squeeze(1)
    losses = np.where(counted, -factor * picked, 0.0)
    return reduced(losses, reduction, factor.sum())


def numpy_cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    dim = 0 if x.ndim == 1 else 1
    logp = numpy_log_softmax(x, dim)
    classes = x.shape[dim]
    shape = [1] * x.ndim
    shape[dim] = classes
    w = np.ones(classes) if weight is None else weight
    if x.ndim > 0 and x.shape == target.shape:
        p = (1 - label_smoothing) * target + label_smoothing / classes
        losses = -np.sum(w.reshape(shape) * p * logp, axis=dim)
        return reduced(losses, reduction, max(losses.size, 1))
    hard = numpy_nll_loss(logp, target, weight, ignore_index, reduction)
    if label_smoothing == 0:
        return hard
    counted = target != ignore_index
    smooth = -np.sum(w.reshape(shape) * logp, axis=dim) * counted
    total = np.sum(w[np.where(counted, target, 0)] * counted)
    return (1 - label_smoothing) * hard + label_smoothing / classes * reduced(smooth, reduction, total)


@samples("nll_loss", ref=numpy_nll_loss, wide=True, frozen=(2, "weight"))
def _(make):
    for reduction in ("mean", "sum", "none"):
        yield (make(3, 4), make.index(3, high=4)), {"reduction": reduction}
        yield (make(3, 4), make.index(3, high=4), make(4, low=0.5, high=2)), {"reduction": reduction}
        yield (make(3, 4), make.tensor([1, -100, 3], dtype="int64")), {"reduction": reduction}
    yield (make(2, 3, 2), make.index(2, 2, high=3)), {}
    yield (make(4), make.tensor(2, dtype="int64")), {}
    yield (make(4, 3).transpose(0, 1), make.index(6, high=4)[::2]), {}
    yield (make(0, 4), make.index(0, high=4)), {"reduction": "none"}
    yield (make(3, 4), make.tensor([1, 0, 3], dtype="int64")), {"ignore_index": 0}
    yield error((make(3, 4), make.tensor([0, 1, 4], dtype="int64")), {}, IndexError, "nll_loss: expected")
    yield error(
        (make(3, 4), make.index(2, high=4)), {}, clew.ShapeError, "nll_loss: expected target of shape"
    )
    yield error(
        (make(3, 4), make.index(3, high=4)), {"reduction": "max"}, ValueError, "nll_loss: expected reduction"
    )
    yield error(
        (make(3, 4), make.index(3, high=4), make(3)),
        {},
        clew.ShapeError,
        "nll_loss: expected weight of shape",
    )
    yield error(
        (make(3, 4), make(3, dtype="float32")),
        {},
        clew.DTypeError,
        "nll_loss: expected target of dtype int64",
    )


@samples("cross_entropy", ref=numpy_cross_entropy, wide=True, frozen=(2, "weight"))
def _(make):
    for reduction in ("mean", "sum", "none"):
        yield (make(3, 4), make.index(3, high=4)), {"reduction": reduction}
        yield (make(3, 4), make.index(3, high=4), make(4, low=0.5, high=2)), {"reduction": reduction}
        yield (make(3, 4), make.tensor([1, -100, 3], dtype="int64")), {"reduction": reduction}
        yield (make(3, 4), make.index(3, high=4)), {"reduction": reduction, "label_smoothing": 0.1}
        yield (make(3, 4), make(3, 4, low=0, high=1)), {"reduction": reduction, "label_smoothing": 0.1}
    yield (
        (make(3, 4), make.tensor([1, -100, 3], dtype="int64"), make(4, low=0.5, high=2)),
        {"label_smoothing": 0.2},
    )
    yield (make(3, 4), make(3, 4, low=0, high=1), make(4, low=0.5, high=2)), {}
    yield (make(2, 3, 2), make.index(2, 2, high=3)), {}
    yield (make(4), make.tensor(2, dtype="int64")), {}
    yield (make(4, 3).transpose(0, 1), make.index(6, high=4)[::2]), {}
    yield (make(0, 4), make.index(0, high=4)), {"reduction": "sum"}
    yield case((make(5, 40), make.index(5, high=40)), grad=False)
    yield error(
        (make(3, 4), make.tensor([0, 1, 4], dtype="int64")), {}, IndexError, "cross_entropy: expected"
    )
    yield error(
        (make(3, 4), make.tensor([0, 1, -1], dtype="int64")), {}, IndexError, "cross_entropy: expected"
    )
    yield error(
        (make(3, 4), make.index(2, high=4)), {}, clew.ShapeError, "cross_entropy: expected target of shape"
    )
    yield error(
        (make(3, 4), make.index(3, high=4)),
        {"reduction": "max"},
        ValueError,
        "cross_entropy: expected reduction",
    )
    yield error(
        (make(3, 4), make.index(3, high=4)),
        {"label_smoothing": 1.5},
        ValueError,
        "cross_entropy: expected label_smoothing",
    )


def numpy_rows(x, target, weight, ignore_index, reduction):
    top = x.max(axis=1)
    lse = np.log(np.exp(x - top[:, None]).sum(axis=1)) + top if x.size else np.zeros(x.shape[0])
    return numpy_nll_loss(x - lse[:, None], target, weight, ignore_index, reduction), lse


@samples("cross_entropy_rows", ref=numpy_rows, wide=True, frozen=(2,), torch=False)
def _(make):
    for reduction in ("mean", "sum", "none"):
        yield (make(3, 4), make.index(3, high=4), None, -100, reduction), {}
        yield (
            (make(3, 4), make.tensor([1, -100, 3], dtype="int64"), make(4, low=0.5, high=2), -100, reduction),
            {},
        )
    yield (make(4, 3).transpose(0, 1), make.index(6, high=4)[::2], None, -100, "mean"), {}
    yield error(
        (make(4), make.tensor(1, dtype="int64"), None, -100, "mean"),
        {},
        clew.ShapeError,
        "cross_entropy: expected",
    )
    yield error(
        (make(2, 4), make.tensor([0, 9], dtype="int64"), None, -100, "mean"),
        {},
        IndexError,
        "cross_entropy: expected",
    )


def numpy_rows_grad(g, x, target, weight, lse, ignore_index, reduction):
    weight = np.ones(x.shape[1]) if weight is None else weight
    counted = target != ignore_index
    at = np.where(counted, target, 0)
    factor = weight[at] * counted
    if reduction == "mean":
        factor = factor / factor.sum()
    p = np.exp(x - lse[:, None])
    p[np.arange(len(at)), at] -= 1
    return p * (factor * g)[:, None]


@samples("cross_entropy_rows_grad", ref=numpy_rows_grad, wide=True, torch=False)
def _(make):
    x, target = make(3, 4), make.tensor([1, -100, 3], dtype="int64")
    lse = clew.ops.cross_entropy_rows(x, target, None, -100, "sum")[1]
    weight = make(4, low=0.5, high=2)
    for w in (None, weight):
        yield (make(), x, target, w, lse, -100, "mean"), {}
        yield (make(), x, target, w, lse, -100, "sum"), {}
        yield (make(3), x, target, w, lse, -100, "none"), {}
    yield error(
        (make(2), x, target, None, lse, -100, "none"),
        {},
        clew.ShapeError,
        "cross_entropy_rows_grad: expected",
    )


def differences(name):
    def generate(make):
        for reduction in ("mean", "sum", "none"):
            yield (make(3, 4), make(3, 4)), {"reduction": reduction}
        yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2]), {}
        yield (make(), make()), {}
        yield (make(0, 3), make(0, 3)), {"reduction": "sum"}
        yield (make(1, 2, 1, 2, 1, 2, 1), make(1, 2, 1, 2, 1, 2, 1)), {}
        yield error((make(3), make(4)), {}, clew.ShapeError, "expected")
        yield error((make(3), make(3)), {"reduction": "max"}, ValueError, f"{name}: expected reduction")

    return generate


samples("mse_loss", ref=lambda x, t, reduction="mean": reduced(np.square(x - t), reduction), wide=True)(
    differences("mse_loss")
)
samples("l1_loss", ref=lambda x, t, reduction="mean": reduced(np.abs(x - t), reduction), wide=True)(
    differences("l1_loss")
)


def numpy_bce_with_logits(x, target, weight=None, pos_weight=None, reduction="mean"):
    positive = 1 if pos_weight is None else pos_weight
    losses = positive * target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)
    return reduced(losses if weight is None else losses * weight, reduction)


@samples("binary_cross_entropy_with_logits", ref=numpy_bce_with_logits, wide=True)
def _(make):
    def target(*shape):
        return make(*shape, low=0, high=1)

    for reduction in ("mean", "sum", "none"):
        yield (make(3, 4), target(3, 4)), {"reduction": reduction}
    yield (make(3, 4), target(3, 4)), {"weight": make(4, low=0.5, high=2)}
    yield (
        (make(3, 4), target(3, 4)),
        {"pos_weight": make(4, low=0.5, high=2), "weight": make(3, 1, low=0.5, high=2)},
    )
    yield (make(4, 3).transpose(0, 1), target(3, 8)[:, ::2]), {}
    yield (make(), target()), {}
    yield (make(0, 3), target(0, 3)), {"reduction": "sum"}
    yield case((make(4, low=-80, high=80), target(4)), grad=False)
    yield error(
        (make(3), target(4)), {}, clew.ShapeError, "binary_cross_entropy_with_logits: expected target"
    )
    yield error(
        (make(3), target(3)),
        {"reduction": "max"},
        ValueError,
        "binary_cross_entropy_with_logits: expected reduction",
    )


def numpy_bce(x, target, weight=None, reduction="mean"):
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
    losses = -target * yes - (1 - target) * no
    return reduced(losses if weight is None else losses * weight, reduction)


@samples("binary_cross_entropy", ref=numpy_bce, wide=True)
def _(make):
    def unit(*shape):
        return make(*shape, low=0.1, high=0.9)

    for reduction in ("mean", "sum", "none"):
        yield (unit(3, 4), unit(3, 4)), {"reduction": reduction}
    yield (unit(3, 4), unit(3, 4)), {"weight": make(4, low=0.5, high=2)}
    yield (unit(4, 3).transpose(0, 1), unit(3, 8)[:, ::2]), {}
    yield (unit(), unit()), {}
    yield (unit(0, 3), unit(0, 3)), {"reduction": "sum"}
    # PyTorch rounds the least denominator of the gradient to float32.
    yield case(
        (make.tensor([0.0, 1.0, 0.0]), make.tensor([0.0, 0.0, 1.0])),
        {"reduction": "none"},
        grad=False,
        torch=False,
    )
    yield error((unit(3), unit(4)), {}, clew.ShapeError, "binary_cross_entropy: expected target")
    yield error(
        (unit(3), unit(3)), {"reduction": "max"}, ValueError, "binary_cross_entropy: expected reduction"
    )
    yield error(
        (unit(3), unit(3)), {"weight": unit(2, 3)}, clew.ShapeError, "binary_cross_entropy: expected weight"
    )
    yield error(
        (make.tensor([1.5]), unit(1)),
        {},
        ValueError,
        "binary_cross_entropy: expected probabilities in [0, 1]",
    )


@samples("binary_cross_entropy_each", ref=lambda x, t: numpy_bce(x, t, None, "none"), wide=True, torch=False)
def _(make):
    yield (make(3, 4, low=0.1, high=0.9), make(3, 4, low=0, high=1)), {}
    yield error((make(3), make(4)), {}, clew.ShapeError, "binary_cross_entropy: expected target")


def numpy_cosine_similarity(x1, x2, dim=1, eps=1e-8):
    x1, x2 = np.broadcast_arrays(x1, x2)

    def unit(x):
        return x / np.maximum(np.sqrt(np.sum(x * x, axis=dim, keepdims=True)), eps)

    return np.sum(unit(x1) * unit(x2), axis=dim)


@samples("cosine_similarity", ref=numpy_cosine_similarity, wide=True)
def _(make):
    yield (make(3, 4), make(3, 4)), {}
    yield (make(2, 3, 4), make(3, 1)), {"dim": -2}
    yield (make(4), make(4)), {"dim": 0}
    yield (make(4, 3).transpose(0, 1), make(3, 8)[:, ::2]), {}
    # PyTorch divides by zero in float16, where eps is 0.
    yield case((make.tensor([[0.0, 0.0]]), make(1, 2)), grad=False, torch=False)
    yield error((make(3, 4), make(3, 5)), {}, clew.ShapeError, "cosine_similarity: expected")
    yield error((make(3), make(3)), {}, IndexError, "cosine_similarity: expected dim")
