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


def _modules() -> None:
    """The classes under the names of the modules that PyTorch keeps them in, as in `normal.Normal`."""
    import re
    import sys
    import types

    classes = [name for name in __all__ if name[0].isupper()]
    places = {name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in classes}
    places |= {"StudentT": "studentT", "Chi2": "chi2", "kl_divergence": "kl", "register_kl": "kl"}
    for name, place in places.items():
        path = f"{__name__}.{place}"
        module = sys.modules.setdefault(path, types.ModuleType(path, f"Where {name} is kept in PyTorch."))
        setattr(module, name, globals()[name])
        globals()[place] = module


_modules()


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("distributions", name)
