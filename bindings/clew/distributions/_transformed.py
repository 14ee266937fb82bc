"""Distributions of functions of random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import clew
from clew import Tensor
from clew.distributions._base import Distribution
from clew.distributions._continuous import Normal
from clew.distributions._independent import _sum_last
from clew.distributions.transforms import ExpTransform, Transform

__all__ = ["LogNormal", "TransformedDistribution"]


class TransformedDistribution(Distribution):
    """What becomes of a distribution when transforms are applied to its values.

        log p(y) = log p_base(x) - sum log |dy/dx|

    Args:
        base_distribution: of x.
        transforms: one, or a list in the order in which they apply.
        validate_args: whether arguments are checked; None means yes.
    Example:
        >>> D = clew.distributions
        >>> d = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.transforms.ExpTransform()])
        >>> round(d.log_prob(clew.tensor(1.0)).item(), 4)
        -0.9189
    """

    def __init__(
        self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None
    ) -> None:
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        super().__init__(base_distribution.batch_shape, base_distribution.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the base distribution has differentiable samples."""
        return self.base_dist.has_rsample

    def _forward(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with clew.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        total: Any = 0.0
        y = value
        for transform in reversed(self.transforms):
            x = transform._inverse_of(y)
            stretch = transform.log_abs_det_jacobian(x, y)
            total = total - _sum_last(stretch, len(self.event_shape) - transform.event_dim)
            y = x
        return self.base_dist.log_prob(y) + total

    def cdf(self, value: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform._inverse_of(value)
        return self.base_dist.cdf(value)

    def icdf(self, value: Tensor) -> Tensor:
        return self._forward(self.base_dist.icdf(value))


class LogNormal(TransformedDistribution):
    """exp of a normal number.

    Args:
        loc, scale: mean and deviation of the logarithm, numbers or tensors.
        validate_args: whether arguments are checked; None means yes.
    """

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """Mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """Deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def variance(self) -> Tensor:
        s = self.scale**2
        return clew.expm1(s) * (2 * self.loc + s).exp()

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc
