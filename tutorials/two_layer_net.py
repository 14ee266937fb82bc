"""One net, three levels: gradients by hand, by tape, and with modules and an optimizer.

A two-layer net fits random data: 64 rows of 1000 numbers through 100 hidden units to 10 outputs.
From the same weights all levels take the same path, to rounding.

    python tutorials/two_layer_net.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import clew
from clew import nn

N, D_IN, H, D_OUT = 64, 1000, 100, 10
RATE, STEPS = 1e-6, 500

clew.manual_seed(0)
x, y = clew.randn(N, D_IN), clew.randn(N, D_OUT)
W1, W2 = clew.randn(D_IN, H), clew.randn(H, D_OUT)  # the weights that every level starts from


def by_hand() -> list[float]:
    """Level 1: tensors only. The backward pass is written out."""
    w1, w2 = W1.clone(), W2.clone()
    losses = []
    for _ in range(STEPS):
        h = x.mm(w1)
        h_relu = h.clamp(min=0)
        y_pred = h_relu.mm(w2)
        losses.append((y_pred - y).pow(2).sum().item())

        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.t().mm(grad_y_pred)
        grad_h_relu = grad_y_pred.mm(w2.t())
        grad_h = grad_h_relu * (h > 0)
        grad_w1 = x.t().mm(grad_h)

        w1 -= RATE * grad_w1
        w2 -= RATE * grad_w2
    return losses


def by_tape(relu: Callable = clew.relu) -> list[float]:
    """Level 2: the forward pass as before; backward() does the rest."""
    w1, w2 = W1.clone().requires_grad_(), W2.clone().requires_grad_()
    losses = []
    for _ in range(STEPS):
        y_pred = relu(x.mm(w1)).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        losses.append(loss.item())

        loss.backward()
        with clew.no_grad():  # updates are not part of the graph
            w1 -= RATE * w1.grad
            w2 -= RATE * w2.grad
        w1.grad = w2.grad = None
    return losses


class MyReLU(clew.autograd.Function):
    """Level 2 again, with a function of our own: forward and backward in Python."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x > 0)


def by_modules() -> list[float]:
    """Level 3: modules hold the weights, an optimizer moves them."""
    model = nn.Sequential(nn.Linear(D_IN, H, bias=False), nn.ReLU(), nn.Linear(H, D_OUT, bias=False))
    with clew.no_grad():
        model[0].weight.copy_(W1.t())
        model[2].weight.copy_(W2.t())
    loss_fn = nn.MSELoss(reduction="sum")
    optimizer = clew.optim.SGD(model.parameters(), lr=RATE)
    losses = []
    for _ in range(STEPS):
        loss = loss_fn(model(x), y)
        losses.append(loss.item())

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def main() -> None:
    levels = {
        "by hand": by_hand,
        "by tape": by_tape,
        "with a custom ReLU": lambda: by_tape(MyReLU.apply),
        "modules and SGD": by_modules,
    }
    found = {}
    for name, run in levels.items():
        start = time.perf_counter()
        found[name] = run()
        ms = 1000 * (time.perf_counter() - start)
        first, last = found[name][0], found[name][-1]
        print(f"{name:20} loss {first:12.1f} -> {last:.3e}   {ms / STEPS:.3f} ms a step")
    for losses in found.values():
        np.testing.assert_allclose(losses[:50], found["by hand"][:50], rtol=1e-3)
        assert losses[-1] < 1e-3 * losses[0]
    print("all levels take the same path: all agree")


if __name__ == "__main__":
    main()
