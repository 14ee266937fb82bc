"""The tape: histories of views and in-place writes, hooks, modes, higher derivatives, custom functions."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import clew
from clew.autograd import Function, grad, gradcheck, gradgradcheck


def leaf(*shape: int, seed: int = 0) -> clew.Tensor:
    return clew.tensor(np.random.RandomState(seed).uniform(-2, 2, shape), requires_grad=True)


def scalar(value: float) -> clew.Tensor:
    return clew.tensor(value, dtype=clew.float64, requires_grad=True)


# --- views and in-place writes: each program is a function of x and y, both (3, 4) ------------------


def write_row(x, y):
    a = x.clone()
    a[0] = y[0] * 2
    return a * x


def write_through_select(x, y):
    a = x * 1
    a[1].mul_(y[1])
    return a


def write_through_transpose(x, y):
    a = x * 1
    a.transpose(0, 1).add_(y.t())
    return a.sin()


def write_through_view_of_view(x, y):
    a = x * 1
    flat = a.view(12)
    flat[2:5] *= 3
    flat[4:9].mul_(y.reshape(-1)[:5])
    return a.exp_() + a


def view_sees_write_to_base(x, y):
    a = x * 1
    row = a[0]
    a.mul_(y)
    return row * a[0]


def view_of_view_sees_write_to_sibling(x, y):
    a = x * 1
    left, right = a[:, :3], a[:, 1:]
    left.mul_(y[:, :3])
    right.sin_()
    return left * right


def copy_into_part(x, y):
    a = x * 1
    a.select(0, 1).narrow(0, 1, 2).copy_(y[0, :2])
    return a * a


def mask_write(x, y):
    a = x * 1
    a[y.detach() > 0] = 0
    return a * y


def mask_write_values(x, y):
    a = x * 1
    mask = clew_of(x).tensor([[True, False, False, True]] * 3)
    a[mask] = y[mask] * 2
    return a


def index_write(x, y):
    a = x * 1
    a[[0, 2]] = y[:2]
    a[:, [1, 3]] += y[:, :2]
    return a * x


def diagonal_write(x, y):
    a = x * 1
    a.diagonal().mul_(y[0, :3])
    return a


def strided_slices(x, y):
    a = x * 1
    a[::2, 1::2] = y[1:, :2]
    a[..., -1] = 1
    a[1, None, :] -= y[2]
    return a


def squeeze_and_unsqueeze(x, y):
    a = x * 1
    a.unsqueeze(0).squeeze(0).mul_(2)
    a.unsqueeze(1)[:, 0, 2] = y[:, 0]
    return a


def as_strided_write(x, y):
    a = x * 1
    a.as_strided((2, 2), (4, 1), 5).mul_(y[:2, :2])
    return a


def overwrite_all(x, y):
    a = x * 1
    a.copy_(y[0])
    b = x * 2
    b.fill_(3.0)
    c = x * 1
    c.zero_()
    return a + b * x + c


def write_with_itself(x, y):
    a = x * 1
    a.add_(a)
    a += a
    a -= y
    a /= 2.0
    return a


def transposed_operand(x, y):
    a = (x * 1)[:, :3]
    a.add_(a.t())
    return a * y[:, :3]


def chain_of_in_place(x, y):
    a = x * 1
    return a.mul_(y).add_(x, alpha=2).sub_(1).neg_().sigmoid_()


def copy_is_no_view(x, y):
    a = x.t().reshape(-1)
    a.mul_(3)
    return a * y.reshape(-1)


def expand_then_use(x, y):
    a = x[:, :1].expand(3, 4)
    return a * y + a.sum(0)


def split_and_join(x, y):
    c = clew_of(x)
    a, b = x.chunk(2, 1)
    first, *_ = y.unbind(0)
    return c.cat([a * b, first.reshape(2, 2)], 0)


def repeated_index(x, y):
    index = clew_of(x).tensor([0, 0, 2, 0])
    return x[index] * y[index].sum() + x.index_select(0, index)


def detached_part(x, y):
    return x * y.detach() + (x * y).detach() * y


def requires_grad_later(x, y):
    a = clew_of(x).zeros(3, 4, dtype=x.dtype)
    a[0] = x[0]
    a[:, 1] = y[:, 1]
    return a * a


PROGRAMS = [
    write_row,
    write_through_select,
    write_through_transpose,
    write_through_view_of_view,
    view_sees_write_to_base,
    view_of_view_sees_write_to_sibling,
    copy_into_part,
    mask_write,
    mask_write_values,
    index_write,
    diagonal_write,
    strided_slices,
    squeeze_and_unsqueeze,
    as_strided_write,
    overwrite_all,
    write_with_itself,
    transposed_operand,
    chain_of_in_place,
    copy_is_no_view,
    expand_then_use,
    split_and_join,
    repeated_index,
    requires_grad_later,
]


def clew_of(x):
    """The library that `x` belongs to, so that a program runs in both."""
    if isinstance(x, clew.Tensor):
        return clew
    import torch

    return torch


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program_derivatives(program) -> None:
    x, y = leaf(3, 4), leaf(3, 4, seed=1)
    assert gradcheck(program, (x, y))
    assert gradgradcheck(program, (x, y))


@pytest.mark.parametrize("program", [*PROGRAMS, detached_part], ids=lambda f: f.__name__)
def test_program_like_torch(program) -> None:
    torch = pytest.importorskip("torch")
    if program is transposed_operand:
        pytest.skip("PyTorch refuses an operand that overlaps")
    ours = leaf(3, 4), leaf(3, 4, seed=1)
    theirs = [torch.from_numpy(t.detach().numpy().copy()).requires_grad_() for t in ours]
    got, want = program(*ours), program(*theirs)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12)
    weights = np.random.RandomState(5).uniform(-1, 1, got.shape)
    (got * clew.tensor(weights)).sum().backward()
    (want * torch.from_numpy(weights)).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-11, atol=1e-12)


def test_memory_of_programs() -> None:
    """Histories that views and bases share leave nothing behind."""
    for program in PROGRAMS:
        x, y = leaf(3, 4), leaf(3, 4, seed=1)

        def run(program=program, x=x, y=y) -> None:
            program(x, y).sum().backward()
            x.grad = y.grad = None

        run()
        before = clew._C.memory_stats()["allocated_bytes"]
        run()
        assert clew._C.memory_stats()["allocated_bytes"] == before, program.__name__


# --- backward and grad -----------------------------------------------------------------------------


def test_gradients_accumulate() -> None:
    x = leaf(3)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0, 5.0]
    assert not x.grad.requires_grad
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_tensor_used_many_times() -> None:
    x = leaf(3)
    (x * x + x.sin() * x).sum().backward()
    a = x.detach().numpy()
    np.testing.assert_allclose(x.grad.numpy(), 2 * a + np.cos(a) * a + np.sin(a))


def test_broadcast_gradient_has_the_leafs_shape_and_dtype() -> None:
    x = clew.ones(3, 1, dtype=clew.float32, requires_grad=True)
    b = clew.ones(4, dtype=clew.bfloat16, requires_grad=True)
    (x * b * clew.ones(2, 3, 4, dtype=clew.float64)).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.dtype == clew.float32 and x.grad.tolist() == [[8.0]] * 3
    assert b.grad.shape == (4,) and b.grad.dtype == clew.bfloat16 and b.grad.tolist() == [6.0] * 4


def test_gradient_argument() -> None:
    x = leaf(3)
    y = x * 2
    y.backward(clew.tensor([1.0, 0.0, -1.0], dtype=clew.float64))
    assert x.grad.tolist() == [2.0, 0.0, -2.0]
    with pytest.raises(clew.ShapeError, match=r"\(2,\)"):
        (x * 2).backward(clew.ones(2, dtype=clew.float64))


def test_grad_leaves_grad_alone() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    (gx,) = grad((x * y).sum(), [x])
    assert x.grad is None and y.grad is None
    np.testing.assert_array_equal(gx.numpy(), y.detach().numpy())


def test_grad_visits_only_what_leads_to_inputs() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    seen = []
    branch = y.exp()
    branch.register_hook(lambda g: seen.append("branch"))
    grad((x * 2 + branch).sum(), x)
    assert seen == []


def test_grad_of_non_leaf() -> None:
    x = leaf(3)
    h = x * 2
    (gh,) = grad((h * h).sum(), h)
    np.testing.assert_allclose(gh.numpy(), 4 * x.detach().numpy())


def test_backward_inputs() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    (x * y).sum().backward(inputs=[x])
    assert x.grad is not None and y.grad is None


def test_unused_input() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    with pytest.raises(clew.AutogradError, match="allow_unused"):
        grad(x.sum(), [x, y])
    gx, gy = grad(x.sum(), [x, y], allow_unused=True)
    assert gx is not None and gy is None
    assert grad(x.sum(), [y], materialize_grads=True)[0].tolist() == [0.0, 0.0, 0.0]


def test_second_backward_needs_retain_graph() -> None:
    x = leaf(3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * x.detach().numpy())
    with pytest.raises(clew.AutogradError, match="retain_graph=True"):
        y.backward()


def test_several_roots() -> None:
    x = leaf(3)
    h = x * 2
    clew.autograd.backward([h.sum(), (h * h).sum()])
    np.testing.assert_allclose(x.grad.numpy(), 2 + 8 * x.detach().numpy())


def test_higher_derivatives() -> None:
    x = scalar(1.5)
    y, found = x**5, []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        found.append(y.item())
    np.testing.assert_allclose(found, [5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2, 120 * 1.5])


def test_hessian_of_a_small_net() -> None:
    """Second derivatives through linear, tanh and logsumexp agree with differences of first ones."""
    w, x = leaf(3, 4), leaf(2, 4, seed=1)

    def loss(w):
        return clew.logsumexp(clew.nn.functional.linear(x.detach(), w).tanh(), (0, 1))

    (g,) = grad(loss(w), w, create_graph=True)
    v = leaf(3, 4, seed=2).detach()
    (hv,) = grad((g * v).sum(), w)
    step = 1e-5
    (up,), (down,) = (
        [*grad(loss(p), p)] for p in ((w + s * v).detach().requires_grad_() for s in (step, -step))
    )
    np.testing.assert_allclose(hv.numpy(), ((up - down) / (2 * step)).numpy(), atol=1e-8)


# --- leaves and modes ------------------------------------------------------------------------------


def test_leaf_refuses_in_place() -> None:
    x = leaf(3)
    for write in (lambda: x.add_(1), lambda: x[0].mul_(2), lambda: x.zero_(), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(clew.AutogradError, match="leaf"):
            write()
    with clew.no_grad():
        x.add_(1)
        x[0] = 5.0
    assert x.is_leaf and x.requires_grad and x[0].item() == 5.0


def test_only_floating_tensors_require_grad() -> None:
    with pytest.raises(clew.DTypeError, match="int64"):
        clew.ones(2, dtype=clew.int64).requires_grad_()
    with pytest.raises(clew.DTypeError):
        clew.zeros(2, dtype=clew.int64, requires_grad=True)


def test_non_leaf_cannot_be_switched_off() -> None:
    y = leaf(3) * 2
    with pytest.raises(clew.AutogradError, match="detach"):
        y.requires_grad_(False)


def test_backward_without_history() -> None:
    with pytest.raises(clew.AutogradError, match="require"):
        clew.ones(()).backward()


def test_backward_of_several_elements_needs_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="one-element"):
        (leaf(3) * 2).backward()


def test_no_grad() -> None:
    x = leaf(3)
    with clew.no_grad():
        y = x * 2
        assert not y.requires_grad and y.grad_fn is None
        with clew.enable_grad():
            assert (x * 2).requires_grad
        assert not clew.is_grad_enabled()
    assert clew.is_grad_enabled()

    @clew.no_grad()
    def double(t):
        return t * 2

    assert not double(x).requires_grad
    with pytest.raises(KeyError), clew.no_grad():
        raise KeyError
    assert clew.is_grad_enabled()


def test_set_grad_enabled() -> None:
    x = leaf(3)
    with clew.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with clew.set_grad_enabled(True):
        assert (x * 2).requires_grad


def test_inference_mode() -> None:
    x = leaf(3)
    with clew.inference_mode():
        y = x * 2
        assert not y.requires_grad
    with pytest.raises(clew.AutogradError, match="inference"):
        (x * y).sum().backward()
    assert (x * y.clone()).requires_grad


def test_detach_shares_data_and_version() -> None:
    x = leaf(3)
    y = x * 1
    d = y.detach()
    assert not d.requires_grad and d.data_ptr() == y.data_ptr()
    z = y * y
    d.add_(1)
    with pytest.raises(clew.AutogradError, match="version"):
        z.sum().backward()


def test_versions() -> None:
    a = clew.zeros(4)
    v = a[1:]
    assert a._version == v._version == 0
    v.add_(1)
    assert a._version == v._version == 1
    a[0] = 3
    assert v._version == 2
    assert a.clone()._version == 0


# --- saved tensors that changed --------------------------------------------------------------------


@pytest.mark.parametrize("save", ["mul", "exp", "sigmoid", "div"])
def test_stale_saved_tensor(save: str) -> None:
    x = leaf(3)
    h = x * 1
    y = {"mul": lambda: h * h, "exp": h.exp, "sigmoid": h.sigmoid, "div": lambda: 1 / h}[save]()
    if save in ("exp", "sigmoid"):
        y.mul_(2)
        y.add_(1)
        y = y * 1
        # The result itself was saved: writing into it makes it stale.
        with pytest.raises(clew.AutogradError, match="version"):
            y.sum().backward()
        return
    h.add_(1)
    with pytest.raises(clew.AutogradError) as e:
        y.sum().backward()
    assert "(3,)" in str(e.value) and "version 0, got version 1" in str(e.value)


def test_write_that_is_not_saved_is_fine() -> None:
    x = leaf(3)
    h = x * 2
    y = h + 1
    h.mul_(3)
    (y + h).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0, 8.0]


# --- hooks -----------------------------------------------------------------------------------------


def test_tensor_hooks_run_in_order_and_replace() -> None:
    x = leaf(3)
    order = []
    h = x * 2

    def first(g):
        order.append("first")
        return g * 10

    def second(g):
        order.append("second")
        assert g.tolist() == [10.0, 10.0, 10.0]

    handle = h.register_hook(first)
    h.register_hook(second)
    h.sum().backward(retain_graph=True)
    assert order == ["first", "second"]
    assert x.grad.tolist() == [20.0, 20.0, 20.0]
    handle.remove()
    x.grad = None
    order.clear()
    with pytest.raises(AssertionError):
        h.sum().backward()
    assert order == ["second"]


def test_leaf_hooks() -> None:
    x = leaf(3)
    seen = []
    x.register_hook(lambda g: g * 2)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]
    assert seen == [[6.0, 6.0, 6.0]]


def test_retain_grad() -> None:
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    (h * h).sum().backward()
    np.testing.assert_allclose(h.grad.numpy(), 4 * x.detach().numpy())


def test_node_hooks_and_names() -> None:
    x = leaf(3)
    y = (x * 2).exp()
    node = y.grad_fn
    assert node.name() == "ExpBackward"
    (parent, index), *_ = node.next_functions
    assert parent.name() == "MulBackward" and index == 0
    accumulate = parent.next_functions[0][0]
    assert accumulate.name() == "AccumulateGrad" and accumulate.variable is x
    seen = []
    node.register_prehook(lambda grads: seen.append(len(grads)))
    node.register_hook(lambda grad_inputs, grad_outputs: tuple(g * 2 for g in grad_inputs))
    y.sum().backward()
    assert seen == [1]
    np.testing.assert_allclose(x.grad.numpy(), 4 * y.detach().numpy())


def test_hook_that_raises_leaves_a_usable_tape() -> None:
    x = leaf(3)
    y = x * 2

    def fail(g):
        raise KeyError("from the hook")

    y.register_hook(fail)
    with pytest.raises(KeyError, match="from the hook"):
        y.sum().backward()
    assert clew.is_grad_enabled()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


# --- custom functions ------------------------------------------------------------------------------


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Wrong(Function):
    """A gradient that is off by two in the first derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0].cos()


class WrongSecond(Function):
    """A right first derivative that forgets its own dependence on x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].detach().cos()


def test_custom_function() -> None:
    x = leaf(3)
    assert gradcheck(Cube.apply, x)
    assert gradgradcheck(Cube.apply, x)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"


def test_gradcheck_finds_wrong_gradients() -> None:
    x = leaf(3)
    with pytest.raises(clew.autograd.GradcheckError, match="expected gradient"):
        gradcheck(Wrong.apply, x)
    assert gradcheck(WrongSecond.apply, x)
    with pytest.raises(clew.autograd.GradcheckError, match="gradgradcheck"):
        gradgradcheck(WrongSecond.apply, x)
    assert gradcheck(Wrong.apply, x, raise_exception=False) is False


class Pair(Function):
    @staticmethod
    def forward(ctx, x, scale, y):
        ctx.scale = scale
        ctx.save_for_backward(x, y)
        return x * scale, (x > 0), x * y

    @staticmethod
    def backward(ctx, g, _, h):
        assert ctx.needs_input_grad == (True, False, True)
        x, y = ctx.saved_tensors
        return g * ctx.scale + h * y, None, h * x


def test_custom_function_of_several() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    a, mask, b = Pair.apply(x, 2.0, y)
    assert a.requires_grad and not mask.requires_grad and mask.dtype == clew.bool
    (a + b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 + y.detach().numpy())
    np.testing.assert_allclose(y.grad.numpy(), x.detach().numpy())
    # An output without gradient arrives as zeros.
    x.grad = None
    Pair.apply(x, 2.0, y)[0].sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


class Doubled(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return g * 2


def test_custom_function_in_place() -> None:
    x = leaf(3)
    h = x * 1
    y = Doubled.apply(h)
    assert y is h or y.data_ptr() == h.data_ptr()
    (y * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]


def test_custom_function_checks_its_gradients() -> None:
    class TooMany(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, g

    class WrongShape(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return clew.ones(7, dtype=clew.float64)

    x = leaf(3)
    with pytest.raises(RuntimeError, match="TooMany"):
        TooMany.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match="WrongShape"):
        WrongShape.apply(x).sum().backward()


def test_custom_function_frees_its_context() -> None:
    x = leaf(3)
    y = Cube.apply(x)
    node = weakref.ref(y)
    before = clew._C.memory_stats()["allocated_bytes"]
    for _ in range(10):
        Cube.apply(x).sum().backward()
        x.grad = None
    gc.collect()
    assert clew._C.memory_stats()["allocated_bytes"] <= before
    del y
    gc.collect()
    assert node() is None


# --- what the tape says ----------------------------------------------------------------------------


def test_anomaly_mode_names_the_node_that_made_nan() -> None:
    x = clew.tensor([0.0, 1.0], requires_grad=True)
    with clew.autograd.detect_anomaly(), pytest.raises(clew.AutogradError) as e:
        y = clew.sqrt(x) * 0  # the line that made it
        y.sum().backward()
    assert "SqrtBackward" in str(e.value) and "nan" in str(e.value).lower()
    assert "test_autograd.py" in str(e.value) and "the line that made it" in str(e.value)


def test_saved_tensors_are_enumerable() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    saved = (x * y).grad_fn._saved_tensors
    assert sorted(t.tolist() for t in saved) == sorted([x.tolist(), y.tolist()])


def test_shared_leaf_in_two_graphs() -> None:
    x = leaf(3)
    a, b = (x * 2).sum(), (x * x).sum()
    b.backward()
    a.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 + 2 * x.detach().numpy())


def test_identity_of_wrappers() -> None:
    x = leaf(3)
    x.tag = "kept"
    (x * 2).sum().backward()
    node = (x * 2).grad_fn.next_functions[0][0]
    assert node.variable is x and node.variable.tag == "kept"
    assert x.grad is x.grad


@pytest.mark.parametrize("cut", ["split", "chunk", "unbind"])
def test_pieces_have_one_gradient(cut: str) -> None:
    """The pieces of a split share a node; unused ones, in-place writes and changed bases go through."""
    cuts = {
        "split": lambda t: t.split([1, 2], 0),
        "chunk": lambda t: t.chunk(3, 0),
        "unbind": lambda t: t.unbind(0),
    }
    cut_up = cuts[cut]
    x = clew.arange(6.0).reshape(3, 2).requires_grad_()
    y = x * 2
    pieces = cut_up(y)
    pieces[1].square().sum().backward(retain_graph=True)
    want = np.zeros((3, 2))
    want[1 : 3 if cut == "split" else 2] = 8 * x.detach().numpy()[1 : 3 if cut == "split" else 2]
    assert np.array_equal(x.grad.numpy(), want)
    # A write into a piece reaches the base, and the other pieces see it.
    x.grad = None
    y = x * 2
    pieces = cut_up(y)
    pieces[1].mul_(3)
    (y.sum() + pieces[0].sum()).backward()
    want = np.full((3, 2), 2.0)
    want[1 : 3 if cut == "split" else 2] = 6
    want[0] += 2
    assert np.array_equal(x.grad.numpy(), want)
    # A write into the base.
    x.grad = None
    y = x * 2
    pieces = cut_up(y)
    y.mul_(5)
    pieces[-1].sum().backward()
    want = np.zeros((3, 2))
    want[1 if cut == "split" else 2 :] = 10
    assert np.array_equal(x.grad.numpy(), want)
    assert clew.autograd.gradgradcheck(lambda t: cut_up(t * t)[1], (x.detach().double().requires_grad_(),))
