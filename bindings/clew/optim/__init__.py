"""Optimizers, and learning-rate schedules in `lr_scheduler`."""

from __future__ import annotations

from typing import Any

from clew.optim import lr_scheduler, swa_utils
from clew.optim.adam import Adam, AdamW
from clew.optim.adaptive import Adadelta, Adagrad, Adamax, NAdam, RAdam, RMSprop, Rprop
from clew.optim.lbfgs import LBFGS
from clew.optim.optimizer import Optimizer
from clew.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("optim", name)
