"""Functions that Python composes of ops, beside PyTorch's: values, gradients, and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clew

torch = pytest.importorskip("torch")

MASK = [[True, False, True, False], [False, True, True, True], [False, False, False, True]]
AT = [[0, 1, 2, 1], [0, 0, 1, 2]]


def case(name: str, fn: Callable, *shapes: tuple[int, ...], positive: bool = False) -> Any:
    return pytest.param(fn, shapes, positive, id=name)


def scatter_reduce(reduce: str, include_self: bool) -> Callable:
    return lambda m, x, s: m.scatter_reduce(x, 0, m.tensor(AT), s, reduce, include_self=include_self)


def ctc(m: Any, x: Any, **options: Any) -> Any:
    targets = m.tensor([[1, 2, 2], [3, 1, 0]])
    lengths = m.tensor([6, 5]), m.tensor([3, 2])
    return m.nn.functional.ctc_loss(x.log_softmax(-1), targets, *lengths, **options)


CASES = [
    case("index_fill", lambda m, x: x.index_fill(1, m.tensor([0, 2]), 3.0), (3, 4)),
    case("index_copy", lambda m, x, s: x.index_copy(1, m.tensor([0, 2]), s), (3, 4), (3, 2)),
    case("index_copy-strided", lambda m, x, s: x.t().index_copy(0, m.tensor([3, 1]), s.t()), (3, 4), (3, 2)),
    case("masked_scatter", lambda m, x, s: m.masked_scatter(x, m.tensor(MASK), s), (3, 4), (8,)),
    case("take", lambda m, x: m.take(x, m.tensor([[0, 2], [-1, 0]])), (3, 4)),
    case("select_scatter", lambda m, x, s: m.select_scatter(x, s, 1, 2), (3, 4), (3,)),
    case("slice_scatter", lambda m, x, s: m.slice_scatter(x, s, 1, 0, 4, 2), (3, 4), (3, 2)),
    case("diagonal_scatter", lambda m, x, s: m.diagonal_scatter(x, s, 1), (3, 4), (3,)),
    case("unfold", lambda m, x: x.unfold(1, 3, 2), (3, 7)),
    case("unfold-strided", lambda m, x: x.t().unfold(0, 3, 1), (3, 7)),
    *[
        case(f"scatter_reduce-{r}-{own}", scatter_reduce(r, own), (3, 4), (2, 4))
        for r in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    case("matrix_exp", lambda m, x: m.matrix_exp(3 * x), (2, 4, 4)),
    case("cholesky_solve", lambda m, b, x: m.cholesky_solve(b, x.tril() + 2 * m.eye(3)), (3, 2), (3, 3)),
    case("cholesky_inverse", lambda m, x: m.cholesky_inverse(x.triu() + 2 * m.eye(3), True), (3, 3)),
    case("renorm", lambda m, x: m.renorm(x, 2, 0, 1.0), (3, 4)),
    case("ldexp", lambda m, x: m.ldexp(x, m.tensor([1, 2, 0])), (2, 3)),
    case("cumulative_trapezoid", lambda m, x: m.cumulative_trapezoid(x, dim=0), (4, 3)),
    case("sum_to_size", lambda m, x: x.sum_to_size(1, 3), (2, 2, 3)),
    case("ctc-mean", lambda m, x: ctc(m, x), (6, 2, 4)),
    case("ctc-none", lambda m, x: ctc(m, x, reduction="none", zero_infinity=True), (6, 2, 4)),
    case(
        "ctc-row",
        lambda m, x: m.nn.functional.ctc_loss(
            x.log_softmax(-1), m.tensor([1, 1, 3]), m.tensor([5, 6]), m.tensor([0, 3]), reduction="sum"
        ),
        (6, 2, 4),
    ),
    case(
        "multilabel_margin_loss",
        lambda m, x: m.nn.functional.multilabel_margin_loss(x, m.tensor([[3, 0, -1, 1], [2, -1, 0, 3]])),
        (2, 4),
    ),
    case(
        "conv_transpose3d",
        lambda m, x, w, b: m.nn.functional.conv_transpose3d(
            x, w, b, (1, 2, 3), (0, 1, 1), (0, 1, 0), 2, (1, 2, 1)
        ),
        (2, 4, 2, 3, 2),
        (4, 3, 2, 2, 3),
        (6,),
    ),
    *[
        case(
            f"grid_sample-bicubic-{padding}-{corners}",
            lambda m, x, g, padding=padding, corners=corners: m.nn.functional.grid_sample(
                x, g, "bicubic", padding, corners
            ),
            (2, 2, 4, 5),
            (2, 3, 3, 2),
        )
        for padding in ("zeros", "border", "reflection")
        for corners in (True, False)
    ],
    case("pdist", lambda m, x: m.nn.functional.pdist(x, 3.0), (4, 3)),
    case("gradient", lambda m, x: m.gradient(x, spacing=0.5, dim=1, edge_order=2)[0], (3, 5)),
    case(
        "gradient-places", lambda m, x: m.gradient(x, spacing=[m.tensor([0.0, 1.0, 3.0])], dim=0)[0], (3, 5)
    ),
    case(
        "antialias-bilinear",
        lambda m, x: m.nn.functional.interpolate(x, (3, 5), mode="bilinear", antialias=True),
        (1, 2, 8, 7),
    ),
    case(
        "antialias-bicubic",
        lambda m, x: m.nn.functional.interpolate(x, scale_factor=0.4, mode="bicubic", antialias=True),
        (1, 2, 9, 10),
    ),
]


@pytest.mark.parametrize("fn, shapes, positive", CASES)
def test_composed(fn: Callable, shapes: tuple, positive: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [clew.tensor(a, requires_grad=True) for a in arrays]
    torch.set_default_dtype(torch.float64)
    try:
        want = fn(torch, *theirs)
    finally:
        torch.set_default_dtype(torch.float32)
    clew.set_default_dtype(clew.float64)
    try:
        got = fn(clew, *ours)
        assert tuple(got.shape) == tuple(want.shape)
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-12)
        cotangent = rng.standard_normal(tuple(want.shape))
        want.backward(torch.tensor(cotangent))
        got.backward(clew.tensor(cotangent))
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-11)
        assert clew.autograd.gradgradcheck(
            lambda *xs: fn(clew, *xs), [x.detach().requires_grad_() for x in ours]
        )
    finally:
        clew.set_default_dtype(clew.float32)


def test_ctc_without_an_alignment() -> None:
    log_probs = clew.zeros(2, 1, 3).log_softmax(-1).requires_grad_()
    args = (clew.tensor([[1, 1]]), [2], [2])  # equal labels need three steps
    assert clew.nn.functional.ctc_loss(log_probs, *args).item() == float("inf")
    loss = clew.nn.functional.ctc_loss(log_probs, *args, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and not log_probs.grad.any()


D = [
    ("Laplace", (0.3, 1.5), 0.7),
    ("Cauchy", (0.3, 1.5), 0.7),
    ("Gumbel", (0.3, 1.5), 0.7),
    ("HalfNormal", (1.5,), 0.7),
    ("Exponential", (1.5,), 0.7),
    ("Gamma", (2.5, 1.5), 0.7),
    ("Chi2", (3.0,), 0.7),
    ("Beta", (2.0, 3.5), 0.7),
    ("StudentT", (4.0, 0.3, 1.5), 0.7),
    ("Poisson", (2.5,), 3.0),
    ("Geometric", (0.3,), 3.0),
    ("LogNormal", (0.3, 0.5), 0.7),
]


@pytest.mark.parametrize("name, args, value", D, ids=[d[0] for d in D])
def test_distribution(name: str, args: tuple, value: float) -> None:
    given = [torch.tensor(a) for a in args]
    want = getattr(torch.distributions, name)(*given)
    got = getattr(clew.distributions, name)(*[clew.tensor(a) for a in args])
    for what in ("mean", "variance"):
        expected = float(getattr(want, what))
        np.testing.assert_allclose(float(getattr(got, what)), expected, rtol=1e-5, equal_nan=True)
    np.testing.assert_allclose(
        got.log_prob(clew.tensor(value)).item(), float(want.log_prob(torch.tensor(value))), rtol=1e-5
    )
    if name not in ("StudentT", "Poisson"):
        np.testing.assert_allclose(got.entropy().item(), float(want.entropy()), rtol=1e-5)
    clew.manual_seed(0)
    drawn = got.sample((20000,))
    assert drawn.shape == (20000,) and not drawn.requires_grad
    clew.manual_seed(0)
    assert clew.equal(drawn, got.sample((20000,)))
    if name != "Cauchy":
        error = float(want.stddev) / 20000**0.5
        assert abs(drawn.mean().item() - float(want.mean)) < 5 * error


def test_vector_distributions() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 3)).astype(np.float32)
    cov, loc = a @ a.T + np.eye(3, dtype=np.float32), np.array([1.0, -1.0, 0.5], dtype=np.float32)
    x = rng.standard_normal((4, 3)).astype(np.float32)

    def check(m: Any) -> list:
        d = m.distributions
        p = d.MultivariateNormal(m.tensor(loc), m.tensor(cov))
        q = d.MultivariateNormal(m.zeros(3), scale_tril=m.eye(3))
        mixture = d.MixtureSameFamily(
            d.Categorical(m.tensor([0.2, 0.8])), d.Normal(m.tensor([0.0, 1.0]), m.tensor([1.0, 2.0]))
        )
        dirichlet = d.Dirichlet(m.tensor([1.0, 2.0, 3.0]))
        tanh = d.TransformedDistribution(
            d.Normal(m.zeros(2), m.ones(2)),
            [d.transforms.AffineTransform(0.1, 2.0), d.transforms.TanhTransform()],
        )
        hot = d.OneHotCategorical(m.tensor([0.2, 0.8]))
        values = [
            p.log_prob(m.tensor(x)),
            p.entropy(),
            d.kl_divergence(p, q),
            p.precision_matrix,
            mixture.log_prob(m.tensor(0.4)),
            mixture.variance,
            dirichlet.log_prob(m.tensor([0.2, 0.3, 0.5])),
            dirichlet.entropy(),
            tanh.log_prob(m.tensor([0.3, -0.5])),
            hot.log_prob(m.tensor([0.0, 1.0])),
            d.kl_divergence(d.Gamma(m.tensor(2.0), 1.0), d.Gamma(m.tensor(3.0), 1.5)),
            d.kl_divergence(d.Beta(m.tensor(2.0), 1.0), d.Beta(m.tensor(3.0), 1.5)),
            d.kl_divergence(d.Laplace(m.tensor(2.0), 1.0), d.Laplace(m.tensor(3.0), 1.5)),
        ]
        return [np.asarray(v.detach()) for v in values]

    for got, want in zip(check(clew), check(torch), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-5)
    clew.manual_seed(0)
    d = clew.distributions.MultivariateNormal(clew.tensor(loc), clew.tensor(cov))
    np.testing.assert_allclose(np.cov(d.sample((50000,)).numpy().T), cov, atol=0.15)
    assert clew.distributions.OneHotCategorical(clew.ones(3)).sample((5,)).sum(-1).tolist() == [1.0] * 5


def test_shifts() -> None:
    a = [[1, 5, -7], [2, 0, 3]]
    for f in (lambda t: t << 2, lambda t: t >> 1, lambda t: 1 << t.abs(), lambda t: t << t.abs()):
        assert f(clew.tensor(a)).tolist() == f(torch.tensor(a)).tolist()
    t = clew.tensor(a)
    same = t
    t <<= 1
    assert t is same and t.tolist() == [[2, 10, -14], [4, 0, 6]]


def test_windows() -> None:
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for n, periodic in ((1, True), (7, True), (8, False)):
            got = getattr(clew, f"{name}_window")(n, periodic)
            want = getattr(torch, f"{name}_window")(n, periodic)
            np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-6)


def test_function_transforms() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))

    def values(m: Any) -> list:
        f = m.func
        a, b = m.tensor(w), m.tensor(x)

        def loss(p: Any, row: Any) -> Any:
            return (p["w"] @ row).sin().square().sum()

        p = {"w": a}
        layer = m.nn.Linear(2, 3, bias=False, dtype=m.float64)
        return [
            f.grad(loss)(p, b[0])["w"],
            f.vmap(f.grad(loss), in_dims=(None, 0))(p, b)["w"],
            f.jacrev(lambda v: (a @ v).exp())(b[1]),
            f.hessian(lambda v: (a @ v).exp().sum())(b[1]),
            f.jvp(lambda v: (a @ v).tanh(), (b[0],), (b[1],))[1],
            f.vjp(lambda v: (a @ v).tanh(), b[0])[1](a[:, 0])[0],
            f.grad_and_value(lambda u, v: (u * v).sum(), argnums=(0, 1))(b[0], b[1])[0][1],
            f.linearize(lambda v: v**3, b[2])[1](b[3]),
            f.functional_call(layer, {"weight": a}, (b,)),
            m.vmap(lambda u, v: u * v, in_dims=(0, 1), out_dims=1)(b, b.T),
        ]

    for got, want in zip(values(clew), values(torch), strict=True):
        assert not got.requires_grad or want.requires_grad
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9)


def test_spectral_norm_as_pytorch_has_it() -> None:
    ours, theirs = (
        clew.nn.utils.spectral_norm(clew.nn.Linear(5, 4)),
        torch.nn.utils.spectral_norm(torch.nn.Linear(5, 4)),
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    for _ in range(2):
        got, want = ours(clew.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-6)
    got.square().sum().backward()
    want.square().sum().backward()
    np.testing.assert_allclose(
        ours.weight_orig.grad.numpy(), theirs.weight_orig.grad.numpy(), rtol=1e-3, atol=1e-5
    )
