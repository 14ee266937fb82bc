"""Sample inputs of every registered op, one module per family of ops."""

from . import (
    arrange,
    conv,
    creation,
    index,
    linalg,
    loss,
    norm,
    pointwise,
    products,
    random,
    reduce,
    rnn,
    shape,
    solve,
    sort,
    special,
    statistics,
)
from .core import SAMPLES

__all__ = [
    "SAMPLES",
    "arrange",
    "conv",
    "creation",
    "index",
    "linalg",
    "loss",
    "norm",
    "pointwise",
    "products",
    "random",
    "reduce",
    "rnn",
    "shape",
    "solve",
    "sort",
    "special",
    "statistics",
]
