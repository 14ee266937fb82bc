"""Optimizers: trajectories against PyTorch, groups, state, resuming, schedules."""

import copy
import doctest
import importlib
import math

import numpy as np
import pytest

import clew
from clew import nn, optim

CONFIGS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "sgd_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd_dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd_nesterov": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    "sgd_maximize": ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam_decay": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    "adam_amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True}),
    "adam_maximize": ("Adam", {"lr": 0.01, "maximize": True}),
    "adam_decoupled": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
}
SHAPES = [(5, 3), (7,), (), (2, 3, 4), (0, 3)]


def start(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype=dtype) for shape in SHAPES]


def gradients(step, dtype=np.float32):
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.normal(size=shape), dtype=dtype) for shape in SHAPES]


def parameters(lib, arrays):
    return [lib.nn.Parameter(lib.from_numpy(a.copy())) for a in arrays]


def run(lib, opt, params, steps, dtype=np.float32, skip=None):
    for step in steps:
        opt.zero_grad()
        for i, (p, g) in enumerate(zip(params, gradients(step, dtype), strict=True)):
            if skip is None or not skip(i, step):
                p.grad = lib.from_numpy(g.copy())
        opt.step()


def assert_same(ours, theirs, tolerance=2e-6):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("name", CONFIGS)
def test_trajectory(name, dtype, tolerance):
    torch = pytest.importorskip("torch")
    kind, options = CONFIGS[name]
    ours, theirs = parameters(clew, start(dtype=dtype)), parameters(torch, start(dtype=dtype))
    a, b = getattr(optim, kind)(ours, **options), getattr(torch.optim, kind)(theirs, **options)
    run(clew, a, ours, range(20), dtype)
    run(torch, b, theirs, range(20), dtype)
    assert_same(ours, theirs, tolerance)


@pytest.mark.parametrize("name", CONFIGS)
def test_trajectory_with_groups_and_missing_gradients(name):
    torch = pytest.importorskip("torch")
    kind, options = CONFIGS[name]

    def build(lib):
        ps = parameters(lib, start())
        groups = [{"params": ps[:2]}, {"params": ps[2:], "lr": 0.02, "weight_decay": 0.2}]
        return ps, getattr(lib.optim, kind)(groups, **options)

    def skip(i, step):
        return (i == 1 and step < 3) or (i == 0 and step % 4 == 2) or i == 3

    (ours, a), (theirs, b) = build(clew), build(torch)
    run(clew, a, ours, range(20), skip=skip)
    run(torch, b, theirs, range(20), skip=skip)
    assert_same(ours, theirs, 3e-6)
    assert len(a.state) == len(b.state)


@pytest.mark.parametrize("name", CONFIGS)
def test_resumed_is_bit_identical(name):
    kind, options = CONFIGS[name]
    whole, first = parameters(clew, start()), parameters(clew, start())
    a, b = getattr(optim, kind)(whole, **options), getattr(optim, kind)(first, **options)
    run(clew, a, whole, range(20))
    run(clew, b, first, range(10))
    state = copy.deepcopy(b.state_dict())
    second = parameters(clew, [p.detach().numpy() for p in first])
    c = getattr(optim, kind)(second, lr=123.0)
    c.load_state_dict(state)
    run(clew, c, second, range(10, 20))
    for p, q in zip(whole, second, strict=True):
        assert p.tolist() == q.tolist()


@pytest.mark.parametrize("name", ["sgd_momentum", "adam_amsgrad", "adamw"])
def test_state_dict_format(name):
    torch = pytest.importorskip("torch")
    kind, options = CONFIGS[name]

    def build(lib):
        ps = parameters(lib, start())
        opt = getattr(lib.optim, kind)(ps, **options)
        run(lib, opt, ps, range(3))
        return ps, opt

    (ours, a), (theirs, b) = build(clew), build(torch)
    sa, sb = a.state_dict(), b.state_dict()
    assert set(sa) == set(sb) == {"state", "param_groups"}
    assert sa["param_groups"] == sb["param_groups"]
    assert set(sa["state"]) == set(sb["state"])
    for number in sb["state"]:
        mine, other = sa["state"][number], sb["state"][number]
        assert set(mine) == set(other)
        for key in other:
            np.testing.assert_allclose(mine[key].numpy(), other[key].numpy(), rtol=1e-5, atol=1e-6)
    # The state of PyTorch continues here.
    converted = {
        "state": {
            i: {k: clew.from_numpy(v.numpy().copy()) for k, v in s.items()} for i, s in sb["state"].items()
        },
        "param_groups": sb["param_groups"],
    }
    a.load_state_dict(converted)
    run(clew, a, ours, range(3, 8))
    run(torch, b, theirs, range(3, 8))
    assert_same(ours, theirs, 1e-5)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(kind, dtype):
    options = {"lr": 0.05, "momentum": 0.9} if kind == "SGD" else {"lr": 0.05}
    exact = parameters(clew, start())
    ps = [nn.Parameter(p.detach().to(getattr(clew, dtype))) for p in exact]
    a, b = getattr(optim, kind)(exact, **options), getattr(optim, kind)(ps, **options)
    for step in range(10):
        for p, q, g in zip(exact, ps, gradients(step), strict=True):
            p.grad = clew.from_numpy(g)
            q.grad = p.grad.to(q.dtype)
        a.step()
        b.step()
    for p, q in zip(exact, ps, strict=True):
        assert str(q.dtype).endswith(dtype)
        np.testing.assert_allclose(p.detach().numpy(), q.detach().float().numpy(), rtol=0.1, atol=0.1)


def test_large_parameters_do_not_depend_on_threads():
    def result():
        p = nn.Parameter(clew.arange(300000).to(clew.float32) / 1000)
        q = nn.Parameter(clew.ones(7))
        opt = optim.Adam([p, q], lr=0.1)
        for _ in range(3):
            p.grad, q.grad = clew.sin(p.detach()), clew.ones(7)
            opt.step()
        return p.detach().numpy().copy()

    before = clew.get_num_threads()
    try:
        clew.set_num_threads(1)
        one = result()
        clew.set_num_threads(4)
        assert (result() == one).all()
    finally:
        clew.set_num_threads(before)


def test_non_contiguous_parameters_and_gradients():
    base = clew.arange(12.0).reshape(3, 4)
    p = nn.Parameter(base.t())
    g = clew.arange(12.0).reshape(3, 4).t()
    for opt in (optim.SGD([p], lr=1.0, momentum=0.5), optim.Adam([p], lr=1.0)):
        expected = p.detach().clone()
        twin = nn.Parameter(expected.contiguous())
        other = type(opt)([twin], **{k: v for k, v in opt.defaults.items() if k in ("lr", "momentum")})
        for _ in range(3):
            p.grad, twin.grad = g, g.contiguous()
            opt.step()
            other.step()
        np.testing.assert_allclose(p.detach().numpy(), twin.detach().numpy(), rtol=1e-6)
    assert base.t().tolist() == p.tolist()


def test_a_step_bumps_versions():
    p = nn.Parameter(clew.ones(2))
    loss = (p * p).sum()
    p.grad = clew.ones(2)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError):
        loss.backward()


def test_training_a_model():
    clew.manual_seed(0)
    x = clew.randn(64, 3)
    target = x @ clew.tensor([[1.0], [-2.0], [0.5]])
    for make in (lambda ps: optim.SGD(ps, 0.1, 0.9), lambda ps: optim.AdamW(ps, 0.05, weight_decay=0.0)):
        m = nn.Linear(3, 1)
        opt = make(m.parameters())
        for _ in range(150):
            opt.zero_grad()
            loss = nn.functional.mse_loss(m(x), target)
            loss.backward()
            opt.step()
        assert loss.item() < 1e-3


# -- the base class ------------------------------------------------------------------------------


def one(lr=0.1):
    p = nn.Parameter(clew.ones(2))
    p.grad = clew.ones(2)
    return p, optim.SGD([p], lr=lr, momentum=0.5)


def test_zero_grad():
    p, opt = one()
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    opt.zero_grad()
    assert p.grad is None


def test_options_are_read_at_each_step():
    p, opt = one(lr=1.0)
    opt.step()
    opt.param_groups[0]["lr"] = 0.0
    before = p.tolist()
    opt.step()
    assert p.tolist() == before
    opt.param_groups[0].update(lr=1.0, momentum=0.0)
    opt.step()
    assert p.tolist() == [before[0] - 1.0] * 2


def test_momentum_and_amsgrad_switched_on_later():
    p = nn.Parameter(clew.ones(1))
    p.grad = clew.ones(1)
    opt = optim.SGD([p], lr=1.0)
    opt.step()
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    opt.step()
    assert p.tolist() == [1 - 1 - 1 - 1.5]
    opt = optim.Adam([p], lr=1.0)
    opt.step()
    opt.param_groups[0]["amsgrad"] = True
    opt.step()
    assert opt.state[p]["max_exp_avg_sq"].item() > 0 and opt.state[p]["step"].item() == 2


def test_state_that_is_replaced_is_used():
    p, opt = one(lr=1.0)
    opt.step()
    opt.state[p]["momentum_buffer"] = clew.full((2,), 10.0)
    before = p.tolist()[0]
    opt.step()
    assert p.tolist() == [before - 6.0] * 2


def test_parameters_can_be_added():
    p, opt = one(lr=1.0)
    opt.step()
    q = nn.Parameter(clew.ones(1))
    opt.add_param_group({"params": q, "lr": 0.5})
    q.grad = clew.ones(1)
    opt.step()
    assert q.tolist() == [0.5] and len(opt.param_groups) == 2
    opt.param_groups[1]["params"].append(nn.Parameter(clew.ones(1)))
    opt.param_groups[1]["params"][1].grad = clew.ones(1)
    opt.step()
    assert opt.param_groups[1]["params"][1].tolist() == [0.5]


def test_named_parameters():
    m = nn.Linear(2, 1)
    opt = optim.SGD(m.named_parameters(), lr=0.1)
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]
    assert opt.param_groups[0]["params"][0] is m.weight


def test_closure():
    p = nn.Parameter(clew.ones(1))
    opt = optim.SGD([p], lr=0.25)

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with clew.no_grad():
        assert opt.step(closure).item() == 1.0
    assert p.tolist() == [0.5]


def test_step_hooks_run_once():
    class Mine(optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    p = nn.Parameter(clew.ones(1))
    opt, calls = Mine([p], lr=0.1), []
    pre = opt.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
    opt.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
    opt.step()
    assert calls == ["pre", "post"]
    pre.remove()
    opt.step()
    assert calls == ["pre", "post", "post"]


def test_own_optimizer():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with clew.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        if p.grad is not None:
                            self.state[p]["n"] = self.state[p].get("n", 0) + 1
                            p.sub_(p.grad.sign() * group["lr"])

    p = nn.Parameter(clew.ones(2))
    p.grad = clew.tensor([3.0, -2.0])
    opt = Sign([p], 0.5)
    opt.step()
    assert p.tolist() == [0.5, 1.5] and opt.state_dict()["state"] == {0: {"n": 1}}


def test_copies_and_repr():
    p, opt = one()
    opt.step()
    twin = copy.deepcopy(opt)
    q = twin.param_groups[0]["params"][0]
    q.grad = clew.ones(2)
    twin.step()
    assert twin.state[q]["momentum_buffer"].tolist() == [1.5, 1.5]
    assert opt.state[p]["momentum_buffer"].tolist() == [1.0, 1.0] and p.tolist() != q.tolist()
    assert repr(opt).startswith("SGD (\nParameter Group 0\n    dampening: 0\n")


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda p: optim.SGD([], lr=0.1), ValueError, "expected one or more parameters"),
        (lambda p: optim.SGD(p, lr=0.1), TypeError, "one Tensor"),
        (lambda p: optim.SGD([3], lr=0.1), TypeError, "expected Tensors as parameters, got int"),
        (lambda p: optim.SGD([p * 2], lr=0.1), ValueError, "expected leaves"),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "SGD: expected lr >= 0, got -1"),
        (lambda p: optim.SGD([p], lr=math.nan), ValueError, "expected lr"),
        (lambda p: optim.SGD([p], 0.1, nesterov=True), ValueError, "momentum > 0"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError, r"betas\[0\] in \[0, 1\), got 1.0"),
        (lambda p: optim.AdamW([p], eps=-1), ValueError, "AdamW: expected eps >= 0"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}], 0.1), ValueError, "in one group only"),
        (
            lambda p: optim.SGD([p], 0.1).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "1 param",
        ),
        (lambda p: optim.SGD([p], 0.1, differentiable=True), NotImplementedError, "differentiable"),
    ],
)
def test_bad_arguments(call, error, text):
    with pytest.raises(error, match=text):
        call(nn.Parameter(clew.ones(1)))


# -- schedules -----------------------------------------------------------------------------------

SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.1),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 8, 0.01),
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 1 / (1 + e)),
    "linear": lambda s, o: s.LinearLR(o, 0.25, 0.0, 6),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    torch = pytest.importorskip("torch")

    def build(lib):
        ps = [lib.nn.Parameter(lib.ones(1)) for _ in range(2)]
        opt = lib.optim.SGD([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.5}], lr=0.1)
        return opt, SCHEDULES[name](lib.optim.lr_scheduler, opt)

    (a, sa), (b, sb) = build(clew), build(torch)
    for epoch in range(25):
        assert sa.get_last_lr() == pytest.approx(sb.get_last_lr(), rel=1e-9, abs=1e-12)
        assert [g["lr"] for g in a.param_groups] == sa.get_last_lr()
        if epoch == 10:
            a2, sa2 = build(clew)
            a2.load_state_dict(a.state_dict())
            sa2.load_state_dict(sa.state_dict())
            a, sa = a2, sa2
        b.step()
        sa.step()
        sb.step()


def test_schedule_errors():
    p, opt = one()
    with pytest.raises(TypeError, match="expected an Optimizer"):
        optim.lr_scheduler.StepLR(3, 2)
    with pytest.raises(KeyError, match="initial_lr"):
        optim.lr_scheduler.StepLR(opt, 2, last_epoch=4)
    with pytest.raises(ValueError, match="expected 1 functions"):
        optim.lr_scheduler.LambdaLR(opt, [abs, abs])


@pytest.mark.parametrize("name", ["optimizer", "sgd", "adam", "lr_scheduler"])
def test_docstring_examples(name):
    module = importlib.import_module(f"clew.optim.{name}")
    assert doctest.testmod(module, extraglobs={"clew": clew}).failed == 0
