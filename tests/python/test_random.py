"""Random numbers: their statistics, and that a seed repeats a run bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import clew
from clew import nn

N = 100_000


def values(t: clew.Tensor) -> np.ndarray:
    return t.double().numpy()


def test_moments() -> None:
    u = values(clew.rand(N))
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005 and abs(u.var() - 1 / 12) < 0.002
    n = values(clew.randn(N))
    assert abs(n.mean()) < 0.015 and abs(n.std() - 1) < 0.01
    assert abs((n**3).mean()) < 0.05 and abs((n**4).mean() - 3) < 0.15
    assert abs(np.corrcoef(n[:-1], n[1:])[0, 1]) < 0.015


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_rand_stays_below_one(dtype: str) -> None:
    u = values(clew.rand(N, dtype=getattr(clew, dtype)))
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01


def test_uniform_and_normal_in_place() -> None:
    x = clew.empty(N)
    assert x.uniform_(-2, 3) is x
    u = values(x)
    assert u.min() >= -2 and u.max() <= 3 and abs(u.mean() - 0.5) < 0.03
    n = values(x.normal_(5, 0.5))
    assert abs(n.mean() - 5) < 0.01 and abs(n.std() - 0.5) < 0.01


def test_randint_is_even() -> None:
    counts = np.bincount(clew.randint(0, 10, (N,)).numpy(), minlength=10)
    assert len(counts) == 10 and np.all(np.abs(counts - N / 10) < 500)
    wide = clew.randint(-(2**62), 2**62, (1000,)).numpy()
    assert wide.min() < -(2**60) and wide.max() > 2**60


def test_randperm() -> None:
    first = [clew.randperm(5)[0].item() for _ in range(2000)]
    assert np.all(np.abs(np.bincount(first, minlength=5) - 400) < 100)


def test_bernoulli_and_multinomial() -> None:
    p = clew.tensor([0.0, 0.2, 0.9, 1.0]).expand(N, 4)
    np.testing.assert_allclose(values(clew.bernoulli(p)).mean(0), [0, 0.2, 0.9, 1], atol=0.01)
    drawn = clew.multinomial(clew.tensor([1.0, 2.0, 0.0, 5.0]), N, replacement=True).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / N, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.01)


def test_dropout() -> None:
    x = clew.ones(N, requires_grad=True)
    y = nn.functional.dropout(x, 0.25)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.01
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert nn.functional.dropout(x, 0.25, training=False) is x


def test_a_seed_repeats_the_stream() -> None:
    def stream() -> list:
        return [clew.rand(5), clew.randn(3, 3), clew.randint(0, 9, (7,)), clew.randperm(6), clew.rand(1)]

    clew.manual_seed(7)
    first = stream()
    clew.manual_seed(7)
    assert all(clew.equal(a, b) for a, b in zip(first, stream(), strict=True))
    clew.manual_seed(8)
    assert not clew.equal(first[0], clew.rand(5))


def test_generators_are_apart() -> None:
    a, b = clew.Generator().manual_seed(1), clew.Generator().manual_seed(1)
    clew.manual_seed(1)
    x = clew.rand(10, generator=a)
    clew.rand(100)
    assert clew.equal(x, clew.rand(10, generator=b))
    state = a.get_state()
    y = clew.randn(10, generator=a)
    a.set_state(state)
    assert clew.equal(y, clew.randn(10, generator=a))


def test_values_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    long = clew.rand(1000, generator=clew.Generator().manual_seed(5))
    short = clew.rand(10, generator=clew.Generator().manual_seed(5))
    assert clew.equal(long[:10], short)


def test_a_training_run_repeats_bit_for_bit() -> None:
    def train() -> list:
        clew.manual_seed(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))
        optimizer = clew.optim.AdamW(model.parameters(), lr=1e-2)
        data = clew.utils.data.TensorDataset(clew.randn(64, 4), clew.randn(64, 1))
        for _ in range(3):
            for x, y in clew.utils.data.DataLoader(data, batch_size=16, shuffle=True):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        return [p.detach().clone() for p in model.parameters()]

    assert all(clew.equal(a, b) for a, b in zip(train(), train(), strict=True))
