"""Layers, losses and containers: `clew.nn.Module` and what is built from it."""

from __future__ import annotations

from typing import Any

from clew.nn import attention, functional, init, utils
from clew.nn.modules import *
from clew.nn.modules import __all__ as _layers
from clew.nn.parameter import Buffer, Parameter, UninitializedParameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedParameter",
    "attention",
    "functional",
    "init",
    "utils",
    *_layers,
]


def __getattr__(name: str) -> Any:
    if name == "parallel":
        import importlib

        return importlib.import_module("clew.nn.parallel")
    if name == "DataParallel":
        from clew.nn.parallel import DataParallel

        return DataParallel
    from clew._missing import missing

    raise missing("nn", name)
