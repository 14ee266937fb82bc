"""Switches of CUDA libraries: kept as they are set, and without effect where there is no CUDA."""

from __future__ import annotations

from typing import Any

__all__ = ["is_built", "matmul"]


class _MatMul:
    """Switches of matrix products."""

    def __init__(self) -> None:
        self.allow_tf32 = False
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True


matmul = _MatMul()


def is_built() -> bool:
    """True when this build has CUDA in it."""
    return False


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.cuda", name)
