"""A differentiable function of your own, from the simplest to the careful.

Each part defines a function with its own backward and compares it with what the tape finds by itself, or
with finite differences.

    python tutorials/custom_function.py
"""

from __future__ import annotations

import numpy as np

import clew
from clew.autograd import Function, grad, gradcheck, gradgradcheck
from clew.autograd.function import once_differentiable


def agree(a, b) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


clew.manual_seed(0)
x = clew.randn(5, dtype=clew.float64, requires_grad=True)

# --- 1. Forward and backward -----------------------------------------------------------------------


class Cube(Function):
    """y = x^3. Ops in forward are not recorded: backward replaces what the tape would have done."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)  # tensors; their versions are checked when backward reads them
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g  # one gradient per argument of forward; g is that of y


y = Cube.apply(x)
(dx,) = grad(y.sum(), x)
agree(dx.numpy(), 3 * x.detach().numpy() ** 2)
print(f"{y.grad_fn.name()}: gradient agrees with 3 x^2")

# Finite differences need no formula to compare with. As backward is made of ops, it has derivatives itself.
assert gradcheck(Cube.apply, x)
assert gradgradcheck(Cube.apply, x)

# --- 2. Several arguments and results, plain values --------------------------------------------------


class Polar(Function):
    """(r, phi) from (x, y). `degrees` is no tensor: its gradient is None."""

    @staticmethod
    def forward(ctx, x, y, degrees=False):
        r = (x * x + y * y).sqrt()
        quadrant = (x < 0).to(clew.int64) * 2 + (y < 0).to(clew.int64)  # integers have no gradient
        ctx.degrees = degrees  # plain values are attributes
        ctx.save_for_backward(x, y, r)
        ctx.set_materialize_grads(False)  # a result that was not used gives None, not zeros
        unit = 180 / np.pi if degrees else 1.0
        return r, clew.tensor(np.arctan2(y.detach().numpy(), x.detach().numpy())) * unit, quadrant

    @staticmethod
    def backward(ctx, gr, gphi, _):
        x, y, r = ctx.saved_tensors
        unit = 180 / np.pi if ctx.degrees else 1.0
        gx = gy = 0
        if gr is not None:
            gx, gy = gx + gr * x / r, gy + gr * y / r
        if gphi is not None:
            gx, gy = gx - gphi * unit * y / (r * r), gy + gphi * unit * x / (r * r)
        # Work that nobody asked for can be left out.
        return (gx if ctx.needs_input_grad[0] else None), (gy if ctx.needs_input_grad[1] else None), None


px = clew.randn(5, dtype=clew.float64, requires_grad=True)
py = clew.randn(5, dtype=clew.float64, requires_grad=True)
r, phi, quadrant = Polar.apply(px, py, True)
assert r.requires_grad and not quadrant.requires_grad
agree(grad(r.sum(), px)[0].numpy(), grad((px * px + py * py).sqrt().sum(), px)[0].numpy())
assert gradcheck(lambda a, b: Polar.apply(a, b, True)[:2], (px, py))
print(f"Polar: three results, {int(quadrant.max())} is the last quadrant in use")

# --- 3. A forward without context ------------------------------------------------------------------


class ClippedExp(Function):
    """exp(x) up to a limit. setup_context keeps forward free of the tape."""

    @staticmethod
    def forward(x, limit):
        return x.exp().clamp(max=limit)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.limit = inputs
        ctx.save_for_backward(output)  # the result is enough: exp is its own derivative

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return clew.where(y < ctx.limit, g * y, clew.zeros_like(y)), None


small = clew.tensor([-1.0, 0.5, 3.0], dtype=clew.float64, requires_grad=True)
agree(grad(ClippedExp.apply(small, 5.0).sum(), small)[0].numpy(), [np.exp(-1), np.exp(0.5), 0])
assert gradgradcheck(lambda t: ClippedExp.apply(t, 5.0), small)

# --- 4. In place -----------------------------------------------------------------------------------


class ReluInPlace(Function):
    """relu that overwrites its argument; the tape is told, and follows."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(x > 0)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (y > 0)


h = x * 1
ReluInPlace.apply(h)
(h * h).sum().backward()
agree(x.grad.numpy(), 2 * np.maximum(x.detach().numpy(), 0))
print("ReluInPlace: the tensor that was written has the new history")

# --- 5. A backward outside of the tape --------------------------------------------------------------


class Median(Function):
    """The median by NumPy. What NumPy does has no derivatives, so a second one must not be asked for."""

    @staticmethod
    def forward(ctx, x):
        ctx.at = int(np.argsort(x.detach().numpy())[len(x) // 2])
        ctx.n = len(x)
        return x[ctx.at].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        out = np.zeros(ctx.n)
        out[ctx.at] = g.item()
        return clew.tensor(out)


(dx,) = grad(Median.apply(x) ** 2, x, create_graph=True)
agree(dx.detach().sum().item(), 2 * np.median(x.detach().numpy()))
try:
    grad(dx.sum(), x)
except clew.AutogradError as e:
    print(f"second derivative: {str(e).splitlines()[0]}")
else:
    raise AssertionError("expected once_differentiable to refuse a second derivative")

# --- 6. Mistakes are found -------------------------------------------------------------------------


class Wrong(Function):
    """A backward with a wrong factor and, on request, with a wrong shape."""

    @staticmethod
    def forward(ctx, signal, gain):
        ctx.save_for_backward(signal)
        ctx.gain = gain
        return signal * gain

    @staticmethod
    def backward(ctx, g):
        return (g * 2 if ctx.gain != 0 else clew.ones(7, dtype=clew.float64)), None


try:
    gradcheck(lambda t: Wrong.apply(t, 3.0), x)
except RuntimeError as e:
    print(f"wrong factor: {e}")
else:
    raise AssertionError("expected gradcheck to find the factor")
try:
    Wrong.apply(x, 0.0).sum().backward()
except clew.ShapeError as e:
    message = str(e).splitlines()[0]
    assert (
        message
        == "Wrong.backward: expected a gradient of shape (5,) for argument 'signal' of forward, got (7,)"
    )
    print(f"wrong shape: {message}")
else:
    raise AssertionError("expected the shape to be refused")

print("all agree")
