"""Probability distributions: samples, log-probabilities, entropies, divergences."""

from __future__ import annotations

from typing import Any

from clew.distributions._base import Distribution
from clew.distributions._continuous import Normal, Uniform
from clew.distributions._discrete import Bernoulli, Categorical
from clew.distributions._independent import Independent
from clew.distributions._kl import kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Independent",
    "Normal",
    "Uniform",
    "kl_divergence",
    "register_kl",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("distributions", name)
