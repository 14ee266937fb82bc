"""What all distributions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import clew
from clew import Size, Tensor

__all__ = ["Distribution"]


class Distribution:
    """Base class: a distribution for each element of `batch_shape`, over values of `event_shape`.

    Args:
        batch_shape: shape of the parameters.
        event_shape: shape of one value.
        validate_args: whether parameters and values are checked; None means yes.
    """

    has_rsample = False
    _validate = True

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate = validate_args

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Sets whether distributions check their arguments unless told otherwise."""
        Distribution._validate = bool(value)

    @property
    def batch_shape(self) -> Size:
        """Shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """Shape of one value."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError(f"mean: expected {type(self).__name__} to define it, got none")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise NotImplementedError(f"variance: expected {type(self).__name__} to define it, got none")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws values of shape (*sample_shape, *batch_shape, *event_shape), without gradient."""
        with clew.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws values that are differentiable functions of the parameters."""
        raise NotImplementedError(
            f"rsample: expected differentiable samples, got {type(self).__name__} (use sample)"
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability of `value`."""
        raise NotImplementedError(f"log_prob: expected {type(self).__name__} to define it, got none")

    def entropy(self) -> Tensor:
        """The expected negative log-probability."""
        raise NotImplementedError(f"entropy: expected {type(self).__name__} to define it, got none")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to `value`."""
        raise NotImplementedError(f"cdf: expected {type(self).__name__} to define it, got none")

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError(f"icdf: expected {type(self).__name__} to define it, got none")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        if isinstance(sample_shape, int):
            raise TypeError(
                f"{type(self).__name__}: expected sample_shape as a tuple, got {sample_shape} (an int)"
            )
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def _check(self, name: str, values: Tensor, holds: Tensor, rule: str) -> None:
        if self._validate and not bool(holds.all()):
            raise ValueError(
                f"{type(self).__name__}: expected {name} {rule}, got values from {values.min().item():g} "
                f"to {values.max().item():g}"
            )

    def __repr__(self) -> str:
        names = [name for name in self._shown if name in self.__dict__]
        values = (
            f"{name}: {self.__dict__[name]}"
            if self.__dict__[name].numel() == 1
            else f"{name}: {tuple(self.__dict__[name].shape)}"
            for name in names
        )
        return f"{type(self).__name__}({', '.join(values)})"

    _shown: tuple[str, ...] = ()


def _tensors(*values: Any) -> list[Tensor]:
    """Numbers and tensors as tensors of one shape and dtype."""
    known = [v for v in values if isinstance(v, Tensor)]
    dtype = known[0].dtype if known else clew.get_default_dtype()
    tensors = [v if isinstance(v, Tensor) else clew.tensor(float(v), dtype=dtype) for v in values]
    total = tensors[0]
    for t in tensors[1:]:
        total = total.detach() + t.detach()
    return [t.expand(total.shape) for t in tensors]
