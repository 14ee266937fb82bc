"""Distributions over numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import clew
from clew import Tensor
from clew.distributions._base import Distribution, _tensors

__all__ = ["Normal", "Uniform"]


class Normal(Distribution):
    """The normal distribution.

        p(x) = exp(-(x - loc)^2 / (2 * scale^2)) / (scale * sqrt(2 * pi))

    Args:
        loc: the mean, a number or tensor.
        scale: the standard deviation, positive.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: scale is not positive.
    Example:
        >>> d = clew.distributions.Normal(0.0, 1.0)
        >>> round(d.log_prob(clew.tensor(0.0)).item(), 4)
        -0.9189
    """

    has_rsample = True
    _shown = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = _tensors(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._check("scale", self.scale, self.scale > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale

    def expand(self, batch_shape: Sequence[int]) -> Normal:
        """The same distribution for a larger batch."""
        return Normal(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self._validate)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = clew.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -(z * z) / 2 - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * math.sqrt(2) * clew.erfinv(2 * value - 1)


class Uniform(Distribution):
    """The uniform distribution over [low, high).

    Args:
        low, high: the bounds, numbers or tensors.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: low >= high.
    Example:
        >>> clew.distributions.Uniform(0.0, 4.0).mean.item()
        2.0
    """

    has_rsample = True
    _shown = ("low", "high")

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = _tensors(low, high)
        super().__init__(self.low.shape, (), validate_args)
        self._check("high", self.high, self.high > self.low, "> low")

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        part = clew.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + part * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check("value", value, (value >= self.low) & (value <= self.high), "in [low, high]")
        inside = ((value >= self.low) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return self.low + value * (self.high - self.low)
