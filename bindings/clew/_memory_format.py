"""Names of memory formats and layouts."""

from __future__ import annotations

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "layout",
    "memory_format",
    "preserve_format",
    "strided",
]


class _Named:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"clew.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format(_Named):
    """In which order a tensor's elements lie in memory: `contiguous(memory_format=clew.channels_last)`."""

    __slots__ = ()


class layout(_Named):
    """How a tensor keeps its elements; `clew.strided` is the only one."""

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
