"""What tensors look like."""

import re

import pytest

import clew


def test_shape_and_dtype_always():
    assert repr(clew.tensor([[1.0, 2.0], [3.0, 4.0]])) == (
        "tensor([[1., 2.],\n        [3., 4.]], shape=(2, 2), dtype=float32)"
    )
    assert repr(clew.tensor([1, 2])) == "tensor([1, 2], shape=(2,), dtype=int64)"
    assert repr(clew.tensor([True, False])) == "tensor([ True, False], shape=(2,), dtype=bool)"
    assert str(clew.tensor(2.5)) == "tensor(2.5000, shape=(), dtype=float32)"
    assert f"{clew.tensor([1])}" == "tensor([1], shape=(1,), dtype=int64)"


def test_place_on_the_tape():
    x = clew.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], shape=(2,), dtype=float32, requires_grad=True)"
    assert repr(x + 1) == "tensor([2., 2.], shape=(2,), dtype=float32, grad_fn=<AddBackward>)"
    assert repr((x * 2).detach()) == "tensor([2., 2.], shape=(2,), dtype=float32)"
    with clew.no_grad():
        assert "requires_grad=True" in repr(x)


def test_printing_leaves_no_trace():
    x = clew.ones(2, requires_grad=True)
    y = x * 2
    version, allocated = x._version, clew.memory_stats()["allocated_bytes"]
    repr(y)
    assert x._version == version
    assert clew.memory_stats()["allocated_bytes"] == allocated
    with clew.profiler.profile() as prof:
        repr(y)
    assert prof.events() == []


def test_without_data():
    assert repr(clew.ones(2, 3, device="meta")) == "tensor(..., shape=(2, 3), dtype=float32, device=meta)"
    assert repr(clew.ones(0)) == "tensor([], shape=(0,), dtype=float32)"
    assert repr(clew.ones(2, 0)) == "tensor([], shape=(2, 0), dtype=float32)"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 2.5], "[1.0000, 2.5000]"),
        ([1.0, float("nan"), float("-inf"), 0.5], "[1.0000,    nan,   -inf, 0.5000]"),
        ([1.0, float("nan")], "[1., nan]"),
        ([float("inf")], "[inf]"),
        ([0.0, 0.0], "[0., 0.]"),
        ([-1.0, 10.0], "[-1., 10.]"),
        ([-0.0, 1.0], "[-0., 1.]"),
        ([1e-10, 1.0], "[1.0000e-10, 1.0000e+00]"),
        ([0.001, 5000.5], "[1.0000e-03, 5.0005e+03]"),
        ([1e9], "[1.0000e+09]"),
        ([1.0, 2000.0], "[1.0000e+00, 2.0000e+03]"),
        ([123456.0], "[123456.]"),
    ],
)
def test_numbers(values, text):
    assert repr(clew.tensor(values)).startswith(f"tensor({text}, ")


def test_integers_are_exact():
    assert repr(clew.tensor([2**63 - 1, -(2**63)])).startswith(
        "tensor([ 9223372036854775807, -9223372036854775808]"
    )
    assert repr(clew.tensor([200], dtype=clew.uint8)).startswith("tensor([200]")
    assert repr(clew.tensor([-7], dtype=clew.int8)).startswith("tensor([-7]")


def test_views():
    t = clew.arange(6).reshape(2, 3)
    assert repr(t.t()).startswith("tensor([[0, 3],\n        [1, 4],\n        [2, 5]]")
    assert repr(t[:, ::2]).startswith("tensor([[0, 2],\n        [3, 5]]")
    assert repr(clew.ones(1).expand(3)).startswith("tensor([1., 1., 1.]")


def test_summary():
    text = repr(clew.arange(2000))
    assert text == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999], shape=(2000,), dtype=int64)"
    text = repr(clew.zeros(100, 100))
    assert text.count("0.") == 36
    assert "        ...,\n" in text
    assert repr(clew.zeros(1000)).count("0.") == 1000


@pytest.mark.parametrize("size", [1, 2])
def test_many_dimensions(size):
    t = clew.ones(1).expand((size,) * (64 if size == 1 else 60))
    text = repr(t)
    assert text.startswith("tensor([[[[[")
    assert len(text) < 500_000


def test_long_rows_break():
    assert max(len(line) for line in repr(clew.rand(100)).splitlines()) <= 80


def _values(text):
    """The bracketed part of a repr."""
    return text[len("tensor(") : text.rindex("]") + 1]


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6, 1e30])
@pytest.mark.parametrize(
    "shape",
    [(1,), (7,), (50,), (2, 3), (3, 1, 4), (2, 3, 4, 5), (1001,), (40, 30), (11, 12, 13), (3, 4, 5, 40)],
)
def test_values_print_as_in_torch(shape, scale):
    torch = pytest.importorskip("torch")
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3)) * scale
    for y in (
        x,
        x.round(),
        (x * 100).long().clamp(-(10**6), 10**6),
        x > 0,
        x.double(),
        x.half(),
        x.bfloat16(),
    ):
        if y.dtype is torch.float16 and scale > 1e5:
            continue
        got = _values(repr(clew.from_dlpack(y)))
        want = repr(y)
        assert re.sub(r"\s+", " ", got) == re.sub(r"\s+", " ", _values(want))
        assert got == _values(want)


def test_size():
    assert repr(clew.ones(2, 3).shape) == "clew.Size([2, 3])"
    assert clew.ones(2, 3).shape == (2, 3)
