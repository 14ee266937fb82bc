"""Recomputing in backward: the same gradients, less memory."""

from __future__ import annotations

import pytest

import clew
from clew import nn
from clew.utils.checkpoint import checkpoint, checkpoint_sequential


def net() -> nn.Sequential:
    clew.manual_seed(4)
    return nn.Sequential(
        *[layer for _ in range(4) for layer in (nn.Linear(6, 6), nn.Tanh(), nn.Dropout(0.3))]
    )


def gradients(call) -> list:
    model = net()
    x = clew.linspace(-1, 1, 12).reshape(2, 6).requires_grad_()
    clew.manual_seed(9)
    out = call(model, x)
    out.sum().backward()
    return [out.tolist(), x.grad.tolist(), *(p.grad.tolist() for p in model.parameters())]


@pytest.mark.parametrize("reentrant", [True, False])
def test_same_gradients_and_random_numbers(reentrant: bool) -> None:
    plain = gradients(lambda model, x: model(x))
    assert gradients(lambda model, x: checkpoint(model, x, use_reentrant=reentrant)) == plain
    assert gradients(lambda model, x: checkpoint_sequential(model, 3, x, use_reentrant=reentrant)) == plain


def test_rng_goes_on_as_if_nothing_had_happened() -> None:
    drawn = []
    for wrapped in (False, True):
        clew.manual_seed(1)
        x = clew.ones(5, requires_grad=True)
        f = nn.Dropout(0.5)
        y = checkpoint(f, x) if wrapped else f(x)
        y.sum().backward()
        drawn.append((x.grad.tolist(), clew.rand(3).tolist()))
    assert drawn[0] == drawn[1]


def test_only_parameters_ask_for_gradients() -> None:
    layer = nn.Linear(2, 2)
    checkpoint(layer, clew.ones(1, 2)).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_several_arguments_and_results() -> None:
    def f(x, y, scale, *, shift):
        return x * y * scale + shift, x - y

    x, y = clew.ones(2, requires_grad=True), clew.full((2,), 3.0, requires_grad=True)
    first, second = checkpoint(f, x, y, 2.0, shift=clew.ones(2))
    (first + second).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0] and y.grad.tolist() == [1.0, 1.0]


def test_function_runs_twice_and_keeps_less() -> None:
    calls = []

    def f(x):
        calls.append(clew.is_grad_enabled())
        for _ in range(20):
            x = x.sin()
        return x

    x = clew.ones(10000, requires_grad=True)
    before = clew.memory_stats()["allocated_bytes"]
    y = checkpoint(f, x)
    held = clew.memory_stats()["allocated_bytes"] - before
    z = f(x)
    plain = clew.memory_stats()["allocated_bytes"] - before - held
    assert held < plain / 5
    y.sum().backward()
    first = x.grad.tolist()
    x.grad = None
    z.sum().backward()
    assert x.grad.tolist() == first
    assert calls == [False, True, True]


def test_changed_inputs_are_caught() -> None:
    x = clew.ones(2, requires_grad=True)
    middle = x * 2
    y = checkpoint(lambda t: t * t, middle)
    middle.add_(1)
    with pytest.raises(RuntimeError, match="version"):
        y.sum().backward()


def test_errors() -> None:
    with pytest.raises(ValueError, match="segments"):
        checkpoint_sequential(net(), 50, clew.ones(1, 6))
    with pytest.raises(NotImplementedError, match="context_fn"):
        checkpoint(lambda x: x, clew.ones(1), context_fn=lambda: None)
    with clew.no_grad():
        assert checkpoint(lambda x: x * 2, clew.ones(1)).item() == 2.0
