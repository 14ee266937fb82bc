"""Samples of convolution and pooling, against plain loops."""

from __future__ import annotations

import itertools

import numpy as np

import clew

from .core import error, plain, samples


def pair(x) -> tuple:
    return (x, x) if isinstance(x, int) else tuple(x) * (2 // len(x))


def batched(f):
    """Calls `f` with a batch dimension and drops it again if there was none."""

    def reference(x, *args, **kwargs):
        if x.ndim == 4:
            return f(x, *args, **kwargs)
        y = f(x[None], *args, **kwargs)
        return tuple(a[0] for a in y) if isinstance(y, tuple) else y[0]

    return reference


def numpy_conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if x.ndim == 3:
        return numpy_conv2d(x[None], weight, bias, stride, padding, dilation, groups)[0]
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    n, c, h, w = x.shape
    o, cg, kh, kw = weight.shape
    oh, ow = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    y = np.zeros((n, o, oh, ow))
    for g, i, j in itertools.product(range(groups), range(kh), range(kw)):
        rows, columns = (
            slice(i * dh, i * dh + sh * (oh - 1) + 1, sh),
            slice(j * dw, j * dw + sw * (ow - 1) + 1, sw),
        )
        part = x[:, g * cg : (g + 1) * cg, rows, columns]
        of = slice(g * (o // groups), (g + 1) * (o // groups))
        y[:, of] += np.einsum("nchw,oc->nohw", part, weight[of, :, i, j])
    return y if bias is None else y + bias[:, None, None]


def linear_transpose(f, shape, g):
    """The transpose of the linear map `f` from arrays of `shape`, applied to `g`."""
    out = np.zeros(shape)
    for at in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[at] = 1
        out[at] = np.sum(f(unit) * g)
    return out


def numpy_input_grad(g, weight, input_size, stride, padding, dilation, groups):
    return linear_transpose(
        lambda x: numpy_conv2d(x, weight, None, stride, padding, dilation, groups), input_size, g
    )


def numpy_weight_grad(g, x, weight_size, stride, padding, dilation, groups):
    return linear_transpose(
        lambda w: numpy_conv2d(x, w, None, stride, padding, dilation, groups), weight_size, g
    )


@samples("conv2d", ref=numpy_conv2d, wide=True)
def _(make):
    yield (make(2, 2, 3, 3), make(2, 2, 2, 2)), {}
    yield (make(1, 2, 4, 3), make(2, 2, 3, 2), make(2)), {"stride": 2, "padding": 1}
    yield (make(1, 2, 4, 4), make(4, 1, 2, 2), make(4)), {"groups": 2}
    yield (make(1, 2, 3, 3), make(2, 1, 3, 3)), {"groups": 2, "padding": 1}
    yield (make(1, 1, 5, 5), make(1, 1, 2, 2)), {"dilation": 2, "stride": (1, 2), "padding": (1, 0)}
    yield (make(2, 3, 3), make(2, 2, 1, 1), make(2)), {}
    yield (make(2, 3, 2, 2), make(2, 3, 1, 1), make(2)), {}
    yield (make(3, 2, 3, 1).transpose(0, 3), make(2, 2, 2, 2).transpose(0, 1), make(4)[::2]), {}
    yield (make(0, 2, 3, 3), make(2, 2, 2, 2), make(2)), {}
    yield plain((make(2, 3, 9, 8, low=-1, high=1), make(5, 3, 3, 3, low=-1, high=1), make(5)), {"padding": 1})
    yield error(
        (make(1, 3, 4, 4), make(2, 2, 2, 2)),
        {},
        clew.ShapeError,
        "conv2d: expected input with 2 * 1 channels",
    )
    yield error(
        (make(1, 2, 2, 2), make(2, 2, 3, 3)), {}, clew.ShapeError, "conv2d: expected input at least as large"
    )
    yield error(
        (make(4, 4), make(2, 2, 3, 3)), {}, clew.ShapeError, "conv2d: expected input of shape (N, C, H, W)"
    )
    yield error(
        (make(1, 2, 4, 4), make(2, 2, 3, 3), make(3)),
        {},
        clew.ShapeError,
        "conv2d: expected bias of shape (2,)",
    )
    yield error(
        (make(1, 2, 4, 4), make(2, 2, 3, 3)), {"stride": 0}, ValueError, "conv2d: expected stride in [1,"
    )
    yield error(
        (make(1, 2, 4, 4), make(2, 2, 3, 3)), {"padding": -1}, ValueError, "conv2d: expected padding in [0,"
    )
    yield error(
        (make(1, 2, 4, 4), make(3, 1, 3, 3)),
        {"groups": 2},
        ValueError,
        "conv2d: expected groups > 0 that divides",
    )
    other = make(2, 2, 3, 3, dtype="float64" if make.name == "float32" else "float32")
    yield error(
        (make(1, 2, 4, 4), other), {}, clew.DTypeError, "conv2d: expected input and weight of one dtype"
    )


PARAMETERS = [(1, 0, 1, 1), (2, 1, 1, 1), (1, 1, 2, 1), (1, 0, 1, 2)]


def conv_grads(make):
    """(input, weight, output gradient, parameters)"""
    for stride, padding, dilation, groups in PARAMETERS:
        x, w = make(1, 2, 4, 4), make(2, 2 // groups, 2, 2)
        y = numpy_conv2d(
            np.zeros(tuple(x.shape)), np.zeros(tuple(w.shape)), None, stride, padding, dilation, groups
        )
        yield x, w, make(*y.shape), (stride, padding, dilation, groups)


@samples("conv2d_input_grad", ref=numpy_input_grad, wide=True, torch=False)
def _(make):
    for x, w, g, parameters in conv_grads(make):
        yield (g, w, tuple(x.shape), *parameters), {}
    yield (make(2, 2, 2), make(2, 2, 2, 2), (2, 3, 3), 1, 0, 1, 1), {}
    yield (make(0, 2, 2, 2), make(2, 2, 2, 2), (0, 2, 3, 3), 1, 0, 1, 1), {}
    yield (make(2, 2, 2, 1).transpose(0, 3), make(2, 2, 2, 2).transpose(0, 1), (1, 2, 3, 3), 1, 0, 1, 1), {}
    yield error(
        (make(1, 2, 3, 2), make(2, 2, 2, 2), (1, 2, 3, 3), 1, 0, 1, 1),
        {},
        clew.ShapeError,
        "conv2d_input_grad: expected",
    )


@samples("conv2d_weight_grad", ref=numpy_weight_grad, wide=True, torch=False)
def _(make):
    for x, w, g, parameters in conv_grads(make):
        yield (g, x, tuple(w.shape), *parameters), {}
    yield (make(2, 2, 2), make(2, 3, 3), (2, 2, 2, 2), 1, 0, 1, 1), {}
    yield (make(0, 2, 2, 2), make(0, 2, 3, 3), (2, 2, 2, 2), 1, 0, 1, 1), {}
    yield error(
        (make(1, 2, 3, 2), make(1, 2, 3, 3), (2, 2, 2, 2), 1, 0, 1, 1),
        {},
        clew.ShapeError,
        "conv2d_weight_grad: expected",
    )


# --- pooling ---------------------------------------------------------------------------------------


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """For each output position the positions in its window, and the window's size with padding."""
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * padding - extent
    n = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (n - 1) * stride >= size + padding:
        n -= 1
    for i in range(n):
        start = i * stride - padding
        every = [start + k * dilation for k in range(kernel)]
        padded = min(start + kernel, size + padding) - start
        yield [p for p in every if 0 <= p < size], padded


@batched
def numpy_max_pool2d_with_indices(x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    k, p, d = pair(kernel_size), pair(padding), pair(dilation)
    s = pair(stride) if stride not in ((), None) else k
    n, c, h, w = x.shape
    rows = list(windows(h, k[0], s[0], p[0], d[0], ceil_mode))
    columns = list(windows(w, k[1], s[1], p[1], d[1], ceil_mode))
    values = np.zeros((n, c, len(rows), len(columns)), x.dtype)
    indices = np.zeros(values.shape, np.int64)
    for b, ch, (i, (ys, _)), (j, (xs, _)) in itertools.product(
        range(n), range(c), enumerate(rows), enumerate(columns)
    ):
        window = x[b, ch][np.ix_(ys, xs)]
        at = int(np.argmax(window))  # NaN counts as greatest, the first of equals wins
        values[b, ch, i, j] = window.reshape(-1)[at]
        indices[b, ch, i, j] = ys[at // len(xs)] * w + xs[at % len(xs)]
    return values, indices


def max_pooling(name):
    def generate(make):
        yield (make(1, 2, 4, 4), 2), {}
        yield (make(1, 1, 5, 4), (3, 2)), {"stride": (2, 1), "padding": (1, 0)}
        yield (make(1, 1, 5, 5), 2), {"dilation": 2, "stride": 1}
        yield (make(1, 1, 5, 5), 2), {"ceil_mode": True}
        yield (make(2, 4, 4), 2), {}
        yield (make(4, 4, 2, 1).transpose(0, 3), 2), {}
        yield (make(0, 2, 4, 4), 2), {}
        if make.floating:
            x = make(1, 1, 2, 4)
            x[0, 0, 0, 1] = float("nan")
            yield plain((x, 2))
        yield error(
            (make(1, 1, 2, 2), 3), {}, clew.ShapeError, "max_pool2d: expected input at least as large"
        )
        yield error(
            (make(1, 1, 4, 4), 2), {"padding": 2}, ValueError, "max_pool2d: expected padding of at most half"
        )
        yield error((make(4, 4), 2), {}, clew.ShapeError, "max_pool2d: expected input of shape (N, C, H, W)")
        yield error((make(1, 1, 4, 4), 0), {}, ValueError, "max_pool2d: expected kernel_size in [1,")

    return generate


samples("max_pool2d", ref=lambda *a, **k: numpy_max_pool2d_with_indices(*a, **k)[0])(
    max_pooling("max_pool2d")
)
# PyTorch picks the last of equal values, which integers have.
samples("max_pool2d_with_indices", ref=numpy_max_pool2d_with_indices, torch=False)(
    max_pooling("max_pool2d_with_indices")
)


def numpy_max_pool2d_grad(g, indices, input_size):
    out = np.zeros(tuple(input_size[:-2]) + (input_size[-2] * input_size[-1],))
    n = int(np.prod(input_size[:-2]))
    planes, at, values = out.reshape(n, -1), indices.reshape(n, -1), g.reshape(n, -1)
    for i in range(n):
        np.add.at(planes[i], at[i], values[i])
    return out.reshape(input_size)


@samples("max_pool2d_grad", ref=numpy_max_pool2d_grad, torch=False)
def _(make):
    yield (make(1, 2, 2, 2), make.index(1, 2, 2, 2, high=12), (1, 2, 3, 4)), {}
    yield (make(2, 2, 2), make.index(2, 2, 2, high=9), (2, 3, 3)), {}
    yield (make(2, 2, 2, 1).transpose(0, 3), make.index(1, 2, 2, 2, high=12), (1, 2, 3, 4)), {}
    yield error(
        (make(1, 1, 1), make.tensor([[[4]]], dtype="int64"), (1, 2, 2)),
        {},
        IndexError,
        "max_pool2d_grad: expected",
    )
    yield error(
        (make(1, 1, 2), make.index(1, 1, 1, high=4), (1, 2, 2)),
        {},
        clew.ShapeError,
        "max_pool2d_grad: expected",
    )


@batched
def numpy_avg_pool2d(
    x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    k, p = pair(kernel_size), pair(padding)
    s = pair(stride) if stride not in ((), None) else k
    n, c, h, w = x.shape
    rows = list(windows(h, k[0], s[0], p[0], 1, ceil_mode))
    columns = list(windows(w, k[1], s[1], p[1], 1, ceil_mode))
    y = np.zeros((n, c, len(rows), len(columns)))
    for (i, (ys, a)), (j, (xs, b)) in itertools.product(enumerate(rows), enumerate(columns)):
        count = a * b if count_include_pad else len(ys) * len(xs)
        y[:, :, i, j] = x[:, :, ys][:, :, :, xs].sum((2, 3)) / (divisor_override or count)
    return y if x.dtype.kind == "f" else np.trunc(y).astype(x.dtype)


@samples("avg_pool2d", ref=numpy_avg_pool2d)
def _(make):
    yield (make(1, 2, 4, 4), 2), {}
    yield (make(1, 1, 5, 4), (3, 2)), {"stride": (2, 1), "padding": (1, 0)}
    yield (make(1, 1, 5, 4), 3), {"stride": 2, "padding": 1, "count_include_pad": False}
    yield (make(1, 1, 5, 5), 2), {"ceil_mode": True}
    yield (make(1, 1, 5, 5), 2), {"divisor_override": 3, "padding": 1}
    yield error((make(1, 1, 4, 4), 2), {"divisor_override": 0}, ValueError, "avg_pool2d: expected divisor")
    yield (make(1, 1, 5, 5), 3), {"ceil_mode": True, "padding": 1, "stride": 2}
    yield (make(2, 4, 4), 2), {}
    yield (make(4, 4, 2, 1).transpose(0, 3), 2), {}
    yield (make(0, 2, 4, 4), 2), {}
    yield error((make(1, 1, 2, 2), 3), {}, clew.ShapeError, "avg_pool2d: expected input at least as large")
    yield error(
        (make(1, 1, 4, 4), 2), {"padding": 2}, ValueError, "avg_pool2d: expected padding of at most half"
    )


def numpy_avg_pool2d_grad(g, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad):
    return linear_transpose(
        lambda x: numpy_avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad),
        input_size,
        g,
    )


@samples("avg_pool2d_grad", ref=numpy_avg_pool2d_grad, torch=False)
def _(make):
    yield (make(1, 2, 2, 2), (1, 2, 4, 4), 2, (), 0, False, True), {}
    yield (make(1, 1, 3, 2), (1, 1, 5, 4), 3, 2, 1, False, False), {}
    yield (make(1, 3, 3), (1, 5, 5), 2, (), 0, True, True), {}
    yield (make(2, 2, 2, 1).transpose(0, 3), (1, 2, 4, 4), 2, (), 0, False, True), {}
    yield error(
        (make(1, 2, 2), (1, 2, 2), 2, (), 0, False, True), {}, clew.ShapeError, "avg_pool2d_grad: expected"
    )


@batched
def numpy_adaptive_avg_pool2d(x, output_size):
    oh, ow = pair(output_size)
    h, w = x.shape[2:]
    y = np.zeros(x.shape[:2] + (oh, ow))
    for i, j in itertools.product(range(oh), range(ow)):
        rows, columns = slice(i * h // oh, -(-(i + 1) * h // oh)), slice(j * w // ow, -(-(j + 1) * w // ow))
        y[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return y


@samples("adaptive_avg_pool2d", ref=numpy_adaptive_avg_pool2d)
def _(make):
    yield (make(1, 2, 4, 4), 1), {}
    yield (make(1, 1, 5, 4), (3, 2)), {}
    yield (make(2, 3, 4), 2), {}
    yield (make(1, 1, 2, 2), 3), {}
    yield (make(4, 4, 2, 1).transpose(0, 3), 2), {}
    yield (make(0, 2, 4, 4), 2), {}
    yield error(
        (make(4, 4), 2), {}, clew.ShapeError, "adaptive_avg_pool2d: expected input of shape (N, C, H, W)"
    )
    yield error((make(1, 4, 4), -1), {}, ValueError, "adaptive_avg_pool2d: expected output_size in [0,")


def numpy_adaptive_avg_pool2d_grad(g, input_size):
    return linear_transpose(lambda x: numpy_adaptive_avg_pool2d(x, g.shape[-2:]), input_size, g)


@samples("adaptive_avg_pool2d_grad", ref=numpy_adaptive_avg_pool2d_grad, torch=False)
def _(make):
    yield (make(1, 2, 2, 2), (1, 2, 4, 4)), {}
    yield (make(1, 3, 2), (1, 5, 4)), {}
    yield (make(2, 2, 2, 1).transpose(0, 3), (1, 2, 3, 4)), {}
    yield error((make(2, 2, 2), (1, 4, 4)), {}, clew.ShapeError, "adaptive_avg_pool2d_grad: expected")


def first(x):
    return x if isinstance(x, int) else x[0]


def numpy_conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    y = numpy_conv2d(
        x[..., None, :],
        weight[..., None, :],
        bias,
        (1, first(stride)),
        (0, first(padding)),
        (1, first(dilation)),
        groups,
    )
    return y[..., 0, :]


@samples("conv1d", ref=numpy_conv1d, wide=True)
def _(make):
    yield (make(2, 2, 5), make(3, 2, 3), make(3)), {}
    yield (make(1, 2, 6), make(4, 1, 2)), {"groups": 2, "stride": 2, "padding": 1}
    yield (make(2, 7), make(2, 2, 3)), {"dilation": (2,), "padding": (1,)}
    yield (make(5, 2, 3).transpose(0, 2), make(2, 2, 2)), {}
    yield (make(0, 2, 4), make(2, 2, 2)), {}
    yield error((make(2, 4, 4, 4), make(2, 2, 3)), {}, clew.ShapeError, "conv1d: expected input of shape")
    yield error((make(2, 4, 4), make(2, 2, 3)), {}, clew.ShapeError, "conv1d: expected input with 2 * 1")
    yield error((make(2, 4), make(2, 2, 3, 1)), {}, clew.ShapeError, "conv1d: expected weight of shape")
    yield error((make(1, 2, 2), make(2, 2, 3)), {}, clew.ShapeError, "conv1d: expected input at least")
    yield error((make(1, 2, 4), make(2, 2, 3), make(3)), {}, clew.ShapeError, "conv1d: expected bias")


def numpy_conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    if x.ndim == 3:
        return numpy_conv_transpose2d(
            x[None], weight, bias, stride, padding, output_padding, groups, dilation
        )[0]
    (sh, sw), (ph, pw), (dh, dw), (eh, ew) = pair(stride), pair(padding), pair(dilation), pair(output_padding)
    n, c, h, w = x.shape
    _, og, kh, kw = weight.shape
    full = np.zeros(
        (n, og * groups, (h - 1) * sh + dh * (kh - 1) + 1 + eh, (w - 1) * sw + dw * (kw - 1) + 1 + ew)
    )
    cg = c // groups
    for g, i, j in itertools.product(range(groups), range(kh), range(kw)):
        part = np.einsum("nchw,co->nohw", x[:, g * cg : (g + 1) * cg], weight[g * cg : (g + 1) * cg, :, i, j])
        rows = slice(i * dh, i * dh + sh * (h - 1) + 1, sh)
        columns = slice(j * dw, j * dw + sw * (w - 1) + 1, sw)
        full[:, g * og : (g + 1) * og, rows, columns] += part
    y = full[:, :, ph : full.shape[2] - ph, pw : full.shape[3] - pw]
    return y if bias is None else y + bias[:, None, None]


@samples("conv_transpose2d", ref=numpy_conv_transpose2d, wide=True)
def _(make):
    yield (make(1, 2, 2, 3), make(2, 2, 2, 2), make(2)), {}
    yield (make(2, 2, 2, 2), make(2, 1, 3, 2)), {"stride": 2, "padding": 1, "output_padding": (1, 0)}
    yield (make(1, 4, 2, 2), make(4, 1, 2, 2), make(2)), {"groups": 2, "dilation": (2, 1)}
    yield (make(1, 1, 2, 2), make(1, 1, 2, 2)), {"dilation": 3, "output_padding": 2, "padding": 1}
    yield (make(2, 2, 3), make(2, 2, 1, 1)), {"stride": 3, "output_padding": 2}
    yield (make(3, 2, 2, 1).transpose(0, 3), make(2, 2, 2, 2).transpose(0, 1)), {}
    yield (make(0, 2, 3, 3), make(2, 2, 2, 2)), {}
    yield error(
        (make(1, 3, 4, 4), make(2, 2, 2, 2)),
        {},
        clew.ShapeError,
        "conv_transpose2d: expected input with 2 channels",
    )
    yield error(
        (make(1, 2, 4, 4), make(2, 2, 2, 2)),
        {"output_padding": 1},
        ValueError,
        "conv_transpose2d: expected output_padding smaller",
    )
    yield error(
        (make(1, 2, 1, 1), make(2, 2, 2, 2)),
        {"padding": 2},
        clew.ShapeError,
        "conv_transpose2d: expected sizes that give",
    )
    yield error(
        (make(1, 2, 4, 4), make(2, 2, 2, 2), make(3)),
        {},
        clew.ShapeError,
        "conv_transpose2d: expected bias of shape (2,)",
    )


def numpy_conv_transpose1d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    y = numpy_conv_transpose2d(
        x[..., None, :],
        weight[..., None, :],
        bias,
        (1, first(stride)),
        (0, first(padding)),
        (0, first(output_padding)),
        groups,
        (1, first(dilation)),
    )
    return y[..., 0, :]


@samples("conv_transpose1d", ref=numpy_conv_transpose1d, wide=True)
def _(make):
    yield (make(2, 2, 3), make(2, 2, 3), make(2)), {}
    yield (make(1, 2, 3), make(2, 1, 2)), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}
    yield (make(2, 4), make(2, 2, 2)), {"dilation": 2}
    yield error((make(4), make(2, 2, 3)), {}, clew.ShapeError, "conv_transpose1d: expected input of shape")
    yield error((make(2, 4), make(2, 3)), {}, clew.ShapeError, "conv_transpose1d: expected weight of shape")


# --- padding and resampling ----------------------------------------------------------------------------


def numpy_pad(x, pad, mode="constant", value=None):
    name = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    widths = [(0, 0)] * x.ndim
    cut = [slice(None)] * x.ndim
    for i in range(len(pad) // 2):
        before, after = pad[2 * i : 2 * i + 2]
        widths[-1 - i] = (max(before, 0), max(after, 0))
        cut[-1 - i] = slice(max(-before, 0), x.shape[-1 - i] - max(-after, 0))
    more = {"constant_values": value or 0} if mode == "constant" else {}
    return np.pad(x[tuple(cut)], widths, name, **more)


@samples("pad", ref=numpy_pad)
def _(make):
    yield (make(2, 3), (1, 2)), {}
    yield (make(2, 3), (1, 0, 0, 2)), {"value": 1.0}
    yield (make(2, 4), (-1, 2, 1, -1)), {}
    yield (make(3), (-1, -2)), {}
    yield (make(2, 3), ()), {}
    yield (make(1, 2, 4), (2, 1)), {"mode": "reflect"}
    yield (make(1, 3, 3), (1, 2, 2, 0)), {"mode": "reflect"}
    yield (make(1, 2, 3, 3), (1, 2, 0, 4)), {"mode": "replicate"}
    yield (make(2, 3), (3, 2)), {"mode": "circular"}
    yield (make(2, 5), (2, -1)), {"mode": "circular"}
    yield (make(1, 2, 2, 2), (1, 0, 2, 1, 0, 1)), {"mode": "circular"}
    yield (make(3, 4).transpose(0, 1), (1, 1)), {"mode": "replicate"}
    yield (make(0, 3), (1, 1)), {}
    yield plain((make(2, 3, 4), (-1, 1)), {"mode": "replicate"})
    yield error(
        (make(2, 3), (-3, 2)), {"mode": "circular"}, clew.ShapeError, "pad: expected padding that leaves"
    )
    yield error((make(2, 3), (1,)), {}, ValueError, "pad: expected pairs")
    yield error((make(3), (1, 1, 1, 1)), {}, ValueError, "pad: expected pairs")
    yield error((make(3), (-2, -2)), {}, clew.ShapeError, "pad: expected padding that leaves")
    yield error(
        (make(2, 3), (3, 0)), {"mode": "reflect"}, clew.ShapeError, "pad: expected padding of at most 2"
    )
    yield error((make(2, 3), (1, 0)), {"mode": "mirror"}, ValueError, "pad: expected mode")
    yield error((make(3), (1, 0)), {"mode": "reflect"}, clew.ShapeError, "pad: expected 1 to 3 pairs")


@samples("pad_constant", ref=lambda x, pad, value: numpy_pad(x, pad, "constant", value), torch=False)
def _(make):
    yield (make(2, 3), (1, 2), 0), {}
    yield (make(2, 4), (-1, 2, 1, -1), 1), {}
    yield (make(3, 2).transpose(0, 1), (0, 1), 0), {}
    yield error((make(2, 3), (1,), 0), {}, ValueError, "pad: expected pairs")


def near(d, a=-0.75):
    return (a + 2) * d**3 - (a + 3) * d**2 + 1


def far(d, a=-0.75):
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a


def resize_weights(n, size, mode, align_corners, scale_factor):
    """The matrix of resampling, an output at a time."""
    m = np.zeros((size, n))
    ratio = 1 / scale_factor if scale_factor else n / size
    for i in range(size):
        if mode == "area":
            low, high = i * n // size, -(-(i + 1) * n // size)
            m[i, low:high] = 1 / (high - low)
            continue
        if mode.startswith("nearest"):
            at = (i + (0.5 if mode == "nearest-exact" else 0)) * ratio
            m[i, i if n == size else min(int(np.floor(at)), n - 1)] = 1
            continue
        at = i * ((n - 1) / (size - 1) if size > 1 else 0) if align_corners else (i + 0.5) * ratio - 0.5
        if mode == "linear":
            at = min(max(at, 0), n - 1)
        low = int(np.floor(at))
        t = at - low
        if mode == "linear":
            w = [(low, 1 - t), (low + 1, t)]
        else:
            w = [(low - 1, far(t + 1)), (low, near(t)), (low + 1, near(1 - t)), (low + 2, far(2 - t))]
        for k, v in w:
            m[i, min(max(k, 0), n - 1)] += v
    return m


def numpy_resize_dim(x, dim, size, mode="nearest", align_corners=False, scale_factor=None):
    m = resize_weights(x.shape[dim], size, mode, align_corners, scale_factor)
    return np.moveaxis(np.tensordot(m, x, (1, dim)), 0, dim)


def numpy_resize_dim_grad(g, dim, input_size, mode="nearest", align_corners=False, scale_factor=None):
    m = resize_weights(input_size, g.shape[dim], mode, align_corners, scale_factor)
    return np.moveaxis(np.tensordot(m.T, g, (1, dim)), 0, dim)


RESIZES = [
    ("nearest", False, None, 7),
    ("nearest-exact", False, None, 3),
    ("linear", False, None, 7),
    ("linear", True, None, 3),
    ("linear", False, 1.7, 6),
    ("linear", False, None, 4),
    ("cubic", False, None, 9),
    ("cubic", True, None, 6),
    ("cubic", False, None, 2),
    ("area", False, None, 3),
    ("area", False, None, 6),
]


@samples("resize_dim", ref=numpy_resize_dim, torch=False)
def _(make):
    for mode, align, scale, size in RESIZES:
        yield (make(2, 4, 2), 1, size, mode, align, scale), {}
    yield (make(3, 4), -1, 5, "linear"), {}
    yield (make(0, 4), -1, 5, "linear"), {}
    yield error((make(3), 0, 0), {}, clew.ShapeError, "resize_dim: expected sizes > 0")
    yield error((make(3), 0, 2, "lanczos"), {}, ValueError, "resize_dim: expected mode")
    yield error((make(3), 1, 2), {}, IndexError, "resize_dim: expected dim")


@samples("resize_dim_grad", ref=numpy_resize_dim_grad, torch=False)
def _(make):
    for mode, align, scale, size in RESIZES:
        yield (make(2, size, 2), 1, 4, mode, align, scale), {}
    yield (make(3, 5), -1, 4, "linear"), {}
    yield error((make(3), 0, 0), {}, clew.ShapeError, "resize_dim_grad: expected sizes > 0")


ALONG = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def numpy_resample(x, size, mode="nearest", align_corners=None, *scales):
    for i, n in enumerate(size):
        scale = scales[i] if i < len(scales) else None
        x = numpy_resize_dim(x, i + 2, n, ALONG.get(mode, mode), bool(align_corners), scale)
    return x


@samples("resample", ref=numpy_resample, torch=False)
def _(make):
    yield (make(1, 1, 2, 3), (4, 4)), {}
    yield (make(2, 1, 4), (3,), "nearest-exact"), {}
    if make.floating:  # pixels are rounded: test_module_parity.py compares them with PyTorch's
        yield (make(2, 1, 4), (6,), "linear", True), {}
        yield (make(1, 2, 3, 4), (5, 3), "bilinear", None, 1.7, None), {}
        yield (make(1, 1, 3, 4), (2, 6), "bicubic", False), {}
        yield (make(1, 1, 2, 3, 2), (3, 2, 4), "trilinear"), {}
        yield (make(1, 1, 4, 4), (3, 2), "area"), {}
        yield (make(1, 1, 2, 3, 2), (1, 2, 2), "area"), {}
    yield error(
        (make(1, 1, 3), (4,), "bilinear"), {}, NotImplementedError, "interpolate: expected input of 4"
    )
    yield error((make(1, 1, 3), (4,), "lanczos"), {}, NotImplementedError, "interpolate: expected mode")
    yield error((make(1, 1, 3), (4,), "nearest", True), {}, ValueError, "expected align_corners=None")
    yield error((make(1, 1, 3), (0,)), {}, clew.ShapeError, "interpolate: expected sizes > 0")
    yield error((make(1, 1, 3), (2, 2)), {}, ValueError, "interpolate: expected 1 sizes, got 2")
