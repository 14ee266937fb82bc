"""Modules as functions of their parameters, by its earlier name."""

from __future__ import annotations

from typing import Any

from clew.func import functional_call

__all__ = ["functional_call"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.utils.stateless", name)
