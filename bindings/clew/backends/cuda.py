"""Switches of CUDA libraries: without effect where there is no CUDA.

Attributes:
    matmul: switches of matrix products. `enabled`: use cuBLASLt where it is installed; False takes Clew's own
        kernels. `allow_tf32`: float32 products may be rounded to TF32, which is faster. The others are kept
        as they are set; sums of 16-bit floats are always in float32.
"""

from __future__ import annotations

import os.path
from typing import Any

from clew import _C

__all__ = ["is_built", "matmul"]


class _MatMul:
    """Switches of matrix products."""

    def __init__(self) -> None:
        self.enabled = True
        self.allow_tf32 = False
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SWITCHES:
            if not isinstance(value, bool):
                raise TypeError(f"backends.cuda.matmul.{name}: expected a bool, got {type(value).__name__}")
            _C._set_library_switch(_SWITCHES[name], value)
        super().__setattr__(name, value)


_SWITCHES = {"enabled": "cublas", "allow_tf32": "matmul_tf32"}
matmul = _MatMul()


def is_built() -> bool:
    """True when this installation has the CUDA backend's library."""
    return os.path.exists(os.path.join(os.path.dirname(_C.__file__), "lib", "libclew_cuda.so"))


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("backends.cuda", name)
