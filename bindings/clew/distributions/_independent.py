"""Batches taken as one value."""

from __future__ import annotations

from collections.abc import Sequence

from clew import Tensor
from clew.distributions._base import Distribution

__all__ = ["Independent"]


def _sum_last(value: Tensor, count: int) -> Tensor:
    return value.sum(tuple(range(-count, 0))) if count else value


class Independent(Distribution):
    """Takes the last dimensions of a batch of distributions as parts of one value.

    Args:
        base_distribution: whose batch it is.
        reinterpreted_batch_ndims: how many of its batch dimensions.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: there are fewer batch dimensions.
    Example:
        >>> d = clew.distributions.Independent(clew.distributions.Normal(clew.zeros(2, 3), 1.0), 1)
        >>> list(d.log_prob(clew.zeros(2, 3)).shape)
        [2]
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch, count = tuple(base_distribution.batch_shape), reinterpreted_batch_ndims
        if count > len(batch):
            raise ValueError(f"Independent: expected at most {len(batch)} dimensions, got {count}")
        split = len(batch) - count
        super().__init__(batch[:split], (*batch[split:], *base_distribution.event_shape), validate_args)
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, count

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return _sum_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return _sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
