"""Recurrent layers, attention and transformers beside PyTorch's with the same weights."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import clew
from clew import nn
from clew.nn.utils import rnn

torch = pytest.importorskip("torch")


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed + sum(shape)).uniform(-1, 1, shape)


def both(*shape: int, seed: int = 0) -> tuple[Any, Any]:
    """The same float64 leaf in both libraries."""
    a = values(*shape, seed=seed)
    return clew.tensor(a).requires_grad_(), torch.tensor(a, requires_grad=True)


def same_weights(ours: Any, theirs: Any) -> None:
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state), "expected the names of PyTorch's parameters"
    ours.load_state_dict({k: clew.tensor(v.numpy().copy()) for k, v in state.items()})


def pair(make: Any) -> tuple[Any, Any]:
    """A module in both libraries, float64, with the same parameters, none of them at a special value."""
    theirs = make(torch.nn).double()
    for i, p in enumerate(theirs.parameters()):
        p.data = torch.tensor(values(*p.shape, seed=i)) * 0.5
    ours = make(nn).double()
    same_weights(ours, theirs)
    assert repr(ours).split("(")[0] == repr(theirs).split("(")[0]
    return ours, theirs


def flat(x: Any) -> list:
    if x is None:
        return []
    if isinstance(x, clew.Tensor | torch.Tensor):
        return [x]
    return [t for y in x for t in flat(y)]


def close(got: Any, want: Any, what: str) -> None:
    assert tuple(got.shape) == tuple(want.shape), (
        f"{what}: expected {tuple(want.shape)}, got {tuple(got.shape)}"
    )
    np.testing.assert_allclose(
        got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-10, equal_nan=True, err_msg=what
    )


def compare(ours: Any, theirs: Any, mine: list, yours: list, call: Any) -> None:
    """Outputs, and gradients of inputs and parameters along fixed cotangents."""
    got, want = flat(call(ours, mine)), flat(call(theirs, yours))
    assert len(got) == len(want)
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        close(g, w, f"output {i}")
    seeds = [values(*w.shape, seed=i) for i, w in enumerate(want)]
    floating = [i for i, w in enumerate(want) if w.requires_grad]
    clew.autograd.backward([got[i] for i in floating], [clew.tensor(seeds[i]) for i in floating])
    torch.autograd.backward([want[i] for i in floating], [torch.tensor(seeds[i]) for i in floating])
    for i, (m, y) in enumerate(zip(mine, yours, strict=True)):
        assert (m.grad is None) == (y.grad is None), f"gradient of input {i}"
        if y.grad is not None:
            close(m.grad, y.grad, f"gradient of input {i}")
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), f"gradient of {name}"
        if q.grad is not None:
            close(p.grad, q.grad, f"gradient of {name}")


# --- recurrent layers -------------------------------------------------------------------------------

KINDS = {
    "LSTM": {},
    "GRU": {},
    "RNN": {},
    "RNN-relu": {"nonlinearity": "relu"},
    "LSTM-projected": {"proj_size": 2},
}
OPTIONS = {
    "plain": {},
    "layers": {"num_layers": 2},
    "no-bias": {"bias": False, "num_layers": 2},
    "bidirectional": {"bidirectional": True, "num_layers": 2},
    "batch-first": {"batch_first": True},
    "dropout-rests": {"dropout": 0.5, "num_layers": 2},
}


def recurrent(kind: str, **options: Any) -> Any:
    def make(library: Any) -> Any:
        layer = getattr(library, kind.split("-")[0])(3, 4, **KINDS[kind], **options)
        return layer.eval() if options.get("dropout") else layer

    return make


def states(kind: str, cells: int, *batch: int) -> list:
    out = 2 if kind == "LSTM-projected" else 4
    shapes = [(cells, *batch, out)] + ([(cells, *batch, 4)] if kind.startswith("LSTM") else [])
    return [both(*s, seed=9 + i) for i, s in enumerate(shapes)]


@pytest.mark.parametrize("given", [True, False], ids=["state", "zeros"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent(kind: str, options: str, given: bool) -> None:
    o = OPTIONS[options]
    ours, theirs = pair(recurrent(kind, **o))
    cells = o.get("num_layers", 1) * (2 if o.get("bidirectional") else 1)
    inputs = [both(5, 2, 3)]
    batch = 5 if o.get("batch_first") else 2
    inputs += states(kind, cells, batch) if given else []

    def call(m: Any, x: list) -> Any:
        hx = None if len(x) == 1 else tuple(x[1:]) if len(x) == 3 else x[1]
        return m(x[0], hx)

    compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], call)
    assert ours.extra_repr() == theirs.extra_repr()


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_without_batch(kind: str) -> None:
    for batch_first in (False, True):
        ours, theirs = pair(recurrent(kind, bidirectional=True, batch_first=batch_first))
        inputs = [both(5, 3), *states(kind, 2)]
        compare(
            ours,
            theirs,
            [a for a, _ in inputs],
            [b for _, b in inputs],
            lambda m, x: m(x[0], tuple(x[1:]) if len(x) == 3 else x[1]),
        )


@pytest.mark.parametrize("given", [True, False], ids=["state", "zeros"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_packed(kind: str, bidirectional: bool, given: bool) -> None:
    ours, theirs = pair(recurrent(kind, num_layers=2, bidirectional=bidirectional))
    inputs = [both(6, 4, 3)]
    inputs += states(kind, 4 if bidirectional else 2, 4) if given else []

    def call(m: Any, x: list) -> Any:
        library = rnn if isinstance(x[0], clew.Tensor) else torch.nn.utils.rnn
        packed = library.pack_padded_sequence(x[0], [3, 6, 1, 3], enforce_sorted=False)
        hx = None if len(x) == 1 else tuple(x[1:]) if len(x) == 3 else x[1]
        y, state = m(packed, hx)
        padded, lengths = library.pad_packed_sequence(y, padding_value=0.25)
        assert lengths.tolist() == [3, 6, 1, 3]
        return padded, state

    compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], call)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(("hidden", "batch"), [(1, 1), (31, 13), (32, 12), (33, 25), (65, 2)])
def test_recurrent_sizes(kind: str, hidden: int, batch: int) -> None:
    """Sizes around those of the kernels' tiles."""
    ours, theirs = pair(lambda library: getattr(library, kind)(7, hidden))
    x, y = both(3, batch, 7)

    def call(m: Any, inputs: list) -> Any:
        library = rnn if isinstance(inputs[0], clew.Tensor) else torch.nn.utils.rnn
        lengths = [3 - 2 * i // batch for i in range(batch)]
        return m(library.pack_padded_sequence(inputs[0], lengths))[0].data

    compare(ours, theirs, [x], [y], call)


def test_flatten_parameters_and_all_weights() -> None:
    layer = nn.LSTM(3, 4, 2, bidirectional=True)
    assert layer.flatten_parameters() is None
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True)
    assert [[tuple(w.shape) for w in ws] for ws in layer.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]
    bound = 1 / 4**0.5
    assert all(float(p.detach().abs().max()) <= bound for p in layer.parameters())


def test_dropout_between_layers_repeats_itself() -> None:
    layer = nn.GRU(3, 64, 2, dropout=0.5)
    x = clew.randn(4, 2, 3)
    clew.manual_seed(1)
    first = layer(x)[0]
    clew.manual_seed(1)
    assert clew.equal(first, layer(x)[0])
    assert not clew.equal(first, layer(x)[0])
    with pytest.warns(UserWarning, match="dropout acts between layers"):
        nn.GRU(3, 4, dropout=0.5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNNCell", "RNNCell-relu", "LSTMCell", "GRUCell"])
def test_cells(kind: str, bias: bool) -> None:
    extra = {"nonlinearity": "relu"} if kind.endswith("relu") else {}
    ours, theirs = pair(lambda library: getattr(library, kind.split("-")[0])(3, 4, bias, **extra))
    for batch in ((2,), ()):
        inputs = [both(*batch, 3)] + [both(*batch, 4, seed=i) for i in range(2 if "LSTM" in kind else 1)]
        ours.zero_grad()
        theirs.zero_grad()
        compare(
            ours,
            theirs,
            [a for a, _ in inputs],
            [b for _, b in inputs],
            lambda m, x: m(x[0], tuple(x[1:]) if len(x) == 3 else x[1]),
        )
    x, y = both(2, 3)
    for g, w in zip(flat(ours(x)), flat(theirs(y)), strict=True):
        close(g, w, "without a state")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_threads_do_not_change_results(kind: str, threads: int) -> None:
    clew.manual_seed(0)
    layer = getattr(nn, kind)(40, 50, 2)
    x = clew.randn(7, 33, 40, requires_grad=True)

    def run(n: int) -> list:
        before = clew.get_num_threads()
        clew.set_num_threads(n)
        try:
            layer.zero_grad()
            x.grad = None
            y = layer(x)[0]
            y.square().sum().backward()
        finally:
            clew.set_num_threads(before)
        return [y.detach().numpy().tobytes(), *(p.grad.numpy().tobytes() for p in (x, *layer.parameters()))]

    assert run(threads) == run(3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision(dtype: str) -> None:
    layer = nn.LSTM(8, 8)
    x = clew.randn(5, 3, 8)
    want = layer(x)[0]
    low = copy.deepcopy(layer).to(getattr(clew, dtype))
    got = low(x.to(getattr(clew, dtype)))[0]
    assert got.dtype == getattr(clew, dtype)
    np.testing.assert_allclose(
        got.float().detach().numpy(), want.detach().numpy(), atol=3e-2 if dtype == "bfloat16" else 5e-3
    )
    with clew.autocast("cpu", dtype=clew.bfloat16):
        assert layer(x)[0].dtype == clew.bfloat16


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: nn.LSTM(10, 20)(clew.zeros(5, 3, 11)), clew.ShapeError, "LSTM: expected 10 features"),
        (
            lambda: nn.LSTM(10, 20)(clew.zeros(5, 3, 10), (clew.zeros(2, 3, 20), clew.zeros(1, 3, 20))),
            clew.ShapeError,
            "LSTM: expected h0 of shape (1, 3, 20), got (2, 3, 20)",
        ),
        (
            lambda: nn.GRU(10, 20)(clew.zeros(5)),
            clew.ShapeError,
            "GRU: expected input of shape (T, features)",
        ),
        (lambda: nn.RNN(10, 20)(clew.zeros(0, 3, 10)), ValueError, "expected a sequence of at least 1 step"),
        (
            lambda: nn.LSTM(10, 20)(clew.zeros(5, 3, 10, dtype=clew.float64)),
            clew.DTypeError,
            "LSTM: expected input of dtype",
        ),
        (lambda: nn.LSTM(10, 0), ValueError, "LSTM: expected hidden_size > 0, got 0"),
        (lambda: nn.LSTM(10, 20.0), TypeError, "LSTM: expected an int as hidden_size, got float"),
        (lambda: nn.LSTM(10, 20, proj_size=20), ValueError, "LSTM: expected proj_size"),
        (lambda: nn.GRU(10, 20, dropout=2), ValueError, "GRU: expected dropout in [0, 1], got 2"),
        (lambda: nn.RNN(10, 20, nonlinearity="x"), ValueError, "RNN: expected nonlinearity"),
        (lambda: nn.LSTM(10, 20)(clew.zeros(5, 3, 10), clew.zeros(1)), TypeError, "LSTM: expected hx as (h0"),
        (
            lambda: nn.LSTMCell(3, 4)(clew.zeros(2, 3), (clew.zeros(2, 5), clew.zeros(2, 4))),
            clew.ShapeError,
            "LSTMCell: expected h of shape (2, 4), got (2, 5)",
        ),
        (lambda: nn.GRUCell(3, 4)(clew.zeros(1, 1, 3)), clew.ShapeError, "GRUCell: expected input of shape"),
    ],
)
def test_recurrent_errors(call: Any, kind: type, text: str) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert text in str(raised.value)


# --- sequences of different lengths -----------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
def test_pad_sequence(batch_first: bool, side: str) -> None:
    pairs = [both(n, 2, seed=n) for n in (3, 1, 4)]
    got = rnn.pad_sequence([a for a, _ in pairs], batch_first, 0.5, side)
    want = torch.nn.utils.rnn.pad_sequence([b for _, b in pairs], batch_first, 0.5, side)
    close(got, want, "pad_sequence")
    (got * clew.tensor(values(*want.shape))).sum().backward()
    (want * torch.tensor(values(*want.shape))).sum().backward()
    for a, b in pairs:
        close(a.grad, b.grad, "gradient")
    if side == "right":
        parts = rnn.unpad_sequence(got, [3, 1, 4], batch_first)
        for part, (a, _) in zip(parts, pairs, strict=True):
            assert clew.equal(part, a)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 3], [2, 5, 1]])
def test_pack_and_pad(batch_first: bool, lengths: list) -> None:
    x, y = both(3, 5, 2) if batch_first else both(5, 3, 2)
    ordered = lengths == sorted(lengths, reverse=True)
    got = rnn.pack_padded_sequence(x, clew.tensor(lengths), batch_first, ordered)
    want = torch.nn.utils.rnn.pack_padded_sequence(y, torch.tensor(lengths), batch_first, ordered)
    for g, w in zip(got, want, strict=True):
        assert (g is None) == (w is None)
        if w is not None:
            close(g, w, "packed")
    padded, n = rnn.pad_packed_sequence(got, batch_first, -1.0, 7)
    other, m = torch.nn.utils.rnn.pad_packed_sequence(want, batch_first, -1.0, 7)
    close(padded, other, "padded")
    assert n.tolist() == m.tolist() == lengths
    (padded * clew.tensor(values(*other.shape))).sum().backward()
    (other * torch.tensor(values(*other.shape))).sum().backward()
    close(x.grad, y.grad, "gradient")


def test_pack_sequence_and_conversions() -> None:
    parts = [clew.tensor([1.0, 2.0]), clew.tensor([3.0, 4.0, 5.0])]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    assert [p.tolist() for p in rnn.unpack_sequence(packed)] == [[1.0, 2.0], [3.0, 4.0, 5.0]]
    assert packed.double().data.dtype == clew.float64 and not packed.is_cuda
    assert packed.to(clew.float32) is packed
    assert isinstance(packed, tuple) and packed.batch_sizes.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: rnn.pack_padded_sequence(clew.ones(5, 2), [3, 5]), ValueError, "expected lengths that fall"),
        (lambda: rnn.pack_padded_sequence(clew.ones(5, 2), [5, 0]), ValueError, "expected lengths in [1, 5]"),
        (lambda: rnn.pack_padded_sequence(clew.ones(5, 2), [6, 1]), ValueError, "expected lengths in [1, 5]"),
        (lambda: rnn.pack_padded_sequence(clew.ones(5, 2), [5]), clew.ShapeError, "expected one length per"),
        (lambda: rnn.pad_sequence([]), ValueError, "expected at least one sequence"),
        (lambda: rnn.pad_sequence([clew.ones(1, 2), clew.ones(1, 3)]), clew.ShapeError, "alike but for"),
        (lambda: rnn.pad_sequence([clew.ones(1)], padding_side="x"), ValueError, "expected padding_side"),
        (
            lambda: rnn.pad_packed_sequence(rnn.pack_sequence([clew.ones(4)]), total_length=3),
            ValueError,
            "expected total_length >= 4",
        ),
        (lambda: rnn.PackedSequence(clew.ones(2)), ValueError, "expected batch_sizes, got None"),
    ],
)
def test_sequence_errors(call: Any, kind: type, text: str) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert text in str(raised.value)


# --- attention --------------------------------------------------------------------------------------


def masks(library: Any, batch: int, heads: int, steps: int, keys: int) -> dict:
    random = np.random.RandomState(5)
    keep = random.uniform(size=(batch * heads, steps, keys)) < 0.4
    keep[..., 0] = False
    padding = random.uniform(size=(batch, keys)) < 0.3
    padding[:, 0] = False
    number = random.uniform(-1, 1, (steps, keys))
    return {
        "none": {},
        "bool": {"attn_mask": library.tensor(keep[0])},
        "per head": {"attn_mask": library.tensor(keep)},
        "number": {"attn_mask": library.tensor(number)},
        "padding": {"key_padding_mask": library.tensor(padding)},
        "both": {"attn_mask": library.tensor(keep[0]), "key_padding_mask": library.tensor(padding)},
        "mixed": {
            "attn_mask": library.tensor(number),
            "key_padding_mask": library.tensor(np.where(padding, -np.inf, 0.0)),
        },
    }


ATTENTION = {
    "plain": {},
    "no-bias": {"bias": False},
    "batch-first": {"batch_first": True},
    "widths": {"kdim": 3, "vdim": 5},
    "bias-kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True, "batch_first": True},
    "all": {"add_bias_kv": True, "add_zero_attn": True, "kdim": 3, "batch_first": True},
}
MASKS = ["none", "bool", "per head", "number", "padding", "both", "mixed"]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("options", ATTENTION)
def test_multihead_attention(options: str, need_weights: bool, mask: str) -> None:
    o = ATTENTION[options]
    ours, theirs = pair(lambda library: library.MultiheadAttention(4, 2, **o))
    order = (lambda *s: (s[1], s[0], s[2])) if o.get("batch_first") else (lambda *s: s)
    inputs = [
        both(*order(5, 3, 4)),
        both(*order(6, 3, o.get("kdim", 4)), seed=1),
        both(*order(6, 3, o.get("vdim", 4)), seed=2),
    ]

    def call(m: Any, x: list) -> Any:
        library = clew if isinstance(x[0], clew.Tensor) else torch
        chosen = masks(library, 3, 2, 5, 6)[mask]
        return m(*x, need_weights=need_weights, average_attn_weights=mask != "bool", **chosen)

    compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], call)


@pytest.mark.parametrize("need_weights", [True, False])
def test_self_attention(need_weights: bool) -> None:
    """query, key and value as one; key and value as one; without batch; the causal hint."""
    ours, theirs = pair(lambda library: library.MultiheadAttention(4, 2))
    for shape in ((5, 3, 4), (5, 4)):
        for calls in (
            lambda m, x: m(x[0], x[0], x[0], need_weights=need_weights),
            lambda m, x: m(x[0], x[1], x[1], need_weights=need_weights),
        ):
            inputs = [both(*shape), both(*shape, seed=1)]
            ours.zero_grad()
            theirs.zero_grad()
            compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], calls)
    x, y = both(5, 3, 4)
    mask = clew.nn.Transformer.generate_square_subsequent_mask(5).double()
    other = torch.nn.Transformer.generate_square_subsequent_mask(5).double()
    got = ours(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights)
    want = theirs(y, y, y, attn_mask=other, is_causal=True, need_weights=need_weights)
    close(got[0], want[0], "causal")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda m, x: m(x[..., :3], x, x), clew.ShapeError, "expected query of 4 features"),
        (lambda m, x: m(x, x, x, is_causal=True), RuntimeError, "expected attn_mask with is_causal"),
        (lambda m, x: m(x, x, x, attn_mask=clew.zeros(3, 5)), clew.ShapeError, "expected attn_mask of shape"),
        (
            lambda m, x: m(x, x, x, key_padding_mask=clew.zeros(2, 4).bool()),
            clew.ShapeError,
            "expected key_padding_mask of shape (2, 5)",
        ),
        (
            lambda m, x: m(x, x, x, key_padding_mask=clew.zeros(2, 5).long()),
            clew.DTypeError,
            "expected key_padding_mask of dtype bool or floating",
        ),
        (lambda m, x: m(x, x[:3], x), clew.ShapeError, "expected key and value of one length"),
        (lambda m, x: m(x[:, 0], x, x), clew.ShapeError, "expected key and value with 2 dimensions"),
        (lambda m, x: nn.MultiheadAttention(4, 3), ValueError, "expected embed_dim divisible by num_heads"),
        (lambda m, x: nn.MultiheadAttention(0, 1), ValueError, "expected embed_dim and num_heads > 0"),
    ],
)
def test_attention_errors(call: Any, kind: type, text: str) -> None:
    with pytest.raises(kind) as raised:
        call(nn.MultiheadAttention(4, 2), clew.zeros(5, 2, 4))
    assert text in str(raised.value)


def test_fused_attention_is_the_composed_one() -> None:
    """Longer than a block, with gradients: the fused formulas against softmax of the whole matrix."""
    pairs = [both(1, 2, 300, 16, seed=i) for i in range(3)]
    got = nn.functional.scaled_dot_product_attention(*(a for a, _ in pairs), is_causal=True)
    q, k, v = (b for _, b in pairs)
    s = (q @ k.transpose(-2, -1) / 4).masked_fill(torch.ones(300, 300).triu(1).bool(), float("-inf"))
    want = s.softmax(-1) @ v
    close(got, want, "output")
    seed = values(1, 2, 300, 16)
    got.backward(clew.tensor(seed))
    want.backward(torch.tensor(seed))
    for a, b in pairs:
        close(a.grad, b.grad, "gradient")


@pytest.mark.parametrize("kind", ["none", "bool", "number", "causal"])
@pytest.mark.parametrize(
    ("queries", "keys", "width", "value_width"),
    [(1, 1, 1, 1), (63, 255, 31, 33), (64, 256, 32, 32), (65, 257, 33, 17), (130, 600, 8, 70)],
)
def test_attention_sizes(queries: int, keys: int, width: int, value_width: int, kind: str) -> None:
    """Sizes around those of the kernels' blocks and tiles, against the composed formula."""
    pairs = [
        both(2, 2, queries, width, seed=1),
        both(2, 2, keys, width, seed=2),
        both(2, 2, keys, value_width, seed=3),
        both(2, 2, queries, keys, seed=4),
    ]
    q, k, v, number = (b for _, b in pairs)
    s = q @ k.transpose(-2, -1) * width**-0.5
    keep = values(queries, keys) < 0.5
    mask = None
    if kind == "bool":
        mask, s = clew.tensor(keep), s.masked_fill(~torch.tensor(keep), -torch.inf)
    elif kind == "number":
        mask, s = pairs[3][0], s + number
    elif kind == "causal":
        s = s.masked_fill(~torch.ones(queries, keys).tril().bool(), -torch.inf)
    none = (s == -torch.inf).all(-1, keepdim=True)
    want = torch.softmax(s.masked_fill(none, 0), -1).masked_fill(none, 0) @ v
    got = nn.functional.scaled_dot_product_attention(
        *(a for a, _ in pairs[:3]), mask, is_causal=kind == "causal"
    )
    close(got, want, "output")
    seed = values(*want.shape)
    got.backward(clew.tensor(seed))
    want.backward(torch.tensor(seed))
    for i, (a, b) in enumerate(pairs):
        assert (a.grad is None) == (b.grad is None)
        if b.grad is not None:
            close(a.grad, b.grad, f"gradient {i}")


def test_choice_of_a_kernel() -> None:
    from torch.nn.attention import SDPBackend as Theirs

    backend = nn.attention.SDPBackend
    assert {b.name: int(b) for b in backend} == {name: int(b) for name, b in Theirs.__members__.items()}
    q = clew.randn(1, 2, 3, 4)
    want = nn.functional.scaled_dot_product_attention(q, q, q)
    for chosen in (backend.MATH, [backend.FLASH_ATTENTION, backend.MATH]):
        with nn.attention.sdpa_kernel(chosen):
            assert clew.equal(nn.functional.scaled_dot_product_attention(q, q, q), want)
    with pytest.raises(TypeError, match="expected an SDPBackend"), nn.attention.sdpa_kernel("math"):
        pass
    with pytest.raises(ValueError, match="expected at least one SDPBackend"), nn.attention.sdpa_kernel([]):
        pass


def test_attention_dropout() -> None:
    q = clew.zeros(1, 1, 1, 4)
    v = clew.eye(1000).reshape(1, 1, 1000, 1000)
    k = clew.zeros(1, 1, 1000, 4)
    clew.manual_seed(3)
    y = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.25)
    kept = (y > 0).float().mean().item()
    assert 0.7 < kept < 0.8
    np.testing.assert_allclose(y[y > 0].numpy(), 1 / 750, rtol=1e-5)
    clew.manual_seed(3)
    assert clew.equal(y, nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.25))
    assert not clew.equal(y, nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.25))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_threads(causal: bool) -> None:
    clew.manual_seed(0)
    x = [clew.randn(3, 2, 130, 24, requires_grad=True) for _ in range(3)]

    def run(n: int) -> list:
        before = clew.get_num_threads()
        clew.set_num_threads(n)
        try:
            for t in x:
                t.grad = None
            y = nn.functional.scaled_dot_product_attention(*x, is_causal=causal)
            y.square().sum().backward()
        finally:
            clew.set_num_threads(before)
        return [
            y.detach().contiguous().numpy().tobytes(),
            *(t.grad.contiguous().numpy().tobytes() for t in x),
        ]

    assert run(1) == run(2) == run(3)


# --- transformers -----------------------------------------------------------------------------------

LAYERS = {
    "plain": {},
    "norm-first": {"norm_first": True},
    "gelu": {"activation": "gelu", "batch_first": True},
    "no-bias": {"bias": False},
    "callable": {"activation": "callable"},
}


def layer_options(library: Any, options: str) -> dict:
    o = dict(LAYERS[options])
    if o.get("activation") == "callable":
        o["activation"] = library.functional.silu
    return {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "dropout": 0.0, **o}


@pytest.mark.parametrize("mask", ["none", "bool", "padding", "number", "causal"])
@pytest.mark.parametrize("options", LAYERS)
def test_encoder(options: str, mask: str) -> None:
    def make(library: Any) -> Any:
        layer = library.TransformerEncoderLayer(**layer_options(library, options))
        return library.TransformerEncoder(layer, 2, library.LayerNorm(4), enable_nested_tensor=False)

    ours, theirs = pair(make)
    x = both(5, 5, 4)

    def call(m: Any, inputs: list) -> Any:
        library = clew if isinstance(inputs[0], clew.Tensor) else torch
        chosen = masks(library, 5, 2, 5, 5).get(mask, {})
        if mask == "causal":
            causal = library.nn.Transformer.generate_square_subsequent_mask(5).double()
            return m(inputs[0], causal, is_causal=True)
        return m(inputs[0], chosen.get("attn_mask"), chosen.get("key_padding_mask"))

    compare(ours, theirs, [x[0]], [x[1]], call)


@pytest.mark.parametrize("options", LAYERS)
def test_decoder(options: str) -> None:
    def make(library: Any) -> Any:
        layer = library.TransformerDecoderLayer(**layer_options(library, options))
        return library.TransformerDecoder(layer, 2, library.LayerNorm(4))

    ours, theirs = pair(make)
    inputs = [both(5, 3, 4), both(6, 3, 4, seed=1)]
    if LAYERS[options].get("batch_first"):
        inputs = [both(3, 5, 4), both(3, 6, 4, seed=1)]

    def call(m: Any, x: list) -> Any:
        library = clew if isinstance(x[0], clew.Tensor) else torch
        causal = library.nn.Transformer.generate_square_subsequent_mask(5).double()
        padding = library.tensor([[False] * 6, [False] * 4 + [True] * 2, [False] * 5 + [True]])
        return m(x[0], x[1], tgt_mask=causal, memory_key_padding_mask=padding)

    compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], call)


@pytest.mark.parametrize("batch_first", [False, True])
def test_transformer(batch_first: bool) -> None:
    ours, theirs = pair(lambda library: library.Transformer(4, 2, 1, 2, 8, 0.0, batch_first=batch_first))
    inputs = [both(3, 5, 4), both(3, 2, 4, seed=1)] if batch_first else [both(5, 3, 4), both(2, 3, 4, seed=1)]

    def call(m: Any, x: list) -> Any:
        library = clew if isinstance(x[0], clew.Tensor) else torch
        mask = library.nn.Transformer.generate_square_subsequent_mask(2).double()
        return m(x[0], x[1], tgt_mask=mask)

    compare(ours, theirs, [a for a, _ in inputs], [b for _, b in inputs], call)


def test_transformer_errors_and_mask() -> None:
    model = nn.Transformer(4, 2, 1, 1, 8)
    with pytest.raises(clew.ShapeError, match="expected src and tgt of one batch"):
        model(clew.zeros(5, 3, 4), clew.zeros(5, 2, 4))
    with pytest.raises(clew.ShapeError, match="expected src and tgt of 4 features"):
        model(clew.zeros(5, 3, 3), clew.zeros(5, 3, 4))
    with pytest.raises(RuntimeError, match="expected activation 'relu', 'gelu' or a callable, got 'foo'"):
        nn.TransformerEncoderLayer(4, 2, activation="foo")
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    assert mask.tolist() == torch.nn.Transformer.generate_square_subsequent_mask(3).tolist()
    # A causal mask is found without the hint.
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 1)
    x = clew.randn(3, 2, 4)
    np.testing.assert_allclose(
        encoder(x, mask).detach().numpy(), encoder(x, mask, is_causal=False).detach().numpy(), atol=1e-6
    )


# --- second derivatives through modules --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_gradgrad(kind: str) -> None:
    layer = getattr(nn, kind)(2, 2, bidirectional=True).double()
    x = clew.tensor(values(3, 2, 2)).requires_grad_()
    assert clew.autograd.gradgradcheck(lambda t: layer(t)[0], (x,))
    packed = rnn.pack_padded_sequence(x, [3, 2])
    assert clew.autograd.gradgradcheck(
        lambda t: layer(rnn.PackedSequence(t, packed.batch_sizes))[0].data,
        (packed.data.detach().requires_grad_(),),
    )


def test_gradgrad_of_arguments_that_depend_on_each_other() -> None:
    """The initial state computed from the input: its gradient must not be counted twice."""
    layer = nn.GRU(2, 2).double()
    x = clew.tensor(values(3, 2, 2)).requires_grad_()

    def f(t: Any) -> Any:
        return layer(t * t, (t[:1] * 2).tanh())[0]

    assert clew.autograd.gradcheck(f, (x,)) and clew.autograd.gradgradcheck(f, (x,))
    once = clew.autograd.grad(f(x).square().sum(), x)[0]
    again = clew.autograd.grad(f(x).square().sum(), x, create_graph=True)[0]
    np.testing.assert_allclose(again.detach().numpy(), once.numpy(), rtol=1e-9)


def test_attention_gradgrad() -> None:
    layer = nn.MultiheadAttention(4, 2).double()
    x = clew.tensor(values(3, 2, 4)).requires_grad_()
    for need_weights in (True, False):
        assert clew.autograd.gradgradcheck(lambda t, n=need_weights: layer(t, t, t, need_weights=n)[0], (x,))
