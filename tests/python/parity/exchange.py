"""Arguments from PyTorch to Clew, and results of both as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import clew

DTYPES = {
    torch.float32: clew.float32,
    torch.float64: clew.float64,
    torch.float16: clew.float16,
    torch.bfloat16: clew.bfloat16,
    torch.int8: clew.int8,
    torch.int16: clew.int16,
    torch.int32: clew.int32,
    torch.int64: clew.int64,
    torch.uint8: clew.uint8,
    torch.bool: clew.bool,
}


class NotExpressible(Exception):
    """An argument has no counterpart: a complex tensor, a sparse layout."""


def dtype_name(value: Any) -> str:
    """'float32' for the dtypes of both libraries."""
    return str(value).rpartition(".")[2]


class Converter:
    """Converts the arguments of one call; a tensor that occurs twice stays one tensor."""

    def __init__(self, with_grad: bool) -> None:
        self.with_grad = with_grad
        self.leaves: list[tuple[torch.Tensor, Any]] = []
        self._seen: dict[int, Any] = {}
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._bases: dict[tuple[int, torch.dtype], Any] = {}

    def _copied(self, t: torch.Tensor) -> torch.UntypedStorage:
        """A copy of the storage of `t`, the same one for every tensor that lies in it."""
        storage = t.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages[storage._cdata] = storage.clone()
        return self._storages[storage._cdata]

    def _viewed(self, t: torch.Tensor) -> Any:
        """A view of Clew with the shape, the strides and the offset of `t`."""
        key = (t.untyped_storage()._cdata, t.dtype)
        if key not in self._bases:
            whole = torch.empty(0, dtype=t.dtype).set_(self._copied(t))
            self._bases[key] = clew.from_dlpack(whole)
        return self._bases[key].as_strided(t.shape, t.stride(), t.storage_offset())

    def tensor(self, t: torch.Tensor) -> Any:
        """A copy with the strides and the offset of `t`; a view where `t` is one."""
        if id(t) in self._seen:
            return self._seen[id(t)]
        if t.dtype not in DTYPES:
            raise NotExpressible(f"a tensor of dtype {dtype_name(t.dtype)}")
        if t.layout != torch.strided:
            raise NotExpressible(f"a tensor of layout {t.layout}")
        if t.device.type != "cpu":
            raise NotExpressible(f"a tensor on {t.device}")
        with torch.no_grad():
            plain = t.detach().resolve_conj().resolve_neg()
            if t._is_view() and plain.numel() > 0:
                out = self._viewed(plain)
            else:
                copy = torch.empty(0, dtype=t.dtype).set_(
                    self._copied(plain), plain.storage_offset(), plain.shape, plain.stride()
                )
                out = clew.from_dlpack(copy)
        if self.with_grad and t.requires_grad:
            out.requires_grad_(True)
            self.leaves.append((t, out))
        self._seen[id(t)] = out
        return out

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.dtype):
            if value not in DTYPES:
                raise NotExpressible(f"dtype {dtype_name(value)}")
            return DTYPES[value]
        if isinstance(value, torch.device):
            return clew.device(value.type) if value.index is None else clew.device(value.type, value.index)
        if isinstance(value, torch.memory_format):
            return getattr(clew, dtype_name(value))
        if isinstance(value, torch.layout):
            return getattr(clew, dtype_name(value))
        if isinstance(value, torch.Generator):
            return clew.Generator()
        if isinstance(value, torch.Size):
            return clew.Size(value)
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self(v) for v in value))
        if isinstance(value, (tuple, list)):
            return type(value)(self(v) for v in value)
        if isinstance(value, dict):
            return {k: self(v) for k, v in value.items()}
        if isinstance(value, complex):
            raise NotExpressible("a complex number")
        return value


def flat(result: Any) -> list[Any]:
    """The leaves of nested tuples and lists, in order."""
    if isinstance(result, (tuple, list)) and not isinstance(result, (torch.Size, clew.Size)):
        return [leaf for item in result for leaf in flat(item)]
    return [result]


def array(t: Any) -> np.ndarray:
    """Values of a tensor of either library; floating point as float64."""
    if isinstance(t, torch.Tensor):
        t = t.detach()
        return t.to(torch.float64 if t.is_floating_point() else t.dtype).numpy()
    t = t.detach()
    return (t.to(clew.float64) if t.is_floating_point() else t).numpy()


def storage_start(t: Any) -> int:
    """Address of the first byte of the tensor's storage."""
    return t.data_ptr() - t.storage_offset() * t.element_size()
