"""Distributions: log-probabilities and the like beside PyTorch, samples by their moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clew

CASES = {
    "normal": lambda lib: lib.distributions.Normal(t(lib, [0.0, 1.5, -2.0]), t(lib, [1.0, 0.5, 3.0])),
    "normal_numbers": lambda lib: lib.distributions.Normal(1.0, 2.0),
    "normal_mixed": lambda lib: lib.distributions.Normal(t(lib, [[0.0], [1.0]]), t(lib, [1.0, 2.0, 0.5])),
    "uniform": lambda lib: lib.distributions.Uniform(t(lib, [-1.0, 0.0]), t(lib, [2.0, 5.0])),
    "bernoulli": lambda lib: lib.distributions.Bernoulli(t(lib, [0.2, 0.5, 0.9])),
    "bernoulli_logits": lambda lib: lib.distributions.Bernoulli(logits=t(lib, [-1.0, 0.0, 2.0])),
    "categorical": lambda lib: lib.distributions.Categorical(t(lib, [[0.2, 0.3, 0.5], [1.0, 1.0, 6.0]])),
    "categorical_logits": lambda lib: lib.distributions.Categorical(logits=t(lib, [[0.1, -1.0, 2.0]])),
    "independent": lambda lib: lib.distributions.Independent(
        lib.distributions.Normal(t(lib, [[0.0, 1.0], [2.0, 3.0]]), t(lib, [[1.0, 2.0], [0.5, 1.5]])), 1
    ),
}
VALUES = {
    "uniform": 0.75,
    "bernoulli": 1.0,
    "bernoulli_logits": 0.0,
    "categorical": 2,
    "categorical_logits": 1,
}


def t(lib: Any, values: Any) -> Any:
    return lib.tensor(values, dtype=lib.float64)


def value_for(lib: Any, name: str, d: Any) -> Any:
    shape = tuple(d.batch_shape) + tuple(d.event_shape)
    value = VALUES.get(name, 0.3)
    dtype = lib.int64 if isinstance(value, int) else lib.float64
    return lib.full(shape, value, dtype=dtype)


@pytest.mark.parametrize("name", CASES)
def test_as_in_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = CASES[name](clew), CASES[name](torch)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)
    a, b = ours.log_prob(value_for(clew, name, ours)), theirs.log_prob(value_for(torch, name, theirs))
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.entropy().numpy(), theirs.entropy().numpy(), rtol=1e-6)
    if "categorical" not in name:
        for key in ("mean", "variance", "stddev"):
            np.testing.assert_allclose(getattr(ours, key).numpy(), getattr(theirs, key).numpy(), rtol=1e-6)
    if name.startswith(("normal", "uniform")):
        x = value_for(clew, name, ours)
        np.testing.assert_allclose(ours.cdf(x).numpy(), theirs.cdf(torch.from_numpy(x.numpy())).numpy())
    for attribute in ("probs", "logits"):
        if hasattr(theirs, attribute) and "independent" not in name:
            want = getattr(theirs, attribute).numpy()
            np.testing.assert_allclose(getattr(ours, attribute).numpy(), want, rtol=1e-6)
    assert tuple(ours.sample().shape) == tuple(theirs.sample().shape)
    assert tuple(ours.sample((4, 2)).shape) == tuple(theirs.sample((4, 2)).shape)


@pytest.mark.parametrize(
    "name", ["normal", "uniform", "bernoulli", "bernoulli_logits", "categorical", "independent"]
)
def test_divergence_as_in_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (clew, torch):
        p = CASES[name](lib)
        q = {
            "normal": lambda lib=lib: lib.distributions.Normal(t(lib, 0.5), t(lib, 1.5)),
            "uniform": lambda lib=lib: lib.distributions.Uniform(t(lib, [-2.0, 1.0]), t(lib, [3.0, 9.0])),
            "bernoulli": lambda lib=lib: lib.distributions.Bernoulli(t(lib, [0.5, 0.1, 0.7])),
            "bernoulli_logits": lambda lib=lib: lib.distributions.Bernoulli(t(lib, [0.5, 0.1, 0.7])),
            "categorical": lambda lib=lib: lib.distributions.Categorical(t(lib, [0.1, 0.6, 0.3])),
            "independent": lambda lib=lib: lib.distributions.Independent(
                lib.distributions.Normal(t(lib, [[0.1, 0.2], [0.3, 0.4]]), t(lib, [[1.0, 1.0], [2.0, 2.0]])),
                1,
            ),
        }[name]()
        found.append(lib.distributions.kl_divergence(p, q).numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_samples_have_the_moments() -> None:
    clew.manual_seed(1)
    n = 20000
    for name in ("normal", "uniform", "bernoulli", "bernoulli_logits"):
        d = CASES[name](clew)
        x = d.sample((n,))
        error = (d.variance / n).sqrt()
        assert ((x.mean(0) - d.mean).abs() < 5 * error).all().item(), name
    c = CASES["categorical"](clew)
    counts = clew.nn.functional.one_hot(c.sample((n,)), 3).to(clew.float64).mean(0)
    assert (counts - c.probs).abs().max().item() < 0.02


def test_gradients_flow() -> None:
    loc, scale = clew.tensor(1.0, requires_grad=True), clew.tensor(2.0, requires_grad=True)
    d = clew.distributions.Normal(loc, scale)
    assert not d.sample().requires_grad
    d.rsample((3,)).sum().backward()
    assert loc.grad.item() == 3.0
    probs = clew.tensor([0.2, 0.8], requires_grad=True)
    clew.distributions.Categorical(probs).log_prob(clew.tensor(1)).backward()
    np.testing.assert_allclose(probs.grad.numpy(), [-1.0, 0.25], rtol=1e-5)


def test_errors() -> None:
    D = clew.distributions
    with pytest.raises(ValueError, match="scale > 0"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="high > low"):
        D.Uniform(1.0, 0.0)
    with pytest.raises(ValueError, match="probs or logits, got both"):
        D.Bernoulli(0.5, 0.5)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        D.Bernoulli(1.5)
    with pytest.raises(ValueError, match="in \\[0, 3\\)"):
        D.Categorical(clew.ones(3)).log_prob(clew.tensor(3))
    with pytest.raises(ValueError, match="at most 0 dimensions"):
        D.Independent(D.Normal(0.0, 1.0), 1)
    with pytest.raises(NotImplementedError, match="register_kl"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5))
    with pytest.raises(NotImplementedError, match="use sample"):
        D.Bernoulli(0.5).rsample()
    with pytest.raises(TypeError, match="as a tuple"):
        D.Normal(0.0, 1.0).sample(3)
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1.0
    assert "Normal(loc: " in repr(D.Normal(0.0, 1.0))

    class Own(D.Normal):
        pass

    @D.register_kl(Own, Own)
    def _(p: Any, q: Any) -> Any:
        return clew.tensor(42.0)

    assert D.kl_divergence(Own(0.0, 1.0), Own(0.0, 1.0)).item() == 42.0
    assert D.kl_divergence(Own(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 0.0
