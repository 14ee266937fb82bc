"""Memory stays flat: over training steps, over long chains, over errors."""

from __future__ import annotations

import gc
import os
import sys

import pytest

import clew
from clew import nn


def allocated() -> int:
    return clew._C.memory_stats()["allocated_bytes"]


def resident_bytes() -> int:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_tensor_gives_its_memory_back() -> None:
    before = allocated()
    x = clew.zeros(1000)
    assert allocated() >= before + 4000
    view = x[10:20]
    del x
    assert allocated() >= before + 4000, "a view keeps its storage"
    del view
    assert allocated() == before


def test_training_steps_do_not_grow() -> None:
    """Memory after 100000 steps equals that after 1000."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = clew.optim.Adam(model.parameters(), lr=1e-3)
    x, y = clew.randn(4, 4), clew.randn(4, 1)
    mse = nn.functional.mse_loss

    def steps(n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            loss = mse(model(x), y)
            loss.backward()
            optimizer.step()

    gc.disable()
    try:
        steps(1000)
        live, resident, objects = allocated(), resident_bytes(), len(gc.get_objects())
        steps(99_000)
        assert allocated() == live
        assert len(gc.get_objects()) <= objects + 50
        if "libasan" not in os.environ.get("LD_PRELOAD", ""):
            # A leak of the smallest block (64 bytes) in every step would be 6 MB.
            assert resident_bytes() <= resident + (4 << 20)
    finally:
        gc.enable()


def test_a_chain_of_a_million_ops() -> None:
    """Backward and destruction walk the tape without recursion."""
    n = 1_000_000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        before = allocated()
        x = clew.ones(1, requires_grad=True)
        y = x
        for _ in range(n):
            y = y + 1.0
        y.backward()
        assert x.grad.item() == 1.0
        del y
        # And without backward: only destruction.
        y = x
        for _ in range(n):
            y = y * 1.0
        del y
        x.grad = None
        del x
        assert allocated() == before
    finally:
        sys.setrecursionlimit(limit)


def test_a_chain_kept_alive_by_views() -> None:
    before = allocated()
    x = clew.ones(4, requires_grad=True)
    y = x * 1
    for _ in range(100_000):
        y[1:3].mul_(1.0)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0, 1.0]
    del x, y
    assert allocated() == before


def test_create_graph_makes_no_cycle_that_stays() -> None:
    x = clew.ones(3, requires_grad=True)

    def twice() -> None:
        (g,) = clew.autograd.grad((x**3).sum(), x, create_graph=True)
        g.sum().backward()
        x.grad = None

    twice()
    gc.collect()
    before = allocated()
    for _ in range(100):
        twice()
    gc.collect()
    assert allocated() == before


def test_an_error_in_backward_frees_the_graph() -> None:
    class Failing(clew.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError

    x = clew.ones(1000, requires_grad=True)

    def once() -> None:
        with pytest.raises(KeyError):
            Failing.apply(x.exp()).exp().sum().backward()

    once()
    gc.collect()
    before = allocated()
    for _ in range(10):
        once()
    gc.collect()
    assert allocated() == before


def test_errors_in_ops_leak_nothing() -> None:
    a, b = clew.ones(20, 30), clew.ones(7)

    def once() -> None:
        for call in (
            lambda: a + b,
            lambda: clew.mm(a, a),
            lambda: a.view(7),
            lambda: a.sum(5),
            lambda: a[99],
        ):
            with pytest.raises((RuntimeError, IndexError)):
                call()

    once()
    before = allocated()
    for _ in range(20):
        once()
    assert allocated() == before


def test_peak_and_cache() -> None:
    clew.reset_peak_memory()
    base = clew._C.memory_stats()["peak_allocated_bytes"]
    x = clew.zeros(1 << 20)
    assert clew._C.memory_stats()["peak_allocated_bytes"] >= base + (4 << 20)
    del x
    assert clew._C.memory_stats()["cached_bytes"] >= 4 << 20
    clew.empty_cache()
    assert clew._C.memory_stats()["cached_bytes"] == 0
