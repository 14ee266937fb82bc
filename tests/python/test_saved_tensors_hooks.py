"""Hooks that decide how tensors are kept for backward."""

from __future__ import annotations

import pytest

import clew
from clew.autograd import graph


def test_every_kind_of_saved_tensor_passes_the_hooks() -> None:
    seen: list[str] = []

    def pack(t):
        assert not t.requires_grad and t.grad_fn is None
        seen.append("pack")
        return t.numpy().copy()

    def unpack(array):
        seen.append("unpack")
        return clew.from_numpy(array)

    class Square(clew.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = clew.randn(3, dtype=clew.float64, requires_grad=True)

    def f(x):
        return Square.apply(x.exp() * x).softmax(0).square().sum()

    plain = clew.autograd.grad(f(x), x)[0]
    with graph.saved_tensors_hooks(pack, unpack):
        y = f(x)
    assert clew.equal(clew.autograd.grad(y, x)[0], plain)
    assert seen.count("pack") == seen.count("unpack") >= 5

    def hooked(x):
        with graph.saved_tensors_hooks(pack, unpack):
            return f(x)

    with graph.saved_tensors_hooks(pack, unpack):
        z = (x * x * x).sum()
    (g,) = clew.autograd.grad(z, x, create_graph=True)
    g.sum().backward()  # through the leaf itself, which keeps its place
    assert clew.allclose(x.grad, 6 * x.detach())
    # Histories survive: arguments, outputs and leaves.
    assert clew.autograd.gradgradcheck(hooked, x)


def test_the_innermost_hooks_count_and_memory_comes_back() -> None:
    def outer(t):
        raise AssertionError("not to be called")

    x = clew.ones(4, requires_grad=True)
    with graph.saved_tensors_hooks(outer, outer):
        with graph.saved_tensors_hooks(lambda t: t * 10, lambda t: t / 10):
            y = x.exp()
    y.sum().backward()
    assert clew.allclose(x.grad, x.exp())
    before = clew.memory_stats()["allocated_bytes"]
    for _ in range(3):
        with graph.save_on_cpu():
            y = (x * x).exp().sum()
        y.backward()
        x.grad = None
        del y
    assert clew.memory_stats()["allocated_bytes"] <= before


def test_errors() -> None:
    x = clew.ones(2, requires_grad=True)

    def fail(t):
        raise KeyError("no room")

    with graph.saved_tensors_hooks(fail, lambda t: t), pytest.raises(KeyError, match="no room"):
        x.exp()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x.exp()
    with pytest.raises(TypeError, match="expected a Tensor from unpack_hook, got int"):
        y.sum().backward()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t[:1]):
        y = x.exp()
    with pytest.raises(clew.ShapeError, match=r"expected a tensor of shape .2,. and dtype"):
        y.sum().backward()
    with graph.disable_saved_tensors_hooks("none today"), pytest.raises(RuntimeError, match="none today"):
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass
    x.exp().sum().backward()  # nothing is left behind


def test_multi_grad_hook() -> None:
    a, b = (clew.ones(1, requires_grad=True) for _ in range(2))
    calls = []
    handle = graph.register_multi_grad_hook([a, b], calls.append)
    (2 * a + 3 * b).backward()
    assert [[g.item() for g in grads] for grads in calls] == [[2.0, 3.0]]
    handle.remove()
    (a + b).backward()
    assert len(calls) == 1
