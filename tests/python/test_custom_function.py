"""Custom functions in Python: what autograd.Function promises beyond the basics in test_autograd.py."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import clew
from clew.autograd import Function, grad, gradcheck, gradgradcheck
from clew.autograd.function import once_differentiable


def leaf(*shape: int, seed: int = 0) -> clew.Tensor:
    return clew.tensor(np.random.RandomState(seed).uniform(-2, 2, shape), requires_grad=True)


def live_bytes() -> int:
    gc.collect()
    return clew._C.memory_stats()["allocated_bytes"]


class Power(Function):
    """x^n with a forward that does not see the context."""

    @staticmethod
    def forward(x, n):
        return x**n

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.n = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        assert y.shape == x.shape
        return g * ctx.n * x ** (ctx.n - 1), None


def test_setup_context() -> None:
    x = leaf(3)
    assert gradcheck(lambda t: Power.apply(t, 3), x)
    assert gradgradcheck(lambda t: Power.apply(t, 3), x)


class ByOutput(Function):
    """exp, from its own output; a second derivative must pass through the saved output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class ByAttribute(Function):
    """exp, with the output kept as an attribute: no cycle, and checked as well."""

    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.y


@pytest.mark.parametrize("function", [ByOutput, ByAttribute])
def test_saved_output(function) -> None:
    x = leaf(4)
    assert gradgradcheck(function.apply, x)
    before = live_bytes()
    y = function.apply(x)
    del y
    assert live_bytes() == before
    y = function.apply(x)
    y.mul_(2)
    with pytest.raises(clew.AutogradError, match="version 0, got version 1"):
        y.sum().backward()


def test_tensor_kept_outside_of_save_for_backward() -> None:
    class Keeps(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.x = x
            ctx.both = (y, "label")
            ctx.note = "plain"
            return x * y

        @staticmethod
        def backward(ctx, g):
            assert ctx.note == "plain" and ctx.both[1] == "label"
            assert not hasattr(ctx, "missing")
            return g * ctx.both[0], g * ctx.x

    a, b = leaf(3), leaf(3, seed=1)
    assert gradgradcheck(Keeps.apply, (a, b))
    for change, name in ((0, "x"), (1, "both")):
        h = [a * 1, b * 1]
        y = Keeps.apply(*h)
        h[change].add_(1)
        with pytest.raises(clew.AutogradError, match=rf"ctx\.{name}.*at version 0, got version 1") as e:
            y.sum().backward()
        assert "test_custom_function.py" in str(e.value)


def test_mark_dirty_with_other_outputs() -> None:
    class Both(Function):
        @staticmethod
        def forward(ctx, x, y):
            x.mul_(3)
            ctx.mark_dirty(x)
            return y * 2, x

        @staticmethod
        def backward(ctx, g2, g3):
            return g3 * 3, g2 * 2

    a, b = leaf(3), leaf(3, seed=1)
    h = a * 1
    doubled, same = Both.apply(h, b)
    assert same is h and h.grad_fn.name() == "BothBackward"
    (doubled + h * h).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 18 * a.detach().numpy())
    assert b.grad.tolist() == [2.0] * 3

    def through_view(x, y):
        base = x * 1
        Both.apply(base[1], y[0])
        return base * y

    assert gradcheck(through_view, (leaf(2, 3), leaf(2, 3, seed=1)))
    assert gradgradcheck(through_view, (leaf(2, 3), leaf(2, 3, seed=1)))
    with pytest.raises(clew.AutogradError, match=r"Both\.forward: .*leaf"):
        Both.apply(a, b)


def test_mark_dirty_is_checked() -> None:
    class Forgets(Function):
        @staticmethod
        def forward(ctx, x, which):
            ctx.mark_dirty(x if which == "not returned" else clew.ones(2))
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, None

    x = leaf(2)
    with pytest.raises(ValueError, match=r"Forgets\.mark_dirty: expected a tensor that forward returns"):
        Forgets.apply(x * 1, "not returned")
    with pytest.raises(ValueError, match=r"Forgets\.mark_dirty: expected an argument of forward"):
        Forgets.apply(x * 1, "no argument")


class Several(Function):
    """Three results of which one has no gradient, and something that is no tensor."""

    seen: tuple = ()

    @staticmethod
    def forward(ctx, x, materialize):
        ctx.set_materialize_grads(materialize)
        sign = x.sign()
        ctx.mark_non_differentiable(sign)
        return x * 2, sign, "text", x * 3

    @staticmethod
    def backward(ctx, *grads):
        Several.seen = grads
        total = sum(g * k for g, k in zip(grads, (2, 0, 0, 3), strict=True) if g is not None)
        return total, None


def test_materialized_gradients_and_non_differentiable_outputs() -> None:
    x = leaf(3)
    a, sign, text, b = Several.apply(x, True)
    assert a.requires_grad and b.requires_grad and not sign.requires_grad and text == "text"
    a.sum().backward()
    assert x.grad.tolist() == [2.0] * 3
    assert [g is None for g in Several.seen] == [False, False, True, False]
    assert Several.seen[3].tolist() == [0.0] * 3
    Several.apply(x, False)[3].sum().backward()
    assert [g is None for g in Several.seen] == [True, True, True, False]
    assert x.grad.tolist() == [5.0] * 3


def test_needs_input_grad() -> None:
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx, x, k, y):
            seen.append(ctx.needs_input_grad)
            ctx.save_for_backward(x, None, y)
            return x * y * k

        @staticmethod
        def backward(ctx, g):
            x, none, y = ctx.saved_tensors
            assert none is None
            seen.append(ctx.needs_input_grad)
            return (
                g * y * 2 if ctx.needs_input_grad[0] else None,
                None,
                g * x * 2 if ctx.needs_input_grad[2] else None,
            )

    Product.apply(leaf(2), 2, clew.ones(2, dtype=clew.float64)).sum().backward()
    assert seen == [(True, False, False)] * 2


def test_once_differentiable() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not clew.is_grad_enabled()
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(3)
    assert gradcheck(Square.apply, x)
    (g,) = grad(Square.apply(x).sum(), x, create_graph=True)
    assert g.requires_grad
    np.testing.assert_allclose(g.detach().numpy(), 2 * x.detach().numpy())
    with pytest.raises(clew.AutogradError, match=r"Square\.backward: .*once_differentiable"):
        grad(g.sum(), x)
    with pytest.raises(clew.AutogradError, match=r"Square\.backward: .*once_differentiable"):
        (grad(Square.apply(x).sum(), x, create_graph=True)[0] * x).sum().backward()


def test_gradients_are_checked_by_name() -> None:
    class Returns(Function):
        result: object = None

        @staticmethod
        def forward(ctx, signal, gain, *rest):
            return signal * 1

        @staticmethod
        def backward(ctx, g):
            return Returns.result(g)

    x, r = leaf(3), leaf(2)

    def run(result, *rest):
        Returns.result = staticmethod(result)
        Returns.apply(x, 2.0, *rest).sum().backward()

    with pytest.raises(clew.AutogradError, match=r"Returns\.backward: expected 2 gradients, .* got 1"):
        run(lambda g: g)
    with pytest.raises(clew.AutogradError, match=r"Returns\.backward: expected 2 gradients, .* got 3"):
        run(lambda g: (g, None, g))
    run(lambda g: (g, None, None))  # None beyond the arguments does no harm
    with pytest.raises(
        clew.ShapeError,
        match=r"Returns\.backward: expected a gradient of shape \(3,\) for argument 'signal' of forward, "
        r"got \(7,\)",
    ):
        run(lambda g: (clew.ones(7), None))
    with pytest.raises(clew.ShapeError, match=r"\(2,\) for argument 'rest\[1\]' of forward, got \(3,\)"):
        run(lambda g: (g, None, None, g), 1, r)
    with pytest.raises(
        clew.AutogradError, match=r"no gradient for argument 'gain' of forward, which is no tensor"
    ):
        run(lambda g: (g, g))
    with pytest.raises(
        TypeError, match=r"Returns\.backward: expected a tensor or None as gradient 0, got int"
    ):
        run(lambda g: (1, None))
    with pytest.raises(clew.DTypeError, match=r"Returns\.backward: expected a floating gradient"):
        run(lambda g: (g > 0, None))


def test_an_exception_reaches_the_caller_and_the_tape_is_released() -> None:
    class OwnError(Exception):
        pass

    raised = OwnError("of my own", 42)

    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x * 2)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise raised

    x = leaf(1000)
    before = live_bytes()

    def run() -> None:
        with pytest.raises(OwnError) as e:
            Fails.apply(x.sin()).sum().backward()
        assert e.value is raised and e.value.args == ("of my own", 42)
        assert "in FailsBackward, recorded by" in "".join(e.value.__notes__)
        assert e.traceback[-1].name == "backward"
        e.value.__traceback__ = None

    run()
    assert clew.is_grad_enabled() and x.grad is None
    assert live_bytes() == before
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0] * 1000


def test_an_exception_in_forward_leaves_grad_mode() -> None:
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            raise KeyError("forward")

    with pytest.raises(KeyError, match="forward"):
        Fails.apply(leaf(2))
    assert clew.is_grad_enabled()


class Identity(Function):
    @staticmethod
    def forward(ctx, x, how):
        return {"same": lambda: x, "view": lambda: x[:], "twice": lambda: (x, x)}[how]()

    @staticmethod
    def backward(ctx, *grads):
        return sum(grads) * 5, None


def test_outputs_that_are_inputs_or_views() -> None:
    for how, factor in (("same", 5.0), ("view", 5.0), ("twice", 10.0)):
        x = leaf(3)
        out = Identity.apply(x, how)
        for y in out if isinstance(out, tuple) else (out,):
            assert y is not x and y.grad_fn.name() == "IdentityBackward"
        (out[0] + out[1] if isinstance(out, tuple) else out).sum().backward()
        assert x.grad.tolist() == [factor] * 3, how
        assert x.is_leaf


def test_hooks() -> None:
    x = leaf(2)
    y = Identity.apply(x, "same")
    calls = []
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_prehook(lambda outs: calls.append(outs[0].tolist()))
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 3, None))
    y.sum().backward()
    assert calls == [[2.0, 2.0]]
    assert x.grad.tolist() == [30.0, 30.0]


def test_no_grad_and_plain_inputs_record_nothing() -> None:
    x = leaf(2)
    with clew.no_grad():
        assert not ByOutput.apply(x).requires_grad
    assert not ByOutput.apply(x.detach()).requires_grad


def test_functions_on_threads() -> None:
    x = leaf(50)
    errors = []

    def work() -> None:
        try:
            for _ in range(50):
                Power.apply(ByOutput.apply(x), 2).sum().backward()
        except Exception as e:  # shown below
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    np.testing.assert_allclose(x.grad.numpy(), 200 * 2 * np.exp(2 * x.detach().numpy()))


@pytest.mark.parametrize("bad", ["save", "dirty", "frozen", "result"])
def test_bad_arguments(bad: str) -> None:
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            if bad == "save":
                ctx.save_for_backward(x, 3)
            if bad == "dirty":
                ctx.mark_dirty(3)
            if bad == "frozen":
                ctx.mark_non_differentiable("x")
            return 3 if bad == "result" else x

    with pytest.raises(TypeError, match="expected .*tensor.*, got"):
        Bad.apply(leaf(2))


@pytest.mark.parametrize("program", ["power", "several", "dirty"])
def test_like_torch(program: str) -> None:
    """The same class body under both libraries gives the same gradients."""
    torch = pytest.importorskip("torch")

    def run(lib, x):
        class F(lib.autograd.Function):
            @staticmethod
            def forward(ctx, a, k):
                ctx.k = k
                ctx.save_for_backward(a)
                if program == "dirty":
                    a.mul_(k)
                    ctx.mark_dirty(a)
                    return a
                return (a**k, a * k) if program == "several" else a**k

            @staticmethod
            def backward(ctx, *g):
                (a,) = ctx.saved_tensors
                if program == "dirty":
                    return g[0] * ctx.k, None
                first = g[0] * ctx.k * a ** (ctx.k - 1)
                return first + g[1] * ctx.k if program == "several" else first, None

        out = F.apply(x * 1, 3)
        out = out[0] * out[1] if isinstance(out, tuple) else out * out
        (g,) = lib.autograd.grad(out.sum(), x, create_graph=True)
        (gg,) = lib.autograd.grad((g * g).sum(), x)
        return g.detach().numpy(), gg.numpy()

    x = leaf(4)
    ours = run(clew, x)
    theirs = run(torch, torch.from_numpy(x.detach().numpy().copy()).requires_grad_())
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
