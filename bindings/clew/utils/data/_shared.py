"""Batches through memory that two processes share.

A worker pickles a batch with the data of its tensors and arrays kept apart, and copies those into a block:
an anonymous file (memfd), or an unlinked one in a folder. The loading process maps the block once, builds
tensors on the mapping without a copy, and gives the block back when the last of them is gone. Neither kind of
file has a name while it is in use, so the system frees it whatever way the processes end.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

__all__ = ["Arena", "Mapped", "Packed", "unpack"]

_ALIGN = 64
# Less data than this go along in the message: a copy is cheaper than keeping a block.
INLINE_BYTES = 1 << 15
# A folder for blocks, instead of anonymous memory.
FOLDER_VARIABLE = "CLEW_SHARED_MEMORY"


def _rebuild(buffer: Any, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> Tensor:
    kind = getattr(clew, dtype)
    if buffer is None:
        tensor = clew.empty(shape, dtype=kind)
    else:
        tensor = _C._tensor_on_buffer(buffer, 0, kind, shape)
    return tensor.requires_grad_() if requires_grad else tensor


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any, buffers: list[pickle.PickleBuffer], kept: list[Tensor]) -> None:
        super().__init__(file, protocol=5, buffer_callback=self._keep)
        self._buffers = buffers
        self._kept = kept

    def _keep(self, buffer: pickle.PickleBuffer) -> None:
        self._buffers.append(buffer)

    def reducer_override(self, obj: Any) -> Any:
        # A subclass has its own way to be pickled.
        if type(obj) is not Tensor or obj.device.type != "cpu":
            return NotImplemented
        plain = obj.detach().contiguous()
        shape = tuple(plain.shape)
        dtype = str(plain.dtype).rsplit(".", 1)[-1]
        if plain.numel() == 0:
            return _rebuild, (None, dtype, shape, obj.requires_grad)
        self._kept.append(plain)
        content = pickle.PickleBuffer(_C._tensor_bytes(plain, True))
        return _rebuild, (content, dtype, shape, obj.requires_grad)


class Packed:
    """A batch as a pickle and the data that it leaves out."""

    __slots__ = ("buffers", "content", "kept", "room")

    def __init__(self, batch: Any) -> None:
        self.buffers: list[pickle.PickleBuffer] = []
        self.kept: list[Tensor] = []  # the buffers point into these
        file = io.BytesIO()
        _Pickler(file, self.buffers, self.kept).dump(batch)
        self.content = file.getvalue()
        self.room = sum(-(-buffer.raw().nbytes // _ALIGN) * _ALIGN for buffer in self.buffers)


def unpack(content: bytes, buffers: list[Any]) -> Any:
    """The batch again, on the memory of `buffers`."""
    return pickle.loads(content, buffers=buffers)


def _memory_figures(folder: str | None) -> str:
    if folder is not None:
        facts = os.statvfs(folder)
        return f"{folder}: {facts.f_bavail * facts.f_frsize} bytes free of {facts.f_blocks * facts.f_frsize}"
    figures = {}
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                key, value = line.split(":")
                figures[key] = int(value.split()[0]) * 1024
    except (OSError, ValueError):
        return "memory figures unknown"
    return f"memory: {figures.get('MemAvailable', 0)} bytes free of {figures.get('MemTotal', 0)}"


def _open_block(size: int) -> int:
    """A descriptor of `size` bytes that no other process can find; OSError when there is no room."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None and hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("clew-batch", os.MFD_CLOEXEC)
    else:
        import tempfile

        where = folder or ("/dev/shm" if os.path.isdir("/dev/shm") else None)
        descriptor, path = tempfile.mkstemp(prefix="clew-batch-", dir=where)
        os.unlink(path)
    try:
        # Reserved now: a page that is missing later would end the process with SIGBUS.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Block:
    """One block in the worker that writes it."""

    __slots__ = ("descriptor", "name", "pages", "size")

    def __init__(self, name: int, size: int) -> None:
        self.name = name
        self.size = size
        self.descriptor = _open_block(size)
        self.pages = mmap.mmap(self.descriptor, size)


class Arena:
    """The blocks of one worker: those in use, and those that came back."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}
        self._idle: list[int] = []
        self._made = 0

    def give_back(self, names: list[int]) -> None:
        self._idle.extend(names)

    def take(self, size: int) -> tuple[Block, bool]:
        """A block of at least `size` bytes, and whether it is new; OSError when there is no room."""
        fitting = [name for name in self._idle if self._blocks[name].size >= size]
        if fitting:
            name = min(fitting, key=lambda n: self._blocks[n].size)
            self._idle.remove(name)
            return self._blocks[name], False
        # Some room more than needed: batches differ a little, and should find a block that fits.
        size = -(-size * 5 // 4 // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            block = Block(self._made, size)
        except (OSError, ValueError) as error:
            figures = _memory_figures(os.environ.get(FOLDER_VARIABLE))
            raise OSError(f"asked for {size} bytes, got {error}; {figures}") from None
        self._made += 1
        self._blocks[block.name] = block
        return block, True

    def drop_idle(self) -> list[int]:
        """Frees the blocks that wait for use; returns their names."""
        dropped, self._idle = self._idle, []
        for name in dropped:
            block = self._blocks.pop(name)
            block.pages.close()
            os.close(block.descriptor)
        return dropped

    @staticmethod
    def fill(block: Block, buffers: list[pickle.PickleBuffer]) -> list[tuple[int, int]]:
        """Copies the buffers into the block; returns where each stands."""
        spans = []
        end = 0
        with memoryview(block.pages) as target:
            for buffer in buffers:
                raw = buffer.raw()
                spans.append((end, raw.nbytes))
                target[end : end + raw.nbytes] = raw
                end += -(-raw.nbytes // _ALIGN) * _ALIGN
        return spans


class Mapped:
    """A worker's block in the process that reads it."""

    def __init__(self, name: int, descriptor: int, size: int, returned: deque[int]) -> None:
        self.name = name
        try:
            self.pages = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._returned = returned
        self._lease: weakref.ref[Any] | None = None

    @property
    def in_use(self) -> bool:
        return self._lease is not None and self._lease() is not None

    def views(self, spans: list[tuple[int, int]]) -> list[memoryview]:
        """The spans as writable memory; the block is given back when the last of them is gone."""
        import numpy

        # Everything made from the views leads to this array, which tells when it dies.
        array = numpy.frombuffer(self.pages, dtype=numpy.uint8)
        self._lease = weakref.ref(array, _give_back(self.name, self._returned))
        whole = memoryview(array)
        return [whole[begin : begin + size] for begin, size in spans]

    def copies(self, spans: list[tuple[int, int]]) -> list[bytearray]:
        """The spans in memory of this process; the block can be given back at once."""
        with memoryview(self.pages) as whole:
            return [bytearray(whole[begin : begin + size]) for begin, size in spans]


def _give_back(name: int, returned: deque[int]) -> Callable[[Any], None]:
    # Runs wherever the last tensor dies, so it only appends, which needs no lock.
    return lambda reference: returned.append(name)
