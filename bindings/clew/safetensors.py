"""Named tensors in one file, in the safetensors format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from clew import Tensor, _files

__all__ = ["load_file", "safe_open", "save_file"]


def save_file(tensors: dict[str, Tensor], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Writes named tensors to a file; it appears whole or not at all.

    Args:
        tensors: by name; each is written in row-major order.
        filename: the path.
        metadata: strings to keep beside them.
    Raises:
        TypeError: names or metadata that are not strings, values that are not tensors.
    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
        >>> clew.safetensors.save_file({"w": clew.ones(2)}, path)
        >>> clew.safetensors.load_file(path)["w"].tolist()
        [1.0, 1.0]
    """
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(f"save_file: expected str names other than '__metadata__', got {name!r}")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"save_file: expected Tensors, got {type(tensor).__name__} (name {name!r})")
    if metadata is not None:
        for key, value in metadata.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError(f"save_file: expected str metadata, got {key!r}: {value!r}")
    ordered, entries = _files.plan(tensors)
    _files.write(filename, _files.encode_header(entries, metadata), ordered)


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """Reads all tensors of a file.

    Args:
        filename: the path.
        device: where the tensors go.
    Returns:
        The tensors by name, in the file's order.
    Raises:
        clew.FileFormatError: the file is truncated or damaged.
    """
    with safe_open(filename, device=device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


class safe_open:
    """Opens a file to read single tensors from it.

    Args:
        filename: the path.
        framework: accepted for existing code.
        device: where the tensors go.
    Raises:
        clew.FileFormatError: the file is truncated or damaged.
    """

    def __init__(self, filename: Any, framework: str = "clew", device: Any = "cpu") -> None:
        path = os.fspath(filename)
        self._device = device
        self._file: Any = open(path, "rb")  # noqa: SIM115
        try:
            self._header = _files.read_header(self._file, str(path), os.fstat(self._file.fileno()).st_size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def keys(self) -> list[str]:
        """The names, in the file's order."""
        entries = self._header.entries
        return sorted(entries, key=lambda name: (entries[name].begin, entries[name].end))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def metadata(self) -> dict[str, str]:
        """The strings kept beside the tensors."""
        return dict(self._header.metadata)

    def get_tensor(self, name: str) -> Tensor:
        """Reads one tensor.

        Raises:
            KeyError: there is none of that name.
        """
        entry = self._header.entries.get(name)
        if entry is None:
            raise KeyError(f"get_tensor: expected a name in {self._header.where}, got {name!r}")
        one = _files.Header({name: entry}, {}, self._header.data_start, self._header.where)
        self._file.seek(self._header.data_start + entry.begin)
        tensor = _files.read_tensors(self._file, one)[name]
        return tensor if self._device in (None, "cpu") else tensor.to(device=self._device)
