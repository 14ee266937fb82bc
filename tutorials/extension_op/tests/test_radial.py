"""The suite of Clew's own ops, run on an op of this package; and what the op is for."""

import numpy as np
import radial

import clew
from clew.testing import check_op
from clew.testing.op_samples import error


def samples(make):
    """Calls of the op: `make` draws a tensor of the dtype under test."""
    yield (make(4, 3), make(5, 3)), {}
    yield (make(2, 1), make(3, 1)), {"gamma": 0.1}
    yield (make(0, 2), make(3, 2)), {}
    yield error((make(3), make(3, 2)), {}, clew.ShapeError, "radial.gaussian: expected input of shape (N, D)")
    yield error((make(2, 3), make(2, 3)), {"gamma": -1.0}, ValueError, "expected gamma > 0, got -1")


def reference(x, c, gamma=1.0):
    return np.exp(-gamma * ((x[:, None] - c[None]) ** 2).sum(2))


def test_properties():
    done = check_op(clew.ops.radial.gaussian, samples, ref=reference, wide=True)
    assert done["finite difference"] == 6 and done["error"] == 2
    print("checks:", dict(done))


def test_network():
    """Centers and weights learn to follow a sine."""
    clew.manual_seed(0)
    x = clew.linspace(-3, 3, 100).unsqueeze(1)
    y = x.sin()
    centers = clew.linspace(-3, 3, 8).unsqueeze(1).requires_grad_()
    weights = clew.zeros(8, 1, requires_grad=True)
    optimizer = clew.optim.Adam([centers, weights], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (radial.gaussian(x, centers) @ weights - y).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
