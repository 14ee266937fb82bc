"""Parametrized parameters, pruned ones, lazy layers."""

from __future__ import annotations

import copy

import pytest

import clew
from clew import nn
from clew.nn.utils import parametrizations, parametrize, prune


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


def test_a_parametrized_layer_trains_saves_and_copies() -> None:
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert isinstance(layer, nn.Linear) and type(layer).__name__ == "ParametrizedLinear"
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    optimizer = clew.optim.SGD(layer.parameters(), lr=0.1)
    layer(clew.randn(5, 3)).square().sum().backward()
    before = layer.weight.detach().clone()
    optimizer.step()
    assert not clew.equal(before, layer.weight) and clew.equal(layer.weight, layer.weight.mT)
    twin = copy.deepcopy(layer)
    assert clew.equal(twin.weight, layer.weight)
    twin.weight = clew.eye(3)
    assert clew.equal(twin.weight, clew.eye(3)) and not clew.equal(twin.weight, layer.weight)
    twin.load_state_dict(layer.state_dict())
    assert clew.equal(twin.weight, layer.weight)
    original = layer.parametrizations.weight.original
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight is original
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    assert parametrize.is_parametrized(twin, "weight") and not parametrize.is_parametrized(layer)


def test_cached_values_are_computed_once() -> None:
    calls = []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(1)
            return 2 * x

    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Counting(), unsafe=True)
    calls.clear()
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert len(calls) == 1
    assert layer.weight is not layer.weight and len(calls) == 3


def test_what_does_not_fit_is_refused() -> None:
    class Wider(nn.Module):
        def forward(self, x):
            return clew.cat([x, x])

    with pytest.raises(ValueError, match="expected a result of shape"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wider())
    with pytest.raises(ValueError, match="expected a parameter or buffer"):
        parametrize.register_parametrization(nn.Linear(2, 2), "no_such", Wider())
    with pytest.raises(ValueError, match="expected a parametrized tensor"):
        parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("kind", [None, "cayley", "matrix_exp", "householder"])
def test_orthogonal_stays_orthogonal(shape: tuple[int, int], kind: str | None) -> None:
    layer = parametrizations.orthogonal(
        nn.Linear(shape[1], shape[0], dtype=clew.float64), orthogonal_map=kind
    )
    optimizer = clew.optim.SGD(layer.parameters(), lr=0.1)
    start = layer.weight.detach().clone()
    for _ in range(3):
        w = layer.weight
        thin = w if shape[0] >= shape[1] else w.mT
        assert clew.allclose(thin.mT @ thin, clew.eye(min(shape), dtype=clew.float64), atol=1e-9)
        optimizer.zero_grad()
        (w * clew.arange(w.numel()).reshape(w.shape)).sum().backward()
        optimizer.step()
    assert not clew.allclose(start, layer.weight)


def test_spectral_and_weight_norm() -> None:
    layer = parametrizations.spectral_norm(nn.Conv2d(3, 4, 3), n_power_iterations=30)
    layer(clew.randn(1, 3, 5, 5)).sum().backward()
    assert abs(clew.linalg.svdvals(layer.weight.flatten(1))[0].item() - 1) < 1e-3
    layer.eval()
    assert clew.equal(layer.weight, layer.weight)
    plain = nn.Linear(4, 3)
    kept = plain.weight.detach().clone()
    parametrizations.weight_norm(plain)
    assert clew.allclose(plain.weight, kept)
    names = [n for n, _ in plain.named_parameters()]
    assert names == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]


def test_pruned_elements_stay_zero() -> None:
    layer = nn.Linear(4, 5)
    prune.l1_unstructured(layer, "weight", 0.3)
    assert int((layer.weight == 0).sum()) == 6
    assert [n for n, _ in layer.named_buffers()] == ["weight_mask"]
    prune.ln_structured(layer, "weight", 2, n=2, dim=0)
    assert int((layer.weight.abs().sum(1) == 0).sum()) >= 2
    layer(clew.randn(2, 4)).square().sum().backward()
    assert not layer.weight_orig.grad[layer.weight_mask == 0].any()
    mask = layer.weight_mask
    prune.remove(layer, "weight")
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    assert not layer.weight[mask == 0].any() and not prune.is_pruned(layer)
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    prune.global_unstructured([(net[0], "weight"), (net[1], "weight")], prune.L1Unstructured, amount=10)
    assert sum(int((m.weight == 0).sum()) for m in net) == 10
    with pytest.raises(ValueError, match="expected amount <= 20"):
        prune.random_unstructured(nn.Linear(4, 5), "weight", 21)


def test_lazy_layers_become_what_the_input_asks_for() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3, groups=1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = clew.optim.SGD(net.parameters(), lr=0.1)
    assert repr(net[3]) == "LazyLinear(in_features=0, out_features=2, bias=True)"
    net(clew.randn(2, 3, 6, 6)).sum().backward()
    assert [type(m).__name__ for m in net] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert net[3].in_features == 4 * 16 and net[1].running_mean.shape == (4,)
    kept = net[3].weight.detach().clone()
    optimizer.step()
    assert not clew.equal(kept, net[3].weight)
    assert net[0].weight.shape == (4, 3, 3, 3) and type(net[0].weight) is nn.Parameter
    with pytest.raises(ValueError, match="LazyConv1d: expected input of 2 or 3 dimensions"):
        nn.LazyConv1d(2, 3)(clew.zeros(4))
