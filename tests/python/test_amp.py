"""Autocast: an interceptor that casts arguments by each op's policy."""

import threading

import pytest

import clew
from clew import amp
from clew.nn import functional as F


def test_matmul_runs_low_and_losses_run_in_float32():
    x, w = clew.randn(4, 3), clew.randn(5, 3)
    with amp.autocast("cpu"):
        assert (x @ w.t()).dtype is clew.bfloat16
        assert F.linear(x, w).dtype is clew.bfloat16
        assert clew.mm(x, w.t()).dtype is clew.bfloat16
        low = F.linear(x, w)
        assert clew.softmax(low, 1).dtype is clew.float32
        assert F.cross_entropy(low, clew.zeros(4, dtype=clew.int64)).dtype is clew.float32
        assert F.mse_loss(low, low).dtype is clew.float32
        assert (x + 1).dtype is clew.float32
        assert F.relu(low).dtype is clew.bfloat16
    assert (x @ w.t()).dtype is clew.float32


def test_conv():
    with amp.autocast("cpu"):
        assert F.conv2d(clew.ones(1, 1, 4, 4), clew.ones(2, 1, 3, 3)).dtype is clew.bfloat16


def test_float16():
    with amp.autocast("cpu", dtype=clew.float16):
        assert (clew.ones(2, 2) @ clew.ones(2, 2)).dtype is clew.float16
        assert amp.get_autocast_dtype() is clew.float16


def test_what_is_left_alone():
    d = clew.ones(2, 2, dtype=clew.float64)
    with amp.autocast("cpu"):
        assert (d @ d).dtype is clew.float64
        t = clew.ones(2, 2)
        t.mul_(2)
        assert t.dtype is clew.float32
        assert clew.ones(2).dtype is clew.float32
        assert (clew.ones(2, 2, dtype=clew.int64) @ clew.ones(2, 2, dtype=clew.int64)).dtype is clew.int64


def test_gradients_arrive_in_the_dtype_of_the_parameters():
    x = clew.randn(4, 3)
    w = clew.randn(5, 3, requires_grad=True)
    b = clew.randn(5, requires_grad=True)

    def loss():
        return F.linear(x, w, b).square().mean()

    loss().backward()
    exact = w.grad
    w.grad = b.grad = None
    with amp.autocast("cpu"):
        y = loss()
    y.backward()
    assert w.grad.dtype is clew.float32
    assert b.grad.dtype is clew.float32
    assert clew.allclose(w.grad, exact, rtol=0.05, atol=0.05)


def cast_count(prof):
    return sum(e.name == "cast" for e in prof.events())


def test_a_weight_is_cast_once_per_context():
    w = clew.randn(4, 4, requires_grad=True)
    x = clew.randn(4, 4, dtype=clew.bfloat16)
    with clew.profiler.profile() as prof:
        with amp.autocast("cpu"):
            x @ w
            x @ w
        with amp.autocast("cpu"):
            x @ w
    assert cast_count(prof) == 2
    with clew.profiler.profile() as prof, amp.autocast("cpu", cache_enabled=False):
        x @ w
        x @ w
    assert cast_count(prof) == 2


def test_a_cached_weight_that_changed_is_cast_again():
    w = clew.ones(2, 2, requires_grad=True)
    x = clew.ones(2, 2)
    with amp.autocast("cpu"):
        assert (x @ w)[0, 0].item() == 2
        with clew.no_grad():
            w.mul_(3)
        assert (x @ w)[0, 0].item() == 6


def test_a_cast_made_without_grad_is_not_used_with_it():
    w = clew.ones(2, 2, requires_grad=True)
    x = clew.ones(2, 2)
    with amp.autocast("cpu"):
        with clew.no_grad():
            x @ w
        y = x @ w
    assert y.requires_grad
    y.sum().backward()
    assert w.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_several_backwards_in_one_context():
    w = clew.ones(2, 2, requires_grad=True)
    with amp.autocast("cpu"):
        for _ in range(3):
            (clew.ones(2, 2) @ w).sum().backward()
    assert w.grad.tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_the_cache_ends_with_the_context():
    w = clew.randn(64, 64, requires_grad=True)
    before = clew.memory_stats()["allocated_bytes"]
    with amp.autocast("cpu"):
        clew.randn(64, 64) @ w
    assert clew.memory_stats()["allocated_bytes"] <= before + 256  # the leaf's tape end stays


def test_nesting():
    a = clew.ones(2, 2)
    assert not amp.is_autocast_enabled()
    with amp.autocast("cpu"):
        assert amp.is_autocast_enabled()
        with amp.autocast("cpu", enabled=False):
            assert not amp.is_autocast_enabled()
            assert (a @ a).dtype is clew.float32
        with amp.autocast("cpu", dtype=clew.float16):
            assert (a @ a).dtype is clew.float16
        assert (a @ a).dtype is clew.bfloat16
        assert amp.get_autocast_dtype() is clew.bfloat16
    assert not amp.is_autocast_enabled()


def test_decorator_and_reuse():
    context = amp.autocast("cpu")

    @context
    def f(depth):
        y = clew.ones(2, 2) @ clew.ones(2, 2)
        return y.dtype if depth == 0 else f(depth - 1)

    assert f(2) is clew.bfloat16
    with context, context:
        assert f(0) is clew.bfloat16
    assert not amp.is_autocast_enabled()


def test_an_error_ends_the_context():
    with pytest.raises(clew.ShapeError), amp.autocast("cpu"):
        clew.ones(2, 3) @ clew.ones(2, 3)
    assert not amp.is_autocast_enabled()
    assert (clew.ones(2, 2) @ clew.ones(2, 2)).dtype is clew.float32


def test_threads_have_their_own():
    seen = []
    with amp.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(amp.is_autocast_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_with_a_profiler_the_results_stay():
    x, w = clew.randn(4, 3), clew.randn(5, 3, requires_grad=True)
    with amp.autocast("cpu"):
        plain = F.linear(x, w)
        with clew.profiler.profile() as inner:
            assert clew.equal(F.linear(x, w), plain)
    with clew.profiler.profile() as outer, amp.autocast("cpu"):
        assert clew.equal(F.linear(x, w), plain)
    assert inner.events()[0].name == outer.events()[-1].name == "linear" or "linear" in [
        e.name for e in outer.events()
    ]


def test_modules_train():
    clew.manual_seed(0)
    net = clew.nn.Sequential(clew.nn.Linear(4, 16), clew.nn.ReLU(), clew.nn.Linear(16, 2))
    optimizer = clew.optim.SGD(net.parameters(), lr=0.1)
    x = clew.randn(32, 4)
    target = (x[:, 0] > 0).long()
    losses = []
    for _ in range(50):
        with amp.autocast("cpu"):
            loss = F.cross_entropy(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.dtype is clew.float32 for p in net.parameters())


def test_misuse():
    with pytest.raises(ValueError, match="autocast: expected device_type 'cpu' or 'cuda', got 'tpu'"):
        amp.autocast("tpu")
    with pytest.raises(ValueError, match="autocast: expected dtype bfloat16 or float16, got"):
        amp.autocast("cpu", dtype=clew.float32)
    with pytest.warns(UserWarning, match="CUDA"):
        off = amp.autocast("cuda")
    with off:
        assert (clew.ones(2, 2) @ clew.ones(2, 2)).dtype is clew.float32
    assert amp.is_autocast_available("cpu")
    assert clew.autocast is amp.autocast
