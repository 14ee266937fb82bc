"""Samples of softmax and the normalizations."""

from __future__ import annotations

import numpy as np

import clew

from .core import case, error, plain, samples

INF = float("inf")


def numpy_softmax(x, dim, dtype=None):
    x = np.asarray(x, np.float64)
    if x.ndim == 0:
        return np.ones(())
    y = np.exp(x - np.max(x, axis=dim, keepdims=True, initial=-np.inf))
    return y / y.sum(axis=dim, keepdims=True)


def numpy_log_softmax(x, dim, dtype=None):
    x = np.asarray(x, np.float64)
    if x.ndim == 0:
        return np.zeros(())
    y = x - np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    return y - np.log(np.exp(y).sum(axis=dim, keepdims=True))


def softmaxes(name):
    def generate(make):
        yield make(3, 5), {"dim": 1}
        yield make(3, 5), {"dim": 0}
        yield make(2, 3, 4), {"dim": -2}
        yield make(2, 3, 4).transpose(0, 2), {"dim": 0}
        yield make(3, 8)[:, ::2], {"dim": 1}
        yield make(0, 4), {"dim": 1}
        yield make(4, 0), {"dim": 1}
        yield make(), {"dim": 0}
        yield make(1, 2, 1, 2, 1, 3, 1), {"dim": 5}
        yield plain(make(3, 300), {"dim": 1})
        yield plain(make(37, 19), {"dim": 0})
        # Shifted by the maximum, so that nothing overflows.
        yield plain(make.tensor([[1000.0, 1000.0, 0.0], [-1000.0, -1000.0, 0.0]]), {"dim": 1})
        if make.floating:
            yield plain(make.tensor([[0.0, -INF, 1.0]]), {"dim": 1})
        yield case(make(3, 4, dtype="int64"), {"dim": 1, "dtype": make.dtype})
        yield make(3, 4), {"dim": 1, "dtype": clew.float64}
        yield error(make(3), {"dim": 2}, IndexError, f"{name}: expected dim in [-1, 0], got 2")
        yield error(
            make(3, dtype="int64"),
            {"dim": 0},
            clew.DTypeError,
            f"{name}: expected a floating dtype, got int64",
        )

    return generate


samples(
    "softmax",
    ref=numpy_softmax,
    undeclared=False,
    skip_dtypes=("bool", "uint8", "int8", "int16", "int32", "int64"),
)(softmaxes("softmax"))
samples(
    "log_softmax",
    ref=numpy_log_softmax,
    undeclared=False,
    skip_dtypes=("bool", "uint8", "int8", "int16", "int32", "int64"),
)(softmaxes("log_softmax"))


def softmax_grads(name):
    def generate(make):
        yield (make(3, 4), make(3, 4, low=0.1, high=0.4)), {"dim": 1}
        yield (make(3, 4), make(4, 3, low=0.1, high=0.4).transpose(0, 1)), {"dim": 0}
        yield (make(2, 8)[:, ::2], make(2, 4, low=0.1, high=0.4)), {"dim": -1}
        yield (make(), make(low=0.1, high=0.4)), {"dim": 0}
        yield (make(0, 3), make(0, 3)), {"dim": 1}
        yield plain((make(3, 300), make(3, 300, low=0, high=0.01)), {"dim": 1})
        yield error(
            (make(3, 4), make(3, 5)), {"dim": 1}, clew.ShapeError, f"{name}: expected grad_output of shape"
        )
        yield error((make(3), make(3)), {"dim": 1}, IndexError, f"{name}: expected dim in [-1, 0], got 1")

    return generate


def sum_over(x, dim):
    return x if x.ndim == 0 else x.sum(axis=dim, keepdims=True)


samples("softmax_grad", ref=lambda g, y, dim: y * (g - sum_over(g * y, dim)), wide=True, torch=False)(
    softmax_grads("softmax_grad")
)
samples("log_softmax_grad", ref=lambda g, y, dim: g - np.exp(y) * sum_over(g, dim), wide=True, torch=False)(
    softmax_grads("log_softmax_grad")
)


# --- layer normalization ---------------------------------------------------------------------------


def numpy_layer_norm_stats(x, normalized_dims, weight, bias, eps):
    axis = tuple(range(x.ndim - normalized_dims, x.ndim))
    mean = x.mean(axis=axis, keepdims=True)
    rstd = 1 / np.sqrt(np.square(x - mean).mean(axis=axis, keepdims=True) + eps)
    y = (x - mean) * rstd
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, rstd


def numpy_layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    return numpy_layer_norm_stats(x, len(normalized_shape), weight, bias, eps)[0]


@samples("layer_norm", ref=numpy_layer_norm, wide=True)
def _(make):
    yield (make(3, 5), (5,)), {}
    yield (make(3, 5), (5,), make(5), make(5)), {}
    yield (make(2, 3, 4), (3, 4), make(3, 4), make(3, 4)), {"eps": 1e-3}
    yield (make(3, 5), (5,)), {"bias": make(5)}
    yield (make(3, 5), (5,)), {"weight": make(5)}
    yield (make(5, 3).transpose(0, 1), (5,), make(10)[::2], make(5)), {}
    yield (make(5), (5,), make(5), make(5)), {}
    yield (make(0, 5), (5,), make(5), make(5)), {}
    yield (make(1, 2, 1, 2, 1, 1, 3), (3,), make(3), make(3)), {}
    yield plain((make(3, 300), (300,), make(300), make(300)))
    yield error((make(3, 5), (4,)), {}, clew.ShapeError, "layer_norm: expected input whose last sizes are")
    yield error(
        (make(3, 5), ()), {}, ValueError, "layer_norm: expected normalized_shape with at least one size"
    )
    yield error((make(3, 5), (5,), make(4)), {}, clew.ShapeError, "layer_norm: expected weight of shape")


@samples("layer_norm_stats", ref=numpy_layer_norm_stats, wide=True, torch=False)
def _(make):
    yield (make(3, 5), 1, None, None, 1e-5), {}
    yield (make(3, 5), 1, make(5), make(5), 1e-5), {}
    yield (make(2, 3, 2), 2, make(3, 2), make(3, 2), 1e-5), {}
    yield (make(5, 3).transpose(0, 1), 1, make(10)[::2], make(5), 1e-5), {}
    yield (make(0, 5), 1, make(5), make(5), 1e-5), {}
    yield error(
        (make(3, 5), 3, None, None, 1e-5), {}, ValueError, "layer_norm: expected to normalize between 1 and 2"
    )
    yield error(
        (make(3, 5), 1, None, make(3), 1e-5), {}, clew.ShapeError, "layer_norm: expected bias of shape"
    )


def numpy_norm_grad(g, x, mean, rstd, weight, axis, rows, channel):
    """Gradients of y = hat * weight + bias, from the definition."""
    w = 1 if weight is None else weight if channel is None else weight.reshape(channel)
    hat = (x - mean) * rstd
    gh = g * w
    dx = rstd * (gh - gh.mean(axis=axis, keepdims=True) - hat * (gh * hat).mean(axis=axis, keepdims=True))
    return dx, (g * hat).sum(axis=rows), g.sum(axis=rows)


def numpy_layer_norm_grad(g, x, mean, rstd, weight, k, input_grad, parameter_grads):
    axis, rows = tuple(range(x.ndim - k, x.ndim)), tuple(range(x.ndim - k))
    dx, dw, db = numpy_norm_grad(g, x, mean, rstd, weight, axis, rows, None)
    none = np.zeros(0)
    return dx if input_grad else none, dw if parameter_grads else none, db if parameter_grads else none


@samples("layer_norm_grad", ref=numpy_layer_norm_grad, wide=True, torch=False)
def _(make):
    for x, g in ((make(3, 5), make(3, 5)), (make(5, 3).transpose(0, 1), make(3, 10)[:, ::2])):
        _, mean, rstd = clew.ops.layer_norm_stats(x, 1, None, None, 1e-5)
        yield (g, x, mean, rstd, make(5), 1, True, True), {}
        yield (g, x, mean, rstd, None, 1, True, False), {}
        yield (g, x, mean, rstd, make(5), 1, False, True), {}
    x = make(2, 3, 4)
    _, mean, rstd = clew.ops.layer_norm_stats(x, 2, None, None, 1e-5)
    yield (make(2, 3, 4), x, mean, rstd, make(3, 4), 2, True, True), {}
    yield error(
        (make(2, 3), x, mean, rstd, None, 2, True, True), {}, clew.ShapeError, "layer_norm_grad: expected"
    )


# --- batch normalization ---------------------------------------------------------------------------


def per_channel(t, x):
    return t.reshape((1, -1) + (1,) * (x.ndim - 2))


def numpy_batch_norm_stats(x, weight, bias, eps):
    axis = (0, *range(2, x.ndim))
    mean, var = x.mean(axis=axis), x.var(axis=axis)
    y = (x - per_channel(mean, x)) / np.sqrt(per_channel(var, x) + eps)
    y = y if weight is None else y * per_channel(weight, x)
    return y if bias is None else y + per_channel(bias, x), mean, var


def numpy_batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    if training:
        return numpy_batch_norm_stats(x, weight, bias, eps)[0]
    y = (x - per_channel(running_mean, x)) / np.sqrt(per_channel(running_var, x) + eps)
    y = y if weight is None else y * per_channel(weight, x)
    return y if bias is None else y + per_channel(bias, x)


# The running statistics are state, not inputs to differentiate: tests/python/test_nn.py follows them.
@samples("batch_norm", ref=numpy_batch_norm, wide=True, frozen=(1, 2))
def _(make):
    yield (make(4, 3), None, None), {"training": True}
    yield (make(4, 3), None, None, make(3), make(3)), {"training": True}
    yield (make(2, 3, 2, 2), None, None, make(3), make(3)), {"training": True, "eps": 1e-3}
    yield (make(3, 4).transpose(0, 1), None, None, make(6)[::2], make(3)), {"training": True}
    mean, var = make(3), make(3, low=0.5, high=2)
    yield (make(4, 3), mean, var), {}
    yield (make(2, 3, 2), mean, var, make(3), make(3)), {}
    yield (make(3, 4).transpose(0, 1), mean, var, None, make(3)), {}
    yield (make(0, 3), mean, var), {}
    yield (make(2, 2, 1, 1, 2, 1, 1), None, None, make(2), make(2)), {"training": True}
    yield error(
        (make(1, 3), None, None),
        {"training": True},
        ValueError,
        "batch_norm: expected more than 1 value per channel",
    )
    yield error((make(4, 3), None, None), {}, ValueError, "batch_norm: expected running_mean and running_var")
    yield error(
        (make(4, 3), make(2), var), {}, clew.ShapeError, "batch_norm: expected running_mean of shape (3,)"
    )
    yield error((make(3), mean, var), {}, clew.ShapeError, "batch_norm: expected input of shape (N, C)")


@samples("batch_norm_stats", ref=numpy_batch_norm_stats, wide=True, torch=False)
def _(make):
    yield (make(4, 3), None, None, 1e-5), {}
    yield (make(4, 3), make(3), make(3), 1e-5), {}
    yield (make(2, 2, 2, 2), make(2), make(2), 1e-5), {}
    yield (make(3, 4).transpose(0, 1), make(6)[::2], make(3), 1e-5), {}
    yield error(
        (make(4, 3), make(2), None, 1e-5), {}, clew.ShapeError, "batch_norm: expected weight of shape"
    )


def numpy_batch_norm_grad(g, x, mean, var, weight, eps, input_grad, parameter_grads):
    axis = (0, *range(2, x.ndim))
    rstd = 1 / np.sqrt(per_channel(var, x) + eps)
    channel = (1, -1) + (1,) * (x.ndim - 2)
    dx, dw, db = numpy_norm_grad(g, x, per_channel(mean, x), rstd, weight, axis, axis, channel)
    none = np.zeros(0)
    return dx if input_grad else none, dw if parameter_grads else none, db if parameter_grads else none


@samples("batch_norm_grad", ref=numpy_batch_norm_grad, wide=True, torch=False)
def _(make):
    for x, g in (
        (make(4, 3), make(4, 3)),
        (make(3, 4).transpose(0, 1), make(4, 6)[:, ::2]),
        (make(2, 3, 2), make(2, 3, 2)),
    ):
        _, mean, var = clew.ops.batch_norm_stats(x, None, None, 1e-5)
        yield (g, x, mean, var, make(3), 1e-5, True, True), {}
        yield (g, x, mean, var, None, 1e-5, True, False), {}
        yield (g, x, mean, var, make(3), 1e-5, False, True), {}
    yield error(
        (make(4, 2), make(4, 3), mean, var, None, 1e-5, True, True),
        {},
        clew.ShapeError,
        "batch_norm_grad: expected",
    )


@samples("channel_affine", ref=lambda x, a, b: x * per_channel(a, x) + per_channel(b, x), torch=False)
def _(make):
    yield (make(4, 3), make(3), make(3)), {}
    yield (make(2, 3, 2, 2), make(3), make(3)), {}
    yield (make(3, 4).transpose(0, 1), make(6)[::2], make(3)), {}
    yield (make(0, 3), make(3), make(3)), {}
    yield error(
        (make(4, 3), make(2), make(3)), {}, clew.ShapeError, "channel_affine: expected scale of shape"
    )


def numpy_normalize(x, p=2.0, dim=1, eps=1e-12):
    axes = tuple(dim) if not isinstance(dim, int) else (dim,)
    length = np.sum(np.abs(x) ** p, axis=axes, keepdims=True) ** (1 / p)
    return x / np.maximum(length, eps)


@samples("normalize", ref=numpy_normalize, wide=True)
def _(make):
    yield make(3, 4), {}
    yield make(2, 3, 4), {"p": 1.0, "dim": -1}
    yield make(2, 3, 4), {"dim": (0, 2)}
    yield make(4, 3).transpose(0, 1), {"p": 3.0, "dim": 0}
    # PyTorch divides by zero in float16, where eps is 0.
    yield case(make.tensor([[0.0, 0.0]]), grad=False, torch=False)
    yield error(make(3), {}, IndexError, "expected dim")
