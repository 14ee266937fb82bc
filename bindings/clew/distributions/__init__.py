"""Probability distributions: samples, log-probabilities, entropies, divergences."""

from __future__ import annotations

from typing import Any

from clew.distributions import transforms
from clew.distributions._base import Distribution
from clew.distributions._continuous import Normal, Uniform
from clew.distributions._discrete import Bernoulli, Categorical
from clew.distributions._families import (
    Beta,
    Cauchy,
    Chi2,
    Dirichlet,
    Exponential,
    Gamma,
    Geometric,
    Gumbel,
    HalfNormal,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    OneHotCategorical,
    Poisson,
    StudentT,
)
from clew.distributions._independent import Independent
from clew.distributions._kl import kl_divergence, register_kl
from clew.distributions._transformed import LogNormal, TransformedDistribution

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "kl_divergence",
    "register_kl",
    "transforms",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("distributions", name)
