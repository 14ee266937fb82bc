"""More distributions over numbers and vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import clew
from clew import Tensor
from clew._composed import _host_generator
from clew.distributions._base import Distribution, _tensors
from clew.distributions._discrete import Categorical

__all__ = [
    "Beta",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Laplace",
    "MixtureSameFamily",
    "MultivariateNormal",
    "OneHotCategorical",
    "Poisson",
    "StudentT",
]


def _positive_uniform(shape: Sequence[int], like: Tensor) -> Tensor:
    """Uniform numbers in (0, 1): a logarithm of them is finite."""
    return clew.rand(shape, dtype=like.dtype).clamp(
        clew.finfo(like.dtype).tiny, 1 - clew.finfo(like.dtype).eps
    )


def _standard_gamma(shape: Sequence[int], concentration: Tensor) -> Tensor:
    alpha = concentration.detach().expand(shape).to(clew.float64).numpy()
    drawn = np.asarray(_host_generator().standard_gamma(alpha))
    return clew.from_numpy(drawn.reshape(alpha.shape)).to(concentration.dtype)


class _LocScale(Distribution):
    """A fixed shape, moved and stretched."""

    has_rsample = True
    _shown = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = _tensors(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._check("scale", self.scale, self.scale > 0, "> 0")

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distribution for a larger batch."""
        return type(self)(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self._validate)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(_positive_uniform(self._extended_shape(sample_shape), self.loc))


class Laplace(_LocScale):
    """The Laplace distribution.

        p(x) = exp(-|x - loc| / scale) / (2 * scale)

    Args:
        loc: the mean, a number or tensor.
        scale: positive.
        validate_args: whether arguments are checked; None means yes.
    Example:
        >>> round(clew.distributions.Laplace(0.0, 1.0).log_prob(clew.tensor(1.0)).item(), 4)
        -1.6931
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()

    def cdf(self, value: Tensor) -> Tensor:
        x = value - self.loc
        return 0.5 - 0.5 * x.sign() * clew.expm1(-x.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()


class Cauchy(_LocScale):
    """The Cauchy distribution, which has no mean.

        p(x) = 1 / (pi * scale * (1 + ((x - loc) / scale)^2))

    Args:
        loc: the median, a number or tensor.
        scale: half the width at half the height.
        validate_args: whether arguments are checked; None means yes.
    """

    @property
    def mean(self) -> Tensor:
        return clew.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        return clew.full_like(self.loc, math.inf)

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (z * z).log1p()

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc


class Gumbel(_LocScale):
    """The Gumbel distribution, of the largest of many.

        p(x) = exp(-z - exp(-z)) / scale, z = (x - loc) / scale

    Args:
        loc: where it is highest, a number or tensor.
        scale: positive.
        validate_args: whether arguments are checked; None means yes.
    """

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * 0.57721566490153286060

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale * (math.pi**2 / 6)

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -z - (-z).exp() - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + 1 + 0.57721566490153286060

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * (-value.log()).log()


class HalfNormal(Distribution):
    """The absolute value of a normal number with mean 0.

    Args:
        scale: the deviation of that number, a number or tensor.
        validate_args: whether arguments are checked; None means yes.
    """

    has_rsample = True
    _shown = ("scale",)

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = _tensors(scale)
        super().__init__(self.scale.shape, (), validate_args)
        self._check("scale", self.scale, self.scale > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return (clew.randn(self._extended_shape(sample_shape), dtype=self.scale.dtype) * self.scale).abs()

    def log_prob(self, value: Tensor) -> Tensor:
        z = value / self.scale
        inside = -(z * z) / 2 - self.scale.log() + 0.5 * math.log(2 / math.pi)
        return inside.masked_fill(value < 0, -math.inf)

    def entropy(self) -> Tensor:
        return 0.5 * math.log(math.pi / 2) + 0.5 + self.scale.log()


class Exponential(Distribution):
    """The exponential distribution.

        p(x) = rate * exp(-rate * x), x >= 0

    Args:
        rate: positive, a number or tensor.
        validate_args: whether arguments are checked; None means yes.
    Example:
        >>> clew.distributions.Exponential(2.0).mean.item()
        0.5
    """

    has_rsample = True
    _shown = ("rate",)

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = _tensors(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self._check("rate", self.rate, self.rate > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return 1 / self.rate

    @property
    def variance(self) -> Tensor:
        return self.rate**-2

    def expand(self, batch_shape: Sequence[int]) -> Exponential:
        """The same distribution for a larger batch."""
        return Exponential(self.rate.expand(batch_shape), self._validate)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return -_positive_uniform(self._extended_shape(sample_shape), self.rate).log() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._check("value", value, value >= 0, ">= 0")
        return self.rate.log() - self.rate * value

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()

    def cdf(self, value: Tensor) -> Tensor:
        return -clew.expm1(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        return -(-value).log1p() / self.rate


class Gamma(Distribution):
    """The gamma distribution.

        p(x) = rate^a * x^(a - 1) * exp(-rate * x) / Gamma(a), a = concentration

    Samples have no gradient.

    Args:
        concentration, rate: positive, numbers or tensors.
        validate_args: whether arguments are checked; None means yes.
    Example:
        >>> clew.distributions.Gamma(2.0, 4.0).mean.item()
        0.5
    """

    _shown = ("concentration", "rate")

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = _tensors(concentration, rate)
        super().__init__(self.rate.shape, (), validate_args)
        self._check("concentration", self.concentration, self.concentration > 0, "> 0")
        self._check("rate", self.rate, self.rate > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = _standard_gamma(self._extended_shape(sample_shape), self.concentration)
        return drawn.clamp(min=clew.finfo(drawn.dtype).tiny) / self.rate.detach()

    def log_prob(self, value: Tensor) -> Tensor:
        self._check("value", value, value >= 0, ">= 0")
        a = self.concentration
        return clew.xlogy(a, self.rate) + clew.xlogy(a - 1, value) - self.rate * value - a.lgamma()

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()


class Chi2(Gamma):
    """The chi-squared distribution: the sum of `df` squares of normal numbers.

    Args:
        df: degrees of freedom, a number or tensor.
        validate_args: whether arguments are checked; None means yes.
    """

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (half,) = _tensors(df)
        super().__init__(half * 0.5, 0.5, validate_args)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2


class Dirichlet(Distribution):
    """The Dirichlet distribution over probabilities.

        p(x) = prod_i x_i^(a_i - 1) * Gamma(sum a) / prod Gamma(a_i)

    Samples have no gradient.

    Args:
        concentration: a, positive, shape (*, n).
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: no dimension, or a value that is not positive.
    """

    _shown = ("concentration",)

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("Dirichlet: expected concentration with at least one dimension, got none")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)
        self._check("concentration", concentration, concentration > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.mean * (1 - self.mean) / (total + 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = _standard_gamma(self._extended_shape(sample_shape), self.concentration)
        drawn = drawn.clamp(min=clew.finfo(drawn.dtype).tiny)
        return drawn / drawn.sum(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        a = self.concentration
        return clew.xlogy(a - 1, value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self) -> Tensor:
        a = self.concentration
        total, n = a.sum(-1), a.shape[-1]
        return (
            a.lgamma().sum(-1)
            - total.lgamma()
            - (n - total) * total.digamma()
            - ((a - 1) * a.digamma()).sum(-1)
        )


class Beta(Distribution):
    """The beta distribution over probabilities.

        p(x) = x^(a - 1) * (1 - x)^(b - 1) / B(a, b)

    Samples have no gradient.

    Args:
        concentration1, concentration0: a and b, positive, numbers or tensors.
        validate_args: whether arguments are checked; None means yes.
    Example:
        >>> clew.distributions.Beta(1.0, 3.0).mean.item()
        0.25
    """

    _shown = ("concentration1", "concentration0")

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = _tensors(concentration1, concentration0)
        self._both = Dirichlet(clew.stack([self.concentration1, self.concentration0], -1), validate_args)
        super().__init__(self.concentration1.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total * total * (total + 1))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._both.sample(sample_shape).select(-1, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._both.log_prob(clew.stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._both.entropy()


class StudentT(Distribution):
    """Student's t distribution.

    Args:
        df: degrees of freedom, positive, a number or tensor.
        loc: the mean.
        scale: positive.
        validate_args: whether arguments are checked; None means yes.
    """

    _shown = ("df", "loc", "scale")

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = _tensors(df, loc, scale)
        super().__init__(self.df.shape, (), validate_args)
        self._check("df", self.df, self.df > 0, "> 0")
        self._check("scale", self.scale, self.scale > 0, "> 0")

    @property
    def mean(self) -> Tensor:
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def variance(self) -> Tensor:
        spread = self.scale * self.scale * self.df / (self.df - 2)
        return spread.masked_fill(self.df <= 2, math.inf).masked_fill(self.df <= 1, math.nan)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        chi2 = 2 * _standard_gamma(shape, self.df / 2)
        noise = clew.randn(shape, dtype=self.df.dtype)
        return (self.loc + self.scale * noise * (chi2 / self.df).rsqrt()).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        half = 0.5 * (self.df + 1)
        start = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        start = start + (0.5 * self.df).lgamma() - half.lgamma()
        return -half * (z * z / self.df).log1p() - start


class Poisson(Distribution):
    """The Poisson distribution.

        P(k) = rate^k * exp(-rate) / k!

    Args:
        rate: not negative, a number or tensor.
        validate_args: whether arguments are checked; None means yes.
    """

    _shown = ("rate",)

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = _tensors(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self._check("rate", self.rate, self.rate >= 0, ">= 0")

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return clew.poisson(self.rate.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        return clew.xlogy(value, self.rate) - self.rate - (value + 1).lgamma()


class Geometric(Distribution):
    """How many trials fail before the first success.

        P(k) = (1 - probs)^k * probs

    Args:
        probs: of success, in (0, 1], a number or tensor.
        logits: log(probs / (1 - probs)); give one of the two.
        validate_args: whether arguments are checked; None means yes.
    """

    _shown = ("probs",)

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(
                f"Geometric: expected probs or logits, got {'neither' if probs is None else 'both'}"
            )
        (given,) = _tensors(probs if logits is None else logits)
        self.probs = given if logits is None else given.sigmoid()
        super().__init__(given.shape, (), validate_args)
        self._check("probs", self.probs, (self.probs > 0) & (self.probs <= 1), "in (0, 1]")

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = _positive_uniform(self._extended_shape(sample_shape), self.probs)
        return (u.log() / (-self.probs.detach()).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        return clew.xlogy(value, 1 - self.probs) + self.probs.log()

    def entropy(self) -> Tensor:
        p = self.probs
        return -(clew.xlogy(1 - p, 1 - p) + clew.xlogy(p, p)) / p


class OneHotCategorical(Distribution):
    """A class, as a vector with a one in its place.

    Args:
        probs: shape (*, n), not negative; they are divided by their sum.
        logits: logarithms of them; give one of the two.
        validate_args: whether arguments are checked; None means yes.
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        n = self._categorical.probs.shape[-1:]
        super().__init__(self._categorical.batch_shape, n, validate_args)

    @property
    def probs(self) -> Tensor:
        """Probabilities of the classes."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = self._categorical.sample(sample_shape)
        return clew.nn.functional.one_hot(drawn, self.event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()


class MultivariateNormal(Distribution):
    """The normal distribution of vectors.

        p(x) = exp(-(x - loc)^T C^-1 (x - loc) / 2) / sqrt((2 pi)^n det C)

    Args:
        loc: the mean, shape (*, n).
        covariance_matrix: C, positive definite, shape (*, n, n).
        precision_matrix: its inverse.
        scale_tril: its Cholesky factor; give one of the three.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: none or several of the three, or a mean without dimension.
    Example:
        >>> d = clew.distributions.MultivariateNormal(clew.zeros(2), clew.eye(2))
        >>> round(d.log_prob(clew.zeros(2)).item(), 4)
        -1.8379
    """

    has_rsample = True
    _shown = ("loc", "scale_tril")

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1 or loc.dim() < 1:
            raise ValueError(
                "MultivariateNormal: expected a mean of at least one dimension and one of covariance_matrix, "
                f"precision_matrix and scale_tril, got shape {tuple(loc.shape)} and {len(given)}"
            )
        n = loc.shape[-1]
        if scale_tril is None:
            whole = given[0] if precision_matrix is None else clew.linalg.inv(given[0])
            scale_tril = clew.linalg.cholesky(whole)
        batch = clew.broadcast_shapes(loc.shape[:-1], scale_tril.shape[:-2])
        self.loc = loc.expand(*batch, n)
        self.scale_tril = scale_tril.expand(*batch, n, n)
        super().__init__(batch, (n,), validate_args)

    @property
    def covariance_matrix(self) -> Tensor:
        """C."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of C."""
        return clew.cholesky_inverse(self.scale_tril)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = clew.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        x = (value - self.loc).unsqueeze(-1)
        factor = self.scale_tril.expand(*x.shape[:-2], *self.scale_tril.shape[-2:])
        z = clew.linalg.solve_triangular(factor, x, upper=False)
        n = self.event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + z.square().sum((-2, -1))) - self._half_log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()


class MixtureSameFamily(Distribution):
    """A distribution chosen by chance among those of a batch.

    Args:
        mixture_distribution: a Categorical over the last dimension of the batch.
        component_distribution: the batch.
        validate_args: whether arguments are checked; None means yes.
    Raises:
        ValueError: the numbers of classes and of components differ.
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        self.mixture_distribution = mixture_distribution
        self.component_distribution = component_distribution
        count = component_distribution.batch_shape[-1] if component_distribution.batch_shape else 0
        if mixture_distribution.probs.shape[-1] != count:
            raise ValueError(
                f"MixtureSameFamily: expected {mixture_distribution.probs.shape[-1]} components, got {count}"
            )
        super().__init__(
            component_distribution.batch_shape[:-1], component_distribution.event_shape, validate_args
        )

    def _weights(self) -> Tensor:
        probs = self.mixture_distribution.probs
        return probs.reshape(*probs.shape, *(1,) * len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        dim = -1 - len(self.event_shape)
        return (self._weights() * self.component_distribution.mean).sum(dim)

    @property
    def variance(self) -> Tensor:
        dim = -1 - len(self.event_shape)
        means = self.component_distribution.mean
        spread = self.component_distribution.variance + (means - self.mean.unsqueeze(dim)).square()
        return (self._weights() * spread).sum(dim)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        dim = len(sample_shape) + len(self.batch_shape)
        drawn = self.component_distribution.sample(sample_shape)
        which = self.mixture_distribution.sample(sample_shape)
        which = which.reshape(*which.shape, 1, *(1,) * len(self.event_shape))
        which = which.expand(*which.shape[: dim + 1], *self.event_shape)
        return drawn.gather(dim, which).squeeze(dim)

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.unsqueeze(-1 - len(self.event_shape))
        parts = self.component_distribution.log_prob(value)
        return (parts + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)
