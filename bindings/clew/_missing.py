"""What to say about names that are known from PyTorch and are not here."""

from __future__ import annotations

from collections.abc import Callable

from clew._tiers import TIERS

__all__ = ["NotYetError", "method_names", "missing", "tier_of", "watchers"]


class NotYetError(AttributeError, NotImplementedError):
    """A known name that this version does not offer; the message says what to use instead."""


# Called with (path, name, message) for each name that is asked for and is not there.
watchers: list[Callable[[str, str, str], None]] = []


# What does the same today, for names where there is something short to say.
_INSTEAD: dict[str, str] = {
    "range": "arange, which leaves out the end",
    "symeig": "numpy.linalg.eigh on x.numpy()",
    "FloatTensor": "tensor(data, dtype=float32)",
    "DoubleTensor": "tensor(data, dtype=float64)",
    "HalfTensor": "tensor(data, dtype=float16)",
    "LongTensor": "tensor(data, dtype=int64)",
    "IntTensor": "tensor(data, dtype=int32)",
    "ShortTensor": "tensor(data, dtype=int16)",
    "ByteTensor": "tensor(data, dtype=uint8)",
    "CharTensor": "tensor(data, dtype=int8)",
    "BoolTensor": "tensor(data, dtype=bool)",
    "nn.Module.register_backward_hook": "Tensor.register_hook on the output",
    "nn.Module.compile": "the module as it is; programs run eagerly",
    "compile": "the function or module as it is; programs run eagerly",
    "Tensor.new": "x.new_empty(size) or clew.tensor(data)",
    "distributed": "one process; threads share the work",
    "fft": "numpy.fft on x.numpy() for values without gradient",
    "jit": "the tensors and modules as they are; programs run eagerly",
    "optim.ASGD": "optim.swa_utils.AveragedModel with optim.SGD",
    "optim.Adafactor": "optim.AdamW",
    "optim.Muon": "optim.SGD with momentum",
    "optim.SparseAdam": "optim.Adam",
}


def tier_of(module_name: str, name: str) -> int | None:
    """How common a known name of `clew.<module_name>` is, 1 to 3; None for other names."""
    for tier, names in enumerate(TIERS.get(module_name, ()), start=1):
        if name in names.split():
            return tier
    return None


def method_names() -> list[str]:
    """The names that tensors have as attributes in PyTorch, of all tiers."""
    return " ".join(TIERS["Tensor"]).split()


def instead_of(module_name: str, name: str) -> str | None:
    """What does the same today, where there is something short to say."""
    key = f"{module_name}.{name}" if module_name else name
    return _INSTEAD.get(key) or (_INSTEAD.get(name) if module_name == "Tensor" else None)


def missing(module_name: str, name: str, owner: str | None = None) -> AttributeError:
    """Returns the error for an attribute that does not exist, to be raised by a `__getattr__`.

    Args:
        module_name: below clew, such as "nn.functional"; "" is clew itself.
        name: the attribute that was asked for.
        owner: the class whose instance was asked, for a plain error.
    Returns:
        NotYetError when PyTorch has the name, else a plain AttributeError.
    """
    module_name = module_name.removeprefix("clew").lstrip(".")
    path = f"clew.{module_name}" if module_name else "clew"
    tier = tier_of(module_name, name)
    if tier is not None:
        instead = instead_of(module_name, name)
        hint = f"use {instead}" if instead else f"compose it from what dir({path}) lists"
        error: AttributeError = NotYetError(
            f"{path}: expected a name of this version, got {name!r} "
            f"(known, tier {tier}, not there yet; {hint})"
        )
    elif owner is not None:
        error = AttributeError(f"{owner!r} object has no attribute {name!r}")
    else:
        error = AttributeError(f"module {path!r} has no attribute {name!r}")
    error.name = name
    for watcher in watchers:
        watcher(path, name, str(error))
    return error
