"""Helpers for tests: comparing tensors, making them."""

from __future__ import annotations

from typing import Any

from clew.testing._comparison import assert_allclose, assert_close
from clew.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("testing", name)
