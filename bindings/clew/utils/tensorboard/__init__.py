"""Event files for TensorBoard."""

from __future__ import annotations

from typing import Any

from clew.utils.tensorboard._writer import SummaryWriter

__all__ = ["SummaryWriter"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("utils.tensorboard", name)
