"""Distributions over classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import clew
from clew import Tensor
from clew.distributions._base import Distribution, _tensors

__all__ = ["Bernoulli", "Categorical"]


def _one_of(name: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: expected probs or logits, got {'neither' if probs is None else 'both'}")


class Bernoulli(Distribution):
    """One with probability `probs`, else zero.

    Args:
        probs: probability of one, in [0, 1].
        logits: log(probs / (1 - probs)); give one of the two.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: both or neither given, or a probability outside [0, 1].
    Example:
        >>> clew.distributions.Bernoulli(0.25).mean.item()
        0.25
    """

    _shown = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        _one_of("Bernoulli", probs, logits)
        self._from_probs = logits is None
        (given,) = _tensors(probs if logits is None else logits)
        super().__init__(given.shape, (), validate_args)
        if self._from_probs:
            self.probs = given
            self._check("probs", given, (given >= 0) & (given <= 1), "in [0, 1]")
        else:
            self.logits = given

    def __getattr__(self, name: str) -> Tensor:
        # The other form of the parameter is computed when it is asked for.
        if name == "logits" and "probs" in self.__dict__:
            eps = clew.finfo(self.probs.dtype).eps
            p = self.probs.clamp(eps, 1 - eps)
            self.logits = p.log() - (-p).log1p()
        elif name == "probs" and "logits" in self.__dict__:
            self.probs = self.logits.sigmoid()
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__[name]

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with clew.no_grad():
            return clew.bernoulli(self.probs.detach().expand(self._extended_shape(sample_shape)).contiguous())

    def log_prob(self, value: Tensor) -> Tensor:
        self._check("value", value, (value == 0) | (value == 1), "0 or 1")
        logits = self.logits
        value = value.to(logits.dtype).expand((value + logits.detach()).shape)
        loss = clew.nn.functional.binary_cross_entropy_with_logits
        return -loss(logits.expand(value.shape), value, reduction="none")

    def entropy(self) -> Tensor:
        loss = clew.nn.functional.binary_cross_entropy_with_logits
        return loss(self.logits, self.probs, reduction="none")


class Categorical(Distribution):
    """Class i of 0 ... K - 1 with probability probs[..., i].

    Args:
        probs: shape (*, K), not negative; scaled so that each row sums to 1.
        logits: unnormalised log-probabilities; give one of the two.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: both or neither given, or negative probabilities.
    Example:
        >>> d = clew.distributions.Categorical(probs=clew.tensor([1.0, 3.0]))
        >>> round(d.log_prob(clew.tensor(1)).exp().item(), 4)
        0.75
    """

    _shown = ("probs", "logits")

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        _one_of("Categorical", probs, logits)
        given = probs if logits is None else logits
        if given.dim() < 1:
            raise ValueError("Categorical: expected one or more dimensions, got none")
        super().__init__(given.shape[:-1], (), validate_args)
        if logits is None:
            self._check("probs", given, given >= 0, ">= 0")
            self.probs = given / given.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]

    def __getattr__(self, name: str) -> Tensor:
        if name == "logits" and "probs" in self.__dict__:
            eps = clew.finfo(self.probs.dtype).eps
            self.logits = self.probs.clamp(eps, 1 - eps).log()
        elif name == "probs" and "logits" in self.__dict__:
            self.probs = self.logits.softmax(-1)
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__[name]

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        count = 1
        for n in sample_shape:
            count *= n
        with clew.no_grad():
            rows = self.probs.detach().reshape(-1, self._num_events)
            return clew.multinomial(rows, count, True).t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check("value", value, (value >= 0) & (value < self._num_events), f"in [0, {self._num_events})")
        logits, value = self.logits, value.long().unsqueeze(-1)
        shape = (value[..., :1] + logits.detach()[..., :1]).shape[:-1]
        logits = logits.expand((*shape, self._num_events))
        return logits.gather(-1, value.expand((*shape, 1))).squeeze(-1)

    def entropy(self) -> Tensor:
        smallest = clew.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=smallest) * self.probs).sum(-1)
