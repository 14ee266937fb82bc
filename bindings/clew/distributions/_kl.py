"""Divergences between distributions."""

from __future__ import annotations

from collections.abc import Callable

import clew
from clew import Tensor
from clew.distributions._base import Distribution
from clew.distributions._continuous import Normal, Uniform
from clew.distributions._discrete import Bernoulli, Categorical
from clew.distributions._families import Beta, Dirichlet, Exponential, Gamma, Laplace, MultivariateNormal
from clew.distributions._independent import Independent, _sum_last

__all__ = ["kl_divergence", "register_kl"]

_RULES: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable:
    """Decorates a function (p, q) that computes the divergence for two classes and their subclasses."""

    def register(function: Callable) -> Callable:
        _RULES[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence: the expected value under p of log p - log q.

    Args:
        p, q: distributions with shapes that broadcast together.
    Returns:
        Tensor of the batch shape.
    Raises:
        NotImplementedError: there is no rule for the two classes.
    Example:
        >>> D = clew.distributions
        >>> D.kl_divergence(D.Normal(1.0, 1.0), D.Normal(0.0, 1.0)).item()
        0.5
    """
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            if (a, b) in _RULES:
                return _RULES[a, b](p, q)
    raise NotImplementedError(
        f"kl_divergence: expected classes with a rule, got {type(p).__name__} and {type(q).__name__} "
        "(add one with register_kl)"
    )


@register_kl(Normal, Normal)
def _(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), float("inf"))


@register_kl(Bernoulli, Bernoulli)
def _(p: Bernoulli, q: Bernoulli) -> Tensor:
    def term(a: Tensor, b: Tensor) -> Tensor:
        value = a * (a / b).log()
        return value.masked_fill(b == 0, float("inf")).masked_fill(a == 0, 0.0)

    return term(p.probs, q.probs) + term(1 - p.probs, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = terms.masked_fill((q.probs == 0).expand(terms.shape), float("inf"))
    return terms.masked_fill((p.probs == 0).expand(terms.shape), 0.0).sum(-1)


@register_kl(Independent, Independent)
def _(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: expected as many dimensions in both Independent, got others"
        )
    return _sum_last(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Exponential, Exponential)
def _(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Gamma, Gamma)
def _(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + b.lgamma()
        - a.lgamma()
        + (a - b) * a.digamma()
        + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Laplace, Laplace)
def _(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    distance = (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


@register_kl(Dirichlet, Dirichlet)
def _(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, keepdim=True)
    return (
        a.sum(-1).lgamma()
        - b.sum(-1).lgamma()
        - (a.lgamma() - b.lgamma()).sum(-1)
        + ((a - b) * (a.digamma() - total.digamma())).sum(-1)
    )


@register_kl(Beta, Beta)
def _(p: Beta, q: Beta) -> Tensor:
    return kl_divergence(p._both, q._both)


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = p.event_shape[0]
    batch = clew.broadcast_shapes(p.batch_shape, q.batch_shape)
    factor = q.scale_tril.expand(*batch, n, n)
    spread = clew.linalg.solve_triangular(factor, p.scale_tril.expand(*batch, n, n), upper=False)
    moved = clew.linalg.solve_triangular(factor, (q.loc - p.loc).expand(*batch, n).unsqueeze(-1), upper=False)
    squares = spread.square().sum((-2, -1)) + moved.square().sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (squares - n)
