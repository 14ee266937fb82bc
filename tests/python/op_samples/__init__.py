"""Sample inputs of every registered op, one module per family of ops."""

from . import conv, creation, index, linalg, loss, norm, pointwise, random, reduce, rnn, shape, sort
from .core import SAMPLES

__all__ = [
    "SAMPLES",
    "conv",
    "creation",
    "index",
    "linalg",
    "loss",
    "norm",
    "pointwise",
    "random",
    "reduce",
    "rnn",
    "shape",
    "sort",
]
