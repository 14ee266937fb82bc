"""Clew: a define-by-run autograd tensor library.

Every eager operation lays down a thread of tape; ``backward()`` walks it home.

>>> import clew
>>> x = clew.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad.tolist()
[2.0, 4.0]
"""

from __future__ import annotations

from clew import _C
from clew._version import __version__

# What the registry and the extension provide under the package's own name.
globals().update(
    {name: getattr(_C.functions, name) for name in dir(_C.functions) if not name.startswith("_")}
)
globals().update(
    {
        name: getattr(_C, name)
        for name in dir(_C)
        if not name.startswith("_") and name not in ("functions", "nn", "ops")
    }
)

_C._set_provenance(True)  # errors on the way back name the forward line

newaxis = None
Tensor = _C.Tensor
float = _C.float32
double = _C.float64
half = _C.float16
short = _C.int16
int = _C.int32
long = _C.int64

from math import e, inf, nan, pi  # noqa: E402

from clew import (  # noqa: E402
    _tensor,
    autograd,
    nn,
    ops,
    optim,
    utils,
)
from clew._composed import *  # noqa: E402
from clew._creation import *  # noqa: E402
from clew._functions import *  # noqa: E402
from clew._indexed import *  # noqa: E402
from clew._info import *  # noqa: E402
from clew._memory_format import *  # noqa: E402
from clew.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from clew.serialization import load, save  # noqa: E402

_LAZY = (
    "accelerator",
    "amp",
    "backends",
    "cuda",
    "distributions",
    "func",
    "library",
    "linalg",
    "multiprocessing",
    "npy",
    "profiler",
    "random",
    "safetensors",
    "serialization",
    "special",
    "testing",
)


def __getattr__(name: str):
    """Modules that most programs do not need are imported on first use."""
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"clew.{name}")
    if name == "autocast":
        from clew.amp import autocast

        return autocast
    if name == "vmap":
        from clew.func import vmap

        return vmap
    from clew._missing import missing

    raise missing("clew", name)


def __dir__():
    return sorted({n for n in globals() if not n.startswith("_")} | {*_LAZY, "autocast", "vmap"})
