"""Optimizers: `SGD`, `Adam`, `AdamW`, and learning-rate schedules in `lr_scheduler`."""

from __future__ import annotations

from typing import Any

from clew.optim import lr_scheduler
from clew.optim.adam import Adam, AdamW
from clew.optim.optimizer import Optimizer
from clew.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("optim", name)
