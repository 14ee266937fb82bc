"""Every optimizer and every schedule beside PyTorch: 20 steps, plain, grouped, resumed, from its files."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

import clew

torch = pytest.importorskip("torch")

SHAPES = [(5, 3), (7,), (), (2, 3, 4)]

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd_foreach": ("SGD", {"lr": 0.05, "foreach": True, "maximize": True}),
    "adam": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 0.05, "fused": False, "capturable": False}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop_all": (
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "momentum": 0.8, "centered": True, "weight_decay": 0.1, "eps": 1e-4},
    ),
    "rmsprop_maximize": ("RMSprop", {"lr": 0.01, "maximize": True, "foreach": False}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad_all": (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta_all": ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    "adamax": ("Adamax", {"lr": 0.05}),
    "adamax_all": ("Adamax", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    "nadam": ("NAdam", {"lr": 0.05}),
    "nadam_all": ("NAdam", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1, "momentum_decay": 0.02}),
    "nadam_decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "radam": ("RAdam", {"lr": 0.05}),
    "radam_all": ("RAdam", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    "radam_decoupled": ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "rprop": ("Rprop", {"lr": 0.05, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.2)}),
}


def start(dtype: Any = np.float32) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.normal(size=shape), dtype=dtype) for shape in SHAPES]


def parameters(lib: Any, arrays: list[np.ndarray]) -> list[Any]:
    return [lib.nn.Parameter(lib.from_numpy(a.copy())) for a in arrays]


def run(lib: Any, opt: Any, params: list[Any], steps: range, dtype: Any = np.float32) -> None:
    for step in steps:
        rng = np.random.default_rng(1000 + step)
        for i, p in enumerate(params):
            g = np.asarray(rng.normal(size=SHAPES[i]), dtype=dtype)
            p.grad = None if i == 1 and step % 5 == 2 else lib.from_numpy(g)
        opt.step()


def assert_same(ours: list[Any], theirs: list[Any], tolerance: float = 1e-5) -> None:
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)


def optimizer(lib: Any, name: str, params: list[Any], grouped: bool = False) -> Any:
    kind, options = OPTIMIZERS[name]
    if grouped:
        params = [{"params": params[:2]}, {"params": params[2:], "lr": 0.01}]
    return getattr(lib.optim, kind)(params, **options)


@pytest.mark.parametrize("grouped", [False, True], ids=["plain", "grouped"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trajectory(name: str, dtype: Any, tolerance: float, grouped: bool) -> None:
    ours, theirs = parameters(clew, start(dtype)), parameters(torch, start(dtype))
    run(clew, optimizer(clew, name, ours, grouped), ours, range(20), dtype)
    run(torch, optimizer(torch, name, theirs, grouped), theirs, range(20), dtype)
    assert_same(ours, theirs, tolerance)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resumed_is_bit_identical(name: str) -> None:
    whole, first = parameters(clew, start()), parameters(clew, start())
    run(clew, optimizer(clew, name, whole), whole, range(20))
    before = optimizer(clew, name, first)
    run(clew, before, first, range(10))
    second = parameters(clew, [p.detach().numpy() for p in first])
    after = optimizer(clew, name, second)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    run(clew, after, second, range(10, 20))
    for p, q in zip(whole, second, strict=True):
        assert p.tolist() == q.tolist()


def from_torch(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return clew.from_numpy(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {key: from_torch(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(from_torch(item) for item in value)
    return value


def to_torch(value: Any) -> Any:
    if isinstance(value, clew.Tensor):
        return torch.from_numpy(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {key: to_torch(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_torch(item) for item in value)
    return value


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_takes_the_state_of_torch_and_gives_it_back(name: str) -> None:
    theirs = parameters(torch, start())
    b = optimizer(torch, name, theirs)
    run(torch, b, theirs, range(8))
    state = b.state_dict()
    ours = parameters(clew, [p.detach().numpy() for p in theirs])
    a = optimizer(clew, name, ours)
    a.load_state_dict(from_torch(state))
    mine = a.state_dict()
    assert mine["state"].keys() == state["state"].keys()
    for number, entries in state["state"].items():
        assert mine["state"][number].keys() == entries.keys()
    run(clew, a, ours, range(8, 14))
    run(torch, b, theirs, range(8, 14))
    assert_same(ours, theirs)
    # And back again.
    c = optimizer(torch, name, theirs)
    c.load_state_dict(to_torch(a.state_dict()))
    run(clew, a, ours, range(14, 20))
    run(torch, c, theirs, range(14, 20))
    assert_same(ours, theirs)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(search: str | None) -> None:
    def train(lib: Any) -> tuple[list[float], list[Any], Any]:
        rng = np.random.default_rng(5)
        x = lib.from_numpy(rng.normal(size=(40, 6)) * np.array([1, 2, 4, 8, 16, 32]) ** 0.5)
        y = lib.from_numpy((rng.random((40, 1)) < 0.5).astype(np.float64))
        w1 = lib.nn.Parameter(lib.from_numpy(rng.normal(size=(6, 1))))
        w2 = lib.nn.Parameter(lib.from_numpy(rng.normal(size=(1,))))
        opt = lib.optim.LBFGS([w1, w2], lr=0.1, max_iter=2, history_size=6, line_search_fn=search)
        losses = []

        def closure() -> Any:
            opt.zero_grad()
            logits = x @ w1 + w2
            loss = lib.nn.functional.binary_cross_entropy_with_logits(logits, y) + 0.1 * (w1**2).sum()
            loss.backward()
            return loss

        for _ in range(20):
            losses.append(opt.step(closure).item())
        return losses, [w1, w2], opt

    (ours, p, a), (theirs, q, b) = train(clew), train(torch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert_same(p, q, 1e-5)
    assert ours[-1] < 0.7 * ours[0]
    mine, other = a.state_dict()["state"][0], b.state_dict()["state"][0]
    assert mine["func_evals"] == other["func_evals"]
    assert mine["n_iter"] == other["n_iter"]


def test_lbfgs_resumes() -> None:
    def build() -> tuple[Any, Any]:
        p = clew.nn.Parameter(clew.tensor([-1.5, 2.0], dtype=clew.float64))
        return p, clew.optim.LBFGS([p], lr=0.3, max_iter=3)

    def steps(p: Any, opt: Any, n: int) -> None:
        def closure() -> Any:
            opt.zero_grad()
            loss = (1 - p[0]) ** 2 + 10 * (p[1] - p[0] ** 2) ** 2
            loss.backward()
            return loss

        for _ in range(n):
            opt.step(closure)

    whole, a = build()
    steps(whole, a, 8)
    half, b = build()
    steps(half, b, 4)
    rest, c = build()
    rest.detach().copy_(half.detach())
    c.load_state_dict(copy.deepcopy(b.state_dict()))
    steps(rest, c, 4)
    assert rest.tolist() == whole.tolist()
    with pytest.raises(TypeError, match="expected a closure"):
        c.step()


@pytest.mark.parametrize(
    "kind, options, text",
    [
        ("RMSprop", {"lr": -1.0}, "expected lr >= 0"),
        ("Adagrad", {"lr_decay": -1.0}, "expected lr_decay >= 0"),
        ("Adadelta", {"rho": 1.5}, "expected rho in"),
        ("Adamax", {"betas": (1.0, 0.9)}, "betas"),
        ("NAdam", {"momentum_decay": -1.0}, "momentum_decay"),
        ("RAdam", {"eps": -1.0}, "eps"),
        ("Rprop", {"etas": (1.5, 2.0)}, "etas"),
        ("LBFGS", {"line_search_fn": "exact"}, "line_search_fn"),
    ],
)
def test_bad_options(kind: str, options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        getattr(clew.optim, kind)(parameters(clew, start()), **options)


# --- schedules -------------------------------------------------------------------------------------


def sequential(L: Any, opt: Any) -> Any:
    return L.SequentialLR(
        opt,
        [
            L.LinearLR(opt, start_factor=0.1, total_iters=4),
            L.CosineAnnealingLR(opt, T_max=6),
            L.StepLR(opt, 3),
        ],
        milestones=[4, 11],
    )


def nested(L: Any, opt: Any) -> Any:
    inner = L.SequentialLR(opt, [L.ConstantLR(opt, 0.5, 2), L.ExponentialLR(opt, 0.9)], milestones=[2])
    return L.SequentialLR(opt, [inner, L.PolynomialLR(opt, 8)], milestones=[7])


SCHEDULES = {
    "step": lambda L, o: L.StepLR(o, 4, 0.5),
    "multistep": lambda L, o: L.MultiStepLR(o, [3, 3, 9, 15], 0.3),
    "exponential": lambda L, o: L.ExponentialLR(o, 0.9),
    "lambda": lambda L, o: L.LambdaLR(o, lambda e: 0.95**e),
    "multiplicative": lambda L, o: L.MultiplicativeLR(o, lambda e: 0.95 if e % 2 else 1.02),
    "constant": lambda L, o: L.ConstantLR(o, 0.25, 6),
    "linear": lambda L, o: L.LinearLR(o, 0.2, 0.8, 7),
    "polynomial": lambda L, o: L.PolynomialLR(o, 12, 2.0),
    "cosine": lambda L, o: L.CosineAnnealingLR(o, 7, 0.01),
    "restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "onecycle": lambda L, o: L.OneCycleLR(o, 0.5, total_steps=22),
    "onecycle_linear": lambda L, o: L.OneCycleLR(
        o, [0.5, 0.2][: len(o.param_groups)], epochs=11, steps_per_epoch=2, anneal_strategy="linear"
    ),
    "onecycle_three": lambda L, o: L.OneCycleLR(
        o, 0.5, 24, three_phase=True, div_factor=10, final_div_factor=100, base_momentum=0.6
    ),
    "cyclic": lambda L, o: L.CyclicLR(o, 0.01, 0.1, step_size_up=4, step_size_down=3),
    "cyclic_2": lambda L, o: L.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2"),
    "cyclic_exp": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "cyclic_own": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, scale_fn=lambda x: 1 / (1 + x)),
    "sequential": sequential,
    "nested": nested,
    "chained": lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.3, 5), L.ExponentialLR(o, 0.9)]),
}


def options_of(opt: Any) -> list[tuple[float, ...]]:
    return [
        (float(g["lr"]), *(float(b) for b in g.get("betas", ())), float(g.get("momentum", 0)))
        for g in opt.param_groups
    ]


def scheduled(lib: Any, name: str, kind: str, grouped: bool) -> tuple[Any, Any]:
    params = parameters(lib, start())
    given = [{"params": params[:2]}, {"params": params[2:], "lr": 0.04}] if grouped else params
    extra = {"momentum": 0.9} if kind == "SGD" else {}
    opt = getattr(lib.optim, kind)(given, lr=0.1, **extra)
    return opt, SCHEDULES[name](lib.optim.lr_scheduler, opt)


def advance(opt: Any, schedule: Any, steps: int) -> list[Any]:
    seen = [(options_of(opt), [float(lr) for lr in schedule.get_last_lr()])]
    for _ in range(steps):
        opt.step()
        schedule.step()
        seen.append((options_of(opt), [float(lr) for lr in schedule.get_last_lr()]))
    return seen


def flat(seen: list[Any]) -> np.ndarray:
    return np.array([[x for group in options for x in group] + last for options, last in seen])


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("grouped", [False, True], ids=["plain", "grouped"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str, grouped: bool, kind: str) -> None:
    ours = flat(advance(*scheduled(clew, name, kind, grouped), 20))
    theirs = flat(advance(*scheduled(torch, name, kind, grouped), 20))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert np.ptp(ours[:, 0]) > 0


@pytest.mark.parametrize("source", ["clew", "torch"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_resumes(name: str, source: str) -> None:
    lib = {"clew": clew, "torch": torch}[source]
    opt, schedule = scheduled(lib, name, "SGD", True)
    advance(opt, schedule, 9)
    state, opt_state = copy.deepcopy(schedule.state_dict()), from_torch(opt.state_dict())
    expected = flat(advance(opt, schedule, 11))
    opt, schedule = scheduled(clew, name, "SGD", True)
    opt.load_state_dict(opt_state)
    schedule.load_state_dict(state)
    np.testing.assert_allclose(flat(advance(opt, schedule, 11)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["step", "multistep", "exponential", "linear", "cosine", "restarts"])
def test_schedule_goes_to_an_epoch(name: str) -> None:
    (a, ours), (b, theirs) = scheduled(clew, name, "SGD", True), scheduled(torch, name, "SGD", True)
    for epoch in (5, 2, 9.5 if name == "restarts" else 9):
        ours.step(epoch)
        with pytest.warns(UserWarning) if name != "restarts" else _nothing():
            theirs.step(epoch)
        np.testing.assert_allclose(flat([(options_of(a), [])]), flat([(options_of(b), [])]), rtol=1e-12)


class _nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "factor": 0.5, "patience": 1},
        {"patience": 0, "cooldown": 2, "min_lr": [0.02, 0.001]},
        {"patience": 2, "threshold": 0.1, "threshold_mode": "abs"},
        {"patience": 1, "threshold": 0.05, "min_lr": 0.005, "eps": 0.03},
    ],
)
def test_plateau(options: dict) -> None:
    losses = [
        3.0,
        2.5,
        2.6,
        2.5,
        2.49,
        2.6,
        2.1,
        2.2,
        2.2,
        2.2,
        2.2,
        1.0,
        1.0,
        1.0,
        1.0,
        1.0,
        1.1,
        1.2,
        0.9,
        0.9,
    ]

    def build(lib: Any) -> tuple[Any, Any]:
        ps = parameters(lib, start())
        opt = lib.optim.SGD([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.05}], lr=0.1)
        return opt, lib.optim.lr_scheduler.ReduceLROnPlateau(opt, **options)

    (a, ours), (b, theirs) = build(clew), build(torch)
    for i, loss in enumerate(losses * 2):
        ours.step(clew.tensor(loss, dtype=clew.float64) if i % 2 else loss)
        theirs.step(loss)
        np.testing.assert_allclose(
            flat([(options_of(a), ours.get_last_lr())]), flat([(options_of(b), theirs.get_last_lr())])
        )
        if i == 15:
            state = copy.deepcopy(theirs.state_dict())
            _, ours = build(clew)
            ours.optimizer = a
            ours.load_state_dict(state)
    assert ours.best == theirs.best


def test_swa() -> None:
    def train(lib: Any) -> tuple[Any, list[float]]:
        rng = np.random.default_rng(3)
        model = lib.nn.Linear(4, 2)
        with lib.no_grad():
            model.weight.copy_(lib.from_numpy(rng.normal(size=(2, 4)).astype(np.float32)))
            model.bias.zero_()
        S = lib.optim.swa_utils
        plain = S.AveragedModel(model)
        moving = S.AveragedModel(model, multi_avg_fn=S.get_ema_multi_avg_fn(0.9))
        opt = lib.optim.SGD(model.parameters(), lr=0.1)
        schedule = S.SWALR(opt, swa_lr=0.02, anneal_epochs=5)
        rates = []
        for _ in range(10):
            x = lib.from_numpy(rng.normal(size=(8, 4)).astype(np.float32))
            opt.zero_grad()
            (model(x) ** 2).sum().backward()
            opt.step()
            schedule.step()
            plain.update_parameters(model)
            moving.update_parameters(model)
            rates.append(opt.param_groups[0]["lr"])
        return [*plain.parameters(), *moving.parameters()], rates

    (p, ours), (q, theirs) = train(clew), train(torch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert_same(p, q)


@pytest.mark.parametrize(
    "build, error",
    [
        (lambda L, o: L.OneCycleLR(o, 0.1), ValueError),
        (lambda L, o: L.OneCycleLR(o, 0.1, 10, pct_start=2.0), ValueError),
        (lambda L, o: L.OneCycleLR(o, 0.1, 10, anneal_strategy="sine"), ValueError),
        (lambda L, o: L.OneCycleLR(o, [0.1, 0.2], 10), ValueError),
        (lambda L, o: L.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
        (lambda L, o: L.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda L, o: L.ReduceLROnPlateau(o, mode="up"), ValueError),
        (lambda L, o: L.ConstantLR(o, 2.0), ValueError),
        (lambda L, o: L.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda L, o: L.SequentialLR(o, [], []), ValueError),
        (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 1)], [3]), ValueError),
        (lambda L, o: L.ChainedScheduler([]), ValueError),
        (lambda L, o: L.StepLR(None, 3), TypeError),
    ],
)
def test_bad_schedules(build: Any, error: type[Exception]) -> None:
    for lib in (clew, torch):
        opt = lib.optim.SGD(parameters(lib, start()), lr=0.1, momentum=0.9)
        with pytest.raises(error):
            build(lib.optim.lr_scheduler, opt)


def test_one_cycle_ends() -> None:
    opt = clew.optim.SGD(parameters(clew, start()), lr=0.1, momentum=0.9)
    schedule = clew.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="at most 3 steps"):
        schedule.step()
    assert math.isclose(schedule.get_last_lr()[0], opt.param_groups[0]["lr"])
