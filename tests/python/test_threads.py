"""Several Python threads at once: own graphs, shared leaves, modes per thread; results by thread count."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

import clew
from clew import nn


def run_threads(*bodies: Callable[[], None]) -> None:
    """Runs the bodies at the same time and raises the first of their exceptions."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(bodies))

    def guarded(body: Callable[[], None]) -> None:
        start.wait()
        try:
            body()
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(b,)) for b in bodies]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def test_backward_on_graphs_that_share_leaves() -> None:
    w = clew.ones(64, 64, requires_grad=True)
    b = clew.zeros(64, requires_grad=True)
    steps, workers = 200, 4
    inputs = [clew.full((8, 64), float(i + 1)) for i in range(workers)]

    def work(x):
        def body() -> None:
            for _ in range(steps):
                nn.functional.linear(x, w, b).sum().backward()

        return body

    run_threads(*(work(x) for x in inputs))
    # Sums of small integers are exact in float32, in any order.
    assert np.all(w.grad.numpy() == steps * 8 * sum(range(1, workers + 1)))
    assert np.all(b.grad.numpy() == steps * 8 * workers)


def test_grad_on_shared_graph() -> None:
    x = clew.ones(256, requires_grad=True)
    h = (x * 2).exp()
    want = (2 * h).detach().numpy()

    def body() -> None:
        for _ in range(100):
            (g,) = clew.autograd.grad(h.sum(), x, retain_graph=True)
            np.testing.assert_array_equal(g.numpy(), want)

    run_threads(body, body, body)


def test_grad_mode_belongs_to_its_thread() -> None:
    x = clew.ones(2, requires_grad=True)
    entered, leave = threading.Event(), threading.Event()

    def without() -> None:
        with clew.no_grad():
            entered.set()
            leave.wait(5)
            assert not (x * 2).requires_grad

    def with_grad() -> None:
        entered.wait(5)
        assert clew.is_grad_enabled() and (x * 2).requires_grad
        leave.set()

    run_threads(without, with_grad)


def test_tensors_made_here_end_there() -> None:
    """A tensor may be freed by another thread than the one that made it."""
    gc.collect()
    before = clew._C.memory_stats()["allocated_bytes"]
    made: list = []

    def make() -> None:
        for _ in range(2000):
            made.append((clew.ones(10, requires_grad=True) * 2).exp())

    run_threads(make, make)
    made.clear()
    run_threads(make)
    made.clear()
    assert clew._C.memory_stats()["allocated_bytes"] == before


def test_hooks_and_functions_from_threads() -> None:
    class Twice(clew.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    seen: list[float] = []
    x = clew.ones(3, requires_grad=True)
    x.register_hook(lambda g: seen.append(g[0].item()))

    def body() -> None:
        for _ in range(100):
            Twice.apply(x).sum().backward()

    run_threads(body, body)
    assert x.grad.tolist() == [400.0] * 3
    assert seen == [2.0] * 200


OPS = {
    "add": lambda x, y: x + y,
    "exp": lambda x, y: x.exp(),
    "sum": lambda x, y: x.sum(),
    "sum rows": lambda x, y: x.sum(0),
    "sum columns": lambda x, y: x.sum(1),
    "var": lambda x, y: x.var(),
    "matmul": lambda x, y: x @ y.t(),
    "softmax": lambda x, y: x.softmax(1),
    "layer_norm": lambda x, y: nn.functional.layer_norm(x, (x.shape[1],)),
    "cumsum": lambda x, y: x.cumsum(0),
    "sort": lambda x, y: x.sort(1)[0],
    "conv2d": lambda x, y: nn.functional.conv2d(x.reshape(5, 4, 30, 30), y[:2, :72].reshape(4, 4, 3, 3)),
    "embedding gradient": lambda x, y: embedding_gradient(x),
    "randn": lambda x, y: clew.randn(60_000, generator=clew.Generator().manual_seed(3)),
    "dropout": lambda x, y: seeded_dropout(x),
}


def embedding_gradient(x):
    weight = x.detach().clone().requires_grad_()
    index = (clew.arange(5000) * 7) % 13
    nn.functional.embedding(index, weight).square().sum().backward()
    return weight.grad


def seeded_dropout(x):
    clew.manual_seed(5)
    return nn.functional.dropout(x, 0.3)


@pytest.mark.parametrize("name", OPS)
def test_results_do_not_depend_on_the_number_of_threads(name: str) -> None:
    random = np.random.RandomState(0)
    x = clew.tensor(random.uniform(-1, 1, (100, 180)).astype(np.float32))
    y = clew.tensor(random.uniform(-1, 1, (100, 180)).astype(np.float32))
    found = []
    threads = clew.get_num_threads()
    try:
        for n in (1, 2, 3):
            clew.set_num_threads(n)
            found.append(OPS[name](x, y).numpy().copy())
    finally:
        clew.set_num_threads(threads)
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
