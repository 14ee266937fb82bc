"""The tape in ten minutes: what is recorded, how backward walks it, and how to step in.

Each part computes something twice, by hand and by tape, and compares.

    python tutorials/tape_in_ten_minutes.py
"""

from __future__ import annotations

import numpy as np

import clew


def agree(a, b) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12)


# --- 1. A graph by hand ----------------------------------------------------------------------------
#
#   x --+
#       * --> a --+
#   y --+         + --> b --> sum --> c
#             z --+
#
# Forward computes a, b and c. Backward goes the other way: from dc/dc = 1, each step multiplies the
# gradient that arrives by its own derivative.

rng = np.random.default_rng(0)
x0, y0, z0 = (rng.normal(size=(3, 4)) for _ in range(3))

a = x0 * y0
b = a + z0
c = np.sum(b)

grad_c = 1.0
grad_b = grad_c * np.ones((3, 4))  # c is the sum of b: every element counts once
grad_a = grad_b.copy()  # b = a + z passes the gradient to both
grad_z = grad_b.copy()
grad_x = grad_a * y0  # a = x * y: each factor gets the other
grad_y = grad_a * x0

print(f"by hand: c = {c:.4f}, dc/dx[0] = {grad_x[0].round(4)}")

# --- 2. The same by tape ---------------------------------------------------------------------------

x, y, z = (clew.tensor(v, requires_grad=True) for v in (x0, y0, z0))

a = x * y  # computed at once, and one node is laid down: MulBackward, which keeps x and y
b = a + z  # AddBackward keeps nothing: its gradient needs no values
c = b.sum()

c.backward()

print(f"by tape: c = {c.item():.4f}, dc/dx[0] = {x.grad[0].numpy().round(4)}")
agree(x.grad, grad_x)
agree(y.grad, grad_y)
agree(z.grad, grad_z)

# --- 3. Looking at the tape ------------------------------------------------------------------------
#
# Every result knows the node that made it, and every node the nodes that made its inputs. Leaves end
# in AccumulateGrad, which adds into `.grad`.

c = (x * y + z).sum()


def show(node, depth: int = 0) -> None:
    print("  " * depth + node.name())
    for parent, _ in node.next_functions:
        if parent is not None:
            show(parent, depth + 1)


show(c.grad_fn)

# Gradients add up over backward calls, which is why training loops set them to None.
before = x.grad.clone()
c.backward()
agree(x.grad, 2 * before)
x.grad = None

# Python is the language of the graph: loops and branches just run, and what ran is what is recorded.
y_rows = 0
for i in range(3):
    if x0[i].sum() > 0:
        y_rows = y_rows + (x[i] * (i + 1)).sum()
y_rows.backward()
agree(x.grad, [[i + 1.0 if x0[i].sum() > 0 else 0.0] * 4 for i in range(3)])
x.grad = None

# --- 4. Hooks: gradients on their way --------------------------------------------------------------

a = x * y
seen = []
a.register_hook(lambda g: seen.append(g.clone()))  # look
handle = a.register_hook(lambda g: g.clamp(-0.5, 0.5))  # change: what is returned goes on
(a * a).sum().backward()
agree(seen[0], 2 * x0 * y0)
agree(x.grad, np.clip(2 * x0 * y0, -0.5, 0.5) * y0)
handle.remove()
x.grad = y.grad = None

# --- 5. Gradients of gradients ---------------------------------------------------------------------
#
# Gradient formulas are made of ops, so a backward can be recorded like any other computation.

t = clew.tensor(0.7, dtype=clew.float64, requires_grad=True)
f = t.sin()
derivatives = []
for _ in range(4):
    (f,) = clew.autograd.grad(f, t, create_graph=True)
    derivatives.append(f.item())
print("derivatives of sin at 0.7:", np.round(derivatives, 4))
agree(derivatives, [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7)])

# Newton's method on f(t) = t^2 - 2 with the derivative from the tape.
t = clew.tensor(1.0, dtype=clew.float64, requires_grad=True)
for _ in range(6):
    value = t * t - 2
    (slope,) = clew.autograd.grad(value, t)
    with clew.no_grad():  # the update itself is not part of any graph
        t -= value / slope
agree(t.item(), 2**0.5)

# --- 6. A function with a gradient of its own ------------------------------------------------------


class LogSumExp(clew.autograd.Function):
    """log(sum(exp(x))), with the gradient in the form that cannot overflow."""

    @staticmethod
    def forward(ctx, x):
        top = x.max()
        result = (x - top).exp().sum().log() + top
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        x, result = ctx.saved_tensors
        return grad_output * (x - result).exp()


big = clew.tensor([1000.0, 1001.0, 999.0], dtype=clew.float64, requires_grad=True)
LogSumExp.apply(big).backward()
agree(big.grad, np.exp([-1.0, 0.0, -2.0]) / np.exp([-1.0, 0.0, -2.0]).sum())

# Finite differences check any gradient, here the first and the second derivative.
point = clew.randn(5, dtype=clew.float64, requires_grad=True)
assert clew.autograd.gradcheck(LogSumExp.apply, point)
assert clew.autograd.gradgradcheck(LogSumExp.apply, point)

# --- 7. What the tape protects ---------------------------------------------------------------------
#
# Saved tensors remember their version. Overwriting one would make the gradient wrong in silence, so
# backward refuses, and names the line that saved it.

h = x * 2
loss = (h * h).sum()
h.add_(1)
try:
    loss.backward()
except clew.AutogradError as error:
    print("refused:", error)
else:
    raise SystemExit("a stale saved tensor was not noticed")

print("by hand, by tape and by finite differences: all agree")
