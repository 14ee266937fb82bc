"""Helpers for tests: comparing tensors, making them, checking ops."""

from __future__ import annotations

from typing import Any

from clew.testing._comparison import assert_allclose, assert_close
from clew.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "check_op", "make_tensor"]


def __getattr__(name: str) -> Any:
    if name == "check_op":
        from clew.testing.op_check import check_op

        return check_op
    from clew._missing import missing

    raise missing("testing", name)
