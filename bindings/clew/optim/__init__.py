"""Optimizers, and learning-rate schedules in `lr_scheduler`."""

from __future__ import annotations

from typing import Any

from clew.optim.adam import Adam, AdamW
from clew.optim.optimizer import Optimizer
from clew.optim.sgd import SGD

# Imported on first use: modules, and classes by the module that defines them.
_MODULES = ("lr_scheduler", "swa_utils")
_CLASSES = {
    "LBFGS": "lbfgs",
    **dict.fromkeys(
        ("Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop"),
        "adaptive",
    ),
}

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", *sorted(_CLASSES), *_MODULES]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _MODULES:
        return importlib.import_module(f"clew.optim.{name}")
    if name in _CLASSES:
        found = getattr(importlib.import_module(f"clew.optim.{_CLASSES[name]}"), name)
        globals()[name] = found
        return found
    from clew._missing import missing

    raise missing("optim", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
