"""Initialisers and helpers over parameters: exact where nothing is random, by moments where it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import clew
from clew import nn
from clew.nn import init


@pytest.mark.parametrize("dtype", [clew.float32, clew.float64, clew.bfloat16])
def test_trunc_normal(dtype: Any) -> None:
    w = init.trunc_normal_(clew.empty(40000, dtype=dtype), mean=0.5, std=2.0, a=-1.0, b=4.0)
    values = w.double().numpy()
    assert values.min() >= -1.0 and values.max() <= 4.0
    # Mean and deviation of the cut distribution, from its density.
    x = np.linspace(-1, 4, 200001)
    density = np.exp(-(((x - 0.5) / 2) ** 2) / 2)
    density /= density.sum()
    mean = (x * density).sum()
    deviation = math.sqrt((((x - mean) ** 2) * density).sum())
    assert abs(values.mean() - mean) < 5 * deviation / 200
    assert abs(values.std() - deviation) < 0.03
    share = np.interp(1.0, x, density.cumsum())
    assert abs((values < 1.0).mean() - share) < 0.015


def test_trunc_normal_inverse_is_exact() -> None:
    y = clew.linspace(-0.999999, 0.999999, 4001, dtype=clew.float64)
    back = y.erfinv().erf()
    assert (back - y).abs().max().item() < 1e-12


def test_trunc_normal_far_away_warns() -> None:
    with pytest.warns(UserWarning, match="two std"):
        init.trunc_normal_(clew.empty(10), mean=10.0, std=1.0, a=-2.0, b=2.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (6, 2, 3), (2, 3, 2, 2)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(clew.empty(shape, dtype=clew.float64), gain=2.0).reshape(shape[0], -1).numpy()
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)
    other = init.orthogonal_(clew.empty(shape, dtype=clew.float64))
    assert not clew.equal(other, clew.from_numpy(w).reshape(shape))
    with pytest.raises(ValueError, match="2 or more"):
        init.orthogonal_(clew.empty(3))


@pytest.mark.parametrize("shape, groups", [((4, 3, 3), 1), ((4, 2, 3, 5), 2), ((2, 3, 2, 2, 2), 1)])
def test_dirac_as_in_torch(shape: tuple[int, ...], groups: int) -> None:
    torch = pytest.importorskip("torch")
    ours = init.dirac_(clew.empty(shape), groups).numpy()
    np.testing.assert_array_equal(ours, torch.nn.init.dirac_(torch.empty(shape), groups).numpy())


def test_sparse_and_errors() -> None:
    w = init.sparse_(clew.empty(20, 7), 0.25, std=0.5)
    assert (w == 0).sum(0).tolist() == [5] * 7
    for call in (
        lambda: init.dirac_(clew.empty(2, 2)),
        lambda: init.dirac_(clew.empty(3, 1, 2), groups=2),
        lambda: init.sparse_(clew.empty(3), 0.5),
        lambda: init.eye_(clew.empty(3)),
        lambda: init.calculate_gain("no such"),
    ):
        with pytest.raises(ValueError):
            call()


def test_fans_by_the_names_that_layers_call() -> None:
    w = clew.empty(4, 3, 5)
    assert init._calculate_fan_in_and_fan_out(w) == (15, 20)
    assert init._calculate_correct_fan(w, "fan_out") == 20 and init._calculate_correct_fan(w, "fan_in") == 15
    with pytest.raises(ValueError, match="mode"):
        init._calculate_correct_fan(w, "fan")
    with pytest.raises(ValueError, match="2 or more"):
        init._calculate_fan_in_and_fan_out(clew.empty(3))


def test_same_seed_same_values() -> None:
    for fill in (
        init.trunc_normal_,
        init.orthogonal_,
        lambda t, generator: init.sparse_(t, 0.5, 1.0, generator),
    ):
        first = fill(clew.empty(6, 5), generator=clew.Generator().manual_seed(3))
        second = fill(clew.empty(6, 5), generator=clew.Generator().manual_seed(3))
        assert clew.equal(first, second)


# --- nn.utils --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_as_in_torch(dim: int | None) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weight, bias, x = (rng.normal(size=s).astype(np.float32) for s in ((4, 3), (4,), (5, 3)))

    def build(lib: Any) -> list[Any]:
        layer = lib.nn.Linear(3, 4)
        with lib.no_grad():
            layer.weight.copy_(lib.from_numpy(weight))
            layer.bias.copy_(lib.from_numpy(bias))
        layer = lib.nn.utils.weight_norm(layer, dim=dim)
        with lib.no_grad():
            layer.weight_g.mul_(1.5)
        out = layer(lib.from_numpy(x))
        (out**2).sum().backward()
        found = [out.detach(), layer.weight_g.grad, layer.weight_v.grad]
        keys = list(layer.state_dict())
        layer = lib.nn.utils.remove_weight_norm(layer)
        return [keys, list(layer.state_dict()), *(t.numpy() for t in (*found, layer.weight.detach()))]

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = build(clew), build(torch)
    assert ours[:2] == theirs[:2]
    for a, b in zip(ours[2:], theirs[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weight_norm_errors() -> None:
    layer = nn.utils.weight_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="without weight norm"):
        nn.utils.weight_norm(layer)
    with pytest.raises(ValueError, match="with weight norm"):
        nn.utils.remove_weight_norm(nn.Linear(2, 2))


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("foreach", [None, True, False])
def test_clip_grad_norm_as_in_torch(norm_type: float, foreach: bool | None) -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        ps = [lib.nn.Parameter(lib.ones(3)), lib.nn.Parameter(lib.ones(2, 2)), lib.nn.Parameter(lib.ones(1))]
        ps[0].grad = lib.tensor([1.0, -2.0, 3.0])
        ps[1].grad = lib.tensor([[0.5, 4.0], [-1.0, 2.0]])
        total = lib.nn.utils.clip_grad_norm_(ps, 2.0, norm_type, foreach=foreach)
        lib.nn.utils.clip_grad_value_(ps, 0.8, foreach=foreach)
        again = lib.nn.utils.get_total_norm([p.grad for p in ps[:2]], norm_type)
        return [total.numpy(), again.numpy(), *(p.grad.numpy() for p in ps[:2])]

    for a, b in zip(run(clew), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_clip_grad_norm_of_generators_and_infinities() -> None:
    layer = nn.Linear(2, 2)
    layer(clew.ones(1, 2)).sum().backward()
    assert nn.utils.clip_grad_norm_(layer.parameters(), 1.0).item() > 1.0
    layer.weight.grad = clew.full((2, 2), math.inf)
    with pytest.raises(RuntimeError, match="finite"):
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    nn.utils.vector_to_parameters(vector * 0 + 3, layer.parameters())
    assert layer.bias.tolist() == [3.0, 3.0]
