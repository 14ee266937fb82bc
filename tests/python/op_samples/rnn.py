"""Samples of recurrent layers and attention."""

from __future__ import annotations

import numpy as np

import clew

from .core import assert_close, case, error, plain, samples, to_array

INF = float("inf")


# --- attention --------------------------------------------------------------------------------------


def numpy_scores(q, k, mask, is_causal, scale):
    s = q @ np.swapaxes(k, -1, -2) * scale
    if mask is not None:
        s = np.where(mask, s, -INF) if mask.dtype == bool else s + mask
    if is_causal:
        s = np.where(np.tril(np.ones(s.shape[-2:], bool)), s, -INF)
    return s


def numpy_weights(s):
    """Softmax of the last axis; rows without a finite score are zero. And the logsumexp."""
    if s.shape[-1] == 0:
        return s, np.full(s.shape[:-1], INF)
    top = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(top == -INF, 0, top))
    total = e.sum(-1, keepdims=True)
    lse = np.where(total > 0, np.log(np.where(total > 0, total, 1)) + top, INF)
    return e / np.where(total > 0, total, 1), lse[..., 0]


def numpy_sdpa(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        k = np.repeat(k, q.shape[-3] // k.shape[-3], -3)
        v = np.repeat(v, q.shape[-3] // v.shape[-3], -3)
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    return numpy_weights(numpy_scores(q, k, attn_mask, is_causal, scale))[0] @ v


@samples("scaled_dot_product_attention", ref=numpy_sdpa, wide=True)
def _(make):
    yield (make(2, 2, 3, 4), make(2, 2, 3, 4), make(2, 2, 3, 4)), {}
    yield (make(3, 4), make(5, 4), make(5, 2)), {}
    yield (make(2, 3, 4), make(2, 5, 4), make(2, 5, 2)), {"scale": 0.3}
    yield (make(2, 2, 3, 4), make(2, 2, 3, 4), make(2, 2, 3, 4)), {"is_causal": True}
    yield (make(1, 2, 2, 4), make(1, 2, 4, 4), make(1, 2, 4, 4)), {"is_causal": True}
    yield (make(2, 2, 3, 4), make(2, 2, 5, 4), make(2, 2, 5, 3), make.tensor(np.eye(3, 5) < 1, "bool")), {}
    yield (make(2, 2, 3, 4), make(2, 2, 5, 4), make(2, 2, 5, 3), make(3, 5)), {}
    yield (make(2, 2, 3, 4), make(2, 2, 3, 4), make(2, 2, 3, 4), make(2, 1, 3, 3)), {"is_causal": True}
    yield (make(2, 3, 4), make(2, 3, 4), make(2, 3, 4), make(2, 1, 3)), {}
    # A query that sees no key.
    nothing = make.tensor([[True, False, True], [False, False, False]], "bool")
    yield (make(1, 1, 2, 4), make(1, 1, 3, 4), make(1, 1, 3, 4), nothing), {}
    yield plain(
        (
            make(1, 1, 2, 4),
            make(1, 1, 3, 4),
            make(1, 1, 3, 4),
            make.tensor([[0.0, -INF, 1.0], [-INF, -INF, -INF]]),
        )
    )
    yield case((make(2, 2, 3, 4), make(1, 2, 5, 4), make(2, 1, 5, 4)), {})
    yield (make(1, 4, 2, 3), make(1, 2, 3, 3), make(1, 2, 3, 3)), {"enable_gqa": True}
    x = make(2, 3, 2, 12)
    q, k, v = (x[..., 4 * i : 4 * i + 4].transpose(1, 2) for i in range(3))
    yield (q, k, v), {"is_causal": True}
    yield (make(2, 2, 0, 4), make(2, 2, 3, 4), make(2, 2, 3, 4)), {}
    yield case((make(2, 2, 3, 4), make(2, 2, 0, 4), make(2, 2, 0, 4)), {}, differences=False)
    # Several blocks of queries and keys.
    yield plain((make(1, 2, 70, 8), make(1, 2, 600, 8), make(1, 2, 600, 40)))
    yield plain((make(1, 1, 300, 8), make(1, 1, 300, 8), make(1, 1, 300, 8)), {"is_causal": True})
    name = "scaled_dot_product_attention"
    yield error((make(4), make(3, 4), make(3, 4)), {}, clew.ShapeError, f"{name}: expected query, key and")
    yield error((make(2, 4), make(3, 5), make(3, 4)), {}, clew.ShapeError, f"{name}: expected query and key")
    yield error((make(2, 4), make(3, 4), make(2, 4)), {}, clew.ShapeError, f"{name}: expected as many keys")
    yield error(
        (make(2, 4), make(3, 4, dtype="float64"), make(3, 4)), {}, clew.DTypeError, f"{name}: expected query"
    )
    yield error(
        (make(2, 2, 4), make(3, 3, 4), make(3, 3, 4)), {}, clew.ShapeError, f"{name}: expected query, key and"
    )
    yield error(
        (make(2, 4), make(3, 4), make(3, 4), make(3, 3)), {}, clew.ShapeError, f"{name}: expected attn_mask"
    )
    yield error(
        (make(2, 4), make(3, 4), make(3, 4), make(2, 3, dtype="int64")),
        {},
        clew.DTypeError,
        f"{name}: expected attn_mask of dtype",
    )
    yield error(
        (make(2, 4), make(3, 4), make(3, 4)), {"dropout_p": 1.5}, ValueError, f"{name}: expected dropout_p"
    )
    yield error(
        (make(3, 2, 4), make(2, 3, 4), make(2, 3, 4)),
        {"enable_gqa": True},
        clew.ShapeError,
        f"{name}: expected a number of key",
    )


def attention_check(result, q, k, v, mask, dropout_p, is_causal, scale):
    arrays = [None if t is None else to_array(t) for t in (q, k, v, mask)]
    weights, lse = numpy_weights(numpy_scores(arrays[0], arrays[1], arrays[3], is_causal, scale))
    if dropout_p > 0:
        keep = clew.ops.attention_dropout(result[2], weights.shape, dropout_p, clew.float64)
        weights = weights * to_array(keep)
    y = np.swapaxes(weights @ arrays[2], 1, 2)
    assert_close(result[:2], (y, lse), "attention", factor=4)


@samples("attention", check=attention_check, wide=True, torch=False, random=True)
def _(make):
    q, k, v = make(2, 2, 3, 4), make(2, 2, 5, 4), make(2, 2, 5, 3)
    yield (q, k, v, None, 0.0, False, 0.5), {}
    yield (q, k, v, None, 0.0, True, 0.5), {}
    yield (q, k, v, make(2, 2, 3, 5), 0.0, False, 0.5), {}
    seen = make.mask(2, 2, 3, 5)
    seen[..., 0] = True  # logsumexp is infinite where a query sees no key
    yield (q, k, v, seen, 0.0, True, 0.5), {}
    yield (q, k, v, None, 0.4, False, 0.5), {}
    yield (q, k, v, make(2, 2, 3, 5), 0.4, True, 0.5), {}
    yield error((q, k, v[:, :1], None, 0.0, False, 1.0), {}, clew.ShapeError, "attention: expected query (B")
    yield error((q[0], k, v, None, 0.0, False, 1.0), {}, clew.ShapeError, "attention: expected query, key")
    yield error(
        (q, k, v, make(3, 5), 0.0, False, 1.0), {}, clew.ShapeError, "attention: expected attn_mask of shape"
    )
    yield error((q, k, v, None, -1.0, False, 1.0), {}, ValueError, "attention: expected dropout_p")


def numpy_attention_grad(g, q, k, v, mask, y, lse, rng, dropout_p, is_causal, scale, mask_grad):
    p = numpy_weights(numpy_scores(q, k, mask, is_causal, scale))[0]
    keep = np.ones(p.shape)
    if dropout_p > 0:
        keep = to_array(clew.ops.attention_dropout(clew.tensor(rng), p.shape, dropout_p, clew.float64))
    g = np.swapaxes(g, 1, 2)
    dp = g @ np.swapaxes(v, -1, -2) * keep
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    dv = np.swapaxes(p * keep, -1, -2) @ g
    by_row = [np.swapaxes(x, 1, 2) for x in (ds @ k * scale, np.swapaxes(ds, -1, -2) @ q * scale, dv)]
    wanted = mask_grad and mask is not None and mask.dtype != bool
    return (*by_row, ds if wanted else np.zeros(0))


@samples(
    "attention_grad", ref=numpy_attention_grad, wide=True, torch=False, tolerance={"bfloat16": (4e-2, 4e-2)}
)
def _(make):
    q, k, v = make(2, 2, 3, 4, low=-1, high=1), make(2, 2, 5, 4, low=-1, high=1), make(2, 2, 5, 3)
    g = make(2, 3, 2, 3)
    for mask, p, causal, wanted in (
        (None, 0.0, False, False),
        (None, 0.0, True, False),
        (make(2, 2, 3, 5), 0.0, True, True),
        (make(2, 2, 3, 5), 0.3, False, False),
        (make.mask(2, 2, 3, 5), 0.3, True, True),
    ):
        y, lse, rng = clew.ops.attention(q, k, v, mask, p, causal, 0.5)
        yield (g, q, k, v, mask, y, lse, rng, p, causal, 0.5, wanted), {}
    yield error(
        (make(2, 3, 3, 2), q, k, v, None, y, lse, rng, 0.0, False, 0.5, False),
        {},
        clew.ShapeError,
        "attention_grad: expected grad_output",
    )


def dropout_check(result, rng, size, p, dtype):
    values = set(np.round(to_array(result), 3).flatten().tolist())
    assert result.shape == tuple(size) and values <= {0.0, round(1 / (1 - p), 3) if p < 1 else 0.0}


@samples("attention_dropout", check=dropout_check, torch=False)
def _(make):
    rng = make.tensor([7, 3], "int64")
    yield (rng, (1, 2, 3, 5), 0.5, clew.float32), {}
    yield (rng, (1, 1, 1, 7), 0.2, clew.float64), {}
    yield (rng, (1, 0, 1, 7), 1.0, clew.float32), {}
    yield error((rng, (1,), 2.0, clew.float32), {}, ValueError, "attention_dropout: expected p")
    yield error((rng, (1,), 0.5, clew.int64), {}, clew.DTypeError, "attention_dropout: expected a floating")
    yield error((rng, (-1,), 0.5, clew.float32), {}, ValueError, "attention_dropout: expected sizes")


# --- recurrent layers -------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_layer(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, mode, reverse):
    packed = batch_sizes is not None
    sizes = list(batch_sizes) if packed else [x.shape[1]] * x.shape[0]
    rows = np.reshape(x, (-1, x.shape[-1]))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    h, c = h0.copy(), None if c0 is None else c0.copy()
    out = np.zeros((rows.shape[0], h0.shape[1]))
    steps = range(len(sizes))
    for t in reversed(steps) if reverse else steps:
        n = sizes[t]
        gx = rows[offsets[t] : offsets[t + 1]] @ w_ih.T + (0 if b_ih is None else b_ih)
        gh = h[:n] @ w_hh.T + (0 if b_hh is None else b_hh)
        if mode == "lstm":
            i, f, g, o = np.split(gx + gh, 4, -1)
            c[:n] = sigmoid(f) * c[:n] + sigmoid(i) * np.tanh(g)
            new = sigmoid(o) * np.tanh(c[:n])
            new = new if w_hr is None else new @ w_hr.T
        elif mode == "gru":
            (xr, xz, xn), (hr, hz, hn) = np.split(gx, 3, -1), np.split(gh, 3, -1)
            z = sigmoid(xz + hz)
            new = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h[:n]
        else:
            new = np.tanh(gx + gh) if mode == "tanh" else np.maximum(gx + gh, 0)
        h[:n] = new
        out[offsets[t] : offsets[t + 1]] = new
    return out.reshape(*x.shape[:-1], -1), h, c


def layer_check(result, *args):
    arrays = [to_array(a) if isinstance(a, clew.Tensor) else a for a in args]
    y, h, c = numpy_layer(*arrays)
    assert_close(result[:2], (y, h), "rnn_layer", factor=4)
    if c is not None:
        assert_close(result[2], c, "rnn_layer", factor=4)


PACKED = [3, 2, 2, 1]
WIDTH = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def layer_arguments(make, mode, packed, bias=True, projected=False, hidden=2):
    def small(*shape):
        return make(*shape, low=-1, high=1)

    batch = 3
    out = 1 if projected else hidden
    x = small(sum(PACKED), 3) if packed else small(2, batch, 3)
    width = WIDTH[mode] * hidden
    return (
        x,
        small(batch, out),
        small(batch, hidden) if mode == "lstm" else None,
        small(width, 3),
        small(width, out),
        small(width) if bias else None,
        small(width) if bias else None,
        small(1, hidden) if projected else None,
        make.tensor(PACKED, "int64") if packed else None,
        mode,
    )


@samples("rnn_layer", check=layer_check, wide=True, torch=False)
def _(make):
    for mode in ("lstm", "gru", "tanh", "relu"):
        yield (*layer_arguments(make, mode, False), False), {}
        yield (*layer_arguments(make, mode, True), True), {}
        yield (*layer_arguments(make, mode, True, bias=False), False), {}
    yield (*layer_arguments(make, "lstm", False, projected=True), True), {}
    yield (*layer_arguments(make, "lstm", True, projected=True), False), {}
    yield plain((*layer_arguments(make, "lstm", False, hidden=37), False))
    yield plain((*layer_arguments(make, "gru", True, hidden=37), True))
    good = layer_arguments(make, "tanh", False)

    def changed(i, value):
        return (*good[:i], value, *good[i + 1 :], False)

    yield error(changed(0, make(3)), {}, clew.ShapeError, "rnn_layer: expected input of shape (T, B, feat")
    yield error(changed(0, make(0, 3, 3)), {}, ValueError, "rnn_layer: expected a sequence of at least 1")
    yield error(changed(1, make(2, 2)), {}, clew.ShapeError, "rnn_layer: expected h0 of shape")
    yield error(changed(3, make(2, 2)), {}, clew.ShapeError, "rnn_layer: expected w_ih of shape")
    yield error(
        changed(4, make(2, 2, dtype="float64")), {}, clew.DTypeError, "rnn_layer: expected w_hh of dtype"
    )
    yield error(changed(2, make(3, 2)), {}, ValueError, "rnn_layer: expected c0 with mode 'lstm'")
    yield error(changed(6, None), {}, ValueError, "rnn_layer: expected b_ih and b_hh together")
    yield error(changed(9, "elu"), {}, ValueError, "rnn_layer: expected mode")
    packed = layer_arguments(make, "gru", True)
    for sizes in ([3, 3, 2, 1], [2, 3, 2, 1], [3, 2, 2], [3, 2, 3, 0], [8]):
        yield error(
            (*packed[:8], make.tensor(sizes, "int64"), "gru", False),
            {},
            ValueError,
            "rnn: expected batch_sizes that start at 3",
        )


def numeric_layer_grad(
    gy, gh, gc, output, reserve, x, h0, c0, w_ih, w_hh, w_hr, batch_sizes, mode, reverse, input_grad, biases
):
    """Central differences of the NumPy layer along the given gradients."""
    zero = np.zeros(w_hh.shape[0])
    values = [x, h0, c0, w_ih, w_hh, zero, zero.copy(), w_hr]

    def f():
        y, h, c = numpy_layer(*values, batch_sizes, mode, reverse)
        total = 0.0 if gy is None else (y * gy).sum()
        total += 0.0 if gh is None else (h * gh).sum()
        return total + (0.0 if gc is None else (c * gc).sum())

    grads = []
    for i, v in enumerate(values):
        if v is None or (i == 0 and not input_grad) or (i in (5, 6) and not biases):
            grads.append(np.zeros(0))
            continue
        d = np.zeros(v.shape)
        for at in np.ndindex(*v.shape):
            kept = v[at]
            v[at] = kept + 1e-6
            high = f()
            v[at] = kept - 1e-6
            d[at] = (high - f()) / 2e-6
            v[at] = kept
        grads.append(d)
    return tuple(grads)


@samples(
    "rnn_layer_grad",
    ref=numeric_layer_grad,
    wide=True,
    torch=False,
    # The reference is a finite difference.
    tolerance={"float64": (1e-7, 1e-8), "float16": (1e-2, 1e-2), "bfloat16": (6e-2, 6e-2)},
)
def _(make):
    for mode, packed, projected, reverse in (
        ("lstm", False, False, False),
        ("lstm", True, False, True),
        ("lstm", True, True, False),
        ("gru", False, False, True),
        ("gru", True, False, False),
        ("tanh", True, False, True),
        ("relu", False, False, False),
    ):
        args = layer_arguments(make, mode, packed, False, projected)
        y, h, c, reserve = clew.ops.rnn_layer(*args, reverse)
        x, h0, c0, w_ih, w_hh, _, _, w_hr, sizes, _ = args
        gc = make(*c.shape) if mode == "lstm" else None
        tail = (y, reserve, x, h0, c0, w_ih, w_hh, w_hr, sizes, mode, reverse)
        yield (make(*y.shape), make(*h.shape), gc, *tail, True, True), {}
        yield (make(*y.shape), None, None, *tail, False, False), {}
        yield (None, make(*h.shape), None, *tail, True, False), {}
    yield error(
        (make(1, 1), None, None, *tail, True, True), {}, clew.ShapeError, "rnn_layer: expected grad_output"
    )


def numpy_network(mode):
    def run(
        x,
        hx,
        params,
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        batch_first=None,
        batch_sizes=None,
    ):
        h0, c0 = hx if mode == "lstm" else (hx, None)
        x = np.swapaxes(x, 0, 1) if batch_first else x
        directions = 2 if bidirectional else 1
        each = len(params) // (num_layers * directions)
        hs, cs = [], []
        for layer in range(num_layers):
            outputs = []
            for d in range(directions):
                i = layer * directions + d
                p = list(params[i * each : (i + 1) * each])
                w_ih, w_hh = p[:2]
                b_ih, b_hh = p[2:4] if has_biases else (None, None)
                w_hr = p[-1] if each % 2 else None
                y, h, c = numpy_layer(
                    x,
                    h0[i],
                    None if c0 is None else c0[i],
                    w_ih,
                    w_hh,
                    b_ih,
                    b_hh,
                    w_hr,
                    batch_sizes,
                    mode,
                    d == 1,
                )
                outputs.append(y)
                hs.append(h)
                cs.append(c)
            x = np.concatenate(outputs, -1)
        x = np.swapaxes(x, 0, 1) if batch_first else x
        return (x, np.stack(hs), np.stack(cs)) if mode == "lstm" else (x, np.stack(hs))

    return run


def numpy_packed(mode):
    run = numpy_network(mode)
    return lambda data, batch_sizes, *rest: run(data, *rest, batch_sizes=batch_sizes)


def network_arguments(make, mode, packed, layers, directions, bias, out=None):
    def small(*shape):
        return make(*shape, low=-1, high=1)

    hidden, batch = 2, 3
    width, cells = WIDTH[mode] * hidden, layers * directions
    state = out or hidden
    params = []
    for i in range(cells):
        features = 2 if i < directions else state * directions
        params += [small(width, features), small(width, state)]
        params += [small(width), small(width)] if bias else []
        params += [small(out, hidden)] if out else []
    h0 = small(cells, batch, state)
    hx = [h0, small(cells, batch, hidden)] if mode == "lstm" else h0
    if packed:
        return small(sum(PACKED), 2), make.tensor(PACKED, "int64"), hx, params, bias, layers
    return small(2, batch, 2), hx, params, bias, layers


def networks(mode, packed):
    op = {"tanh": "rnn_tanh", "relu": "rnn_relu"}.get(mode, mode)

    def generate(make):
        last = () if packed else (False,)
        yield (*network_arguments(make, mode, packed, 1, 1, True), 0.0, True, False, *last), {}
        yield (*network_arguments(make, mode, packed, 2, 2, False), 0.0, True, True, *last), {}
        if mode == "lstm":
            yield (*network_arguments(make, mode, packed, 2, 1, True, out=1), 0.0, True, False, *last), {}
        args = network_arguments(make, mode, packed, 2, 1, True)
        yield (*args, 0.5, False, False, *last), {}  # dropout rests
        if not packed:
            yield (args[0].transpose(0, 1), *args[1:], 0.0, False, False, True), {}
            yield error(
                (make(2, 2), *args[1:], 0.0, False, False, False),
                {},
                clew.ShapeError,
                f"{op}: expected input of shape (T, B, features)",
            )
        yield error(
            (*args[:-1], 3, 0.0, False, False, *last), {}, clew.ShapeError, f"{op}: expected h0 of shape (3"
        )
        yield error(
            (*args[:-3], args[-3][:-1], *args[-2:], 0.0, False, False, *last),
            {},
            ValueError,
            f"{op}: expected 4 parameters per layer",
        )
        yield error((*args, 1.5, False, False, *last), {}, ValueError, f"{op}: expected dropout in [0, 1]")
        yield error(
            (*args[:-1], 0, 0.0, False, False, *last), {}, ValueError, f"{op}: expected num_layers > 0"
        )

    return generate


for mode, name in (("lstm", "lstm"), ("gru", "gru"), ("tanh", "rnn_tanh"), ("relu", "rnn_relu")):
    samples(name, ref=numpy_network(mode), wide=True)(networks(mode, False))
    samples(f"{name}.packed", ref=numpy_packed(mode), wide=True)(networks(mode, True))
