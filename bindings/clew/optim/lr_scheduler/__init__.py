"""Learning-rate schedules: call `step()` after each epoch, or after each batch."""

from __future__ import annotations

from typing import Any

from clew.optim.lr_scheduler._base import LRScheduler
from clew.optim.lr_scheduler._combined import ChainedScheduler, SequentialLR
from clew.optim.lr_scheduler._cyclic import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from clew.optim.lr_scheduler._factor import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from clew.optim.lr_scheduler._plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # old spelling, same object

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("optim.lr_scheduler", name)
