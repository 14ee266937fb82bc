"""Libraries that Clew computes with, and switches that PyTorch programs set on theirs."""

from __future__ import annotations

from typing import Any

from clew.backends import cuda, cudnn, mkl, mkldnn, mps, openblas

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openblas"]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends", name)
