"""Tensors in memory that several processes see: anonymous files that are handed on by descriptor."""

from __future__ import annotations

import mmap
import os
import weakref
from multiprocessing import reduction
from typing import Any

from clew import _C

__all__ = ["is_shared", "share"]

# First address of each mapping, with its size and descriptor.
_mappings: dict[int, tuple[int, int]] = {}


def _forget(address: int, descriptor: int) -> None:
    _mappings.pop(address, None)
    os.close(descriptor)


def _on_mapping(descriptor: int, dtype: Any, shape: tuple[int, ...], nbytes: int) -> Any:
    pages = mmap.mmap(descriptor, nbytes)
    tensor = _C._tensor_on_buffer(pages, 0, dtype, list(shape))
    address = tensor.data_ptr()
    _mappings[address] = (nbytes, descriptor)
    weakref.finalize(pages, _forget, address, descriptor)
    return tensor


def share(tensor: Any) -> Any:
    """Moves a tensor's data into shared memory; returns the tensor."""
    if is_shared(tensor) or tensor.numel() == 0:
        return tensor
    if tensor.device.type != "cpu":
        raise _C.DeviceError(f"share_memory_: expected a tensor on the CPU, got one on {tensor.device}")
    from clew.utils.data._shared import _open_block

    nbytes = tensor.numel() * tensor.element_size()
    moved = _on_mapping(_open_block(nbytes), tensor.dtype, tuple(tensor.shape), nbytes)
    moved.copy_(tensor.detach())
    try:
        tensor.data = moved
    except _C.ArgumentError:
        raise _C.ArgumentError(
            "share_memory_: expected a tensor with memory of its own, got a view of another "
            "(clone() it first)"
        ) from None
    _register()
    return tensor


def _mapping_of(tensor: Any) -> tuple[int, int, int] | None:
    address = tensor.data_ptr()
    for start, (nbytes, descriptor) in _mappings.items():
        if start <= address < start + nbytes:
            return start, nbytes, descriptor
    return None


def is_shared(tensor: Any) -> bool:
    """Whether the tensor's data are in memory that `share` made."""
    return tensor.numel() > 0 and _mapping_of(tensor) is not None


def _rebuild(cls: type, handle: Any, dtype: str, offset: int, geometry: tuple, requires_grad: bool) -> Any:
    kind = getattr(_C, dtype)
    descriptor = handle.detach()
    nbytes = os.fstat(descriptor).st_size
    whole = _on_mapping(descriptor, kind, (nbytes // kind.itemsize,), nbytes)
    tensor = whole.as_strided(*geometry, offset)
    if cls is not _C.Tensor:
        tensor = _C._as_subclass(tensor.detach(), cls)
    return tensor.requires_grad_(requires_grad)


def _reduce(tensor: Any) -> Any:
    place = _mapping_of(tensor) if tensor.numel() else None
    if place is None:
        return tensor.__reduce_ex__(2)
    start, _, descriptor = place
    offset = (tensor.data_ptr() - start) // tensor.element_size()
    dtype = repr(tensor.dtype).rsplit(".", 1)[-1]
    geometry = (tuple(tensor.shape), tuple(tensor.stride()))
    return _rebuild, (
        type(tensor),
        reduction.DupFd(descriptor),
        dtype,
        offset,
        geometry,
        tensor.requires_grad,
    )


def _register() -> None:
    from clew.nn.parameter import Parameter

    for kind in (_C.Tensor, Parameter):
        reduction.ForkingPickler.register(kind, _reduce)
