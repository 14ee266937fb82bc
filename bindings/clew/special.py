"""Special functions under the names of `torch.special`.

>>> import clew
>>> clew.special.expit is clew.sigmoid
True
"""

from __future__ import annotations

from typing import Any

from clew import _C

Tensor = _C.Tensor
_f = _C.functions

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]

digamma = psi = _f.digamma
erf = _f.erf
erfc = _f.erfc
erfinv = _f.erfinv
exp2 = _f.exp2
expit = _f.sigmoid
expm1 = _f.expm1
gammaln = _f.lgamma
log1p = _f.log1p
log_softmax = _f.log_softmax
logit = _f.logit
logsumexp = _f.logsumexp
polygamma = _f.polygamma
round = _f.round
sinc = _f.sinc
softmax = _f.softmax
xlogy = _f.xlogy


def entr(input: Tensor) -> Tensor:
    """-x ln(x), 0 at 0 and -inf below.

    Example:
        >>> clew.special.entr(clew.tensor([-1.0])).tolist()
        [-inf]
    """
    return (-_f.xlogy(input, input)).masked_fill(input < 0, float("-inf"))


def xlog1py(input: Tensor, other: Tensor) -> Tensor:
    """x ln(1 + y), and 0 where x is 0.

    Example:
        >>> clew.special.xlog1py(clew.tensor([0.0]), clew.tensor([-1.0])).tolist()
        [0.0]
    """
    y = input * _f.log1p(other)
    return y.masked_fill((input == 0) & ~_f.isnan(other), 0.0)


def ndtr(input: Tensor) -> Tensor:
    """Distribution function of the standard normal distribution.

    Example:
        >>> clew.special.ndtr(clew.tensor(0.0)).item()
        0.5
    """
    return _f.erfc(input * -(0.5**0.5)) * 0.5


def log_ndtr(input: Tensor) -> Tensor:
    """Logarithm of `ndtr`; -inf where that underflows.

    Example:
        >>> round(clew.special.log_ndtr(clew.tensor(0.0)).item(), 4)
        -0.6931
    """
    return _f.log(ndtr(input))


def ndtri(input: Tensor) -> Tensor:
    """Inverse of `ndtr`.

    Example:
        >>> clew.special.ndtri(clew.tensor(0.5)).item()
        0.0
    """
    return _f.erfinv(input * 2 - 1) * 2**0.5


def multigammaln(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension `p`.

    Example:
        >>> clew.special.multigammaln(clew.tensor(1.0), 1).item()
        0.0
    """
    if p < 1:
        raise ValueError(f"multigammaln: expected p >= 1, got {p}")
    shifts = _f.arange(p, dtype=input.dtype) * -0.5
    return _f.lgamma(input.unsqueeze(-1) + shifts).sum(-1) + 0.25 * p * (p - 1) * 1.1447298858494002


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("clew.special", name)
