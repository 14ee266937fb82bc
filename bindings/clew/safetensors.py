"""Named tensors in one file, in the safetensors format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from clew import Tensor, _files

__all__ = ["SafeSlice", "load", "load_file", "safe_open", "save", "save_file"]


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
    _write("save_file", tensors, filename, metadata)


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Returns what `save_file` writes.

    Args:
        tensors: by name; each is written in row-major order.
        metadata: strings to keep beside them.
    Raises:
        TypeError: names or metadata that are not strings, values that are not tensors.
    Example:
        >>> clew.safetensors.load(clew.safetensors.save({"w": clew.ones(2)}))["w"].tolist()
        [1.0, 1.0]
    """
    import io

    file = io.BytesIO()
    _write("save", tensors, file, metadata)
    return file.getvalue()


def load(data: bytes) -> dict[str, Tensor]:
    """Reads all tensors of a file that is in memory.

    Args:
        data: the whole file.
    Returns:
        The tensors by name, in the file's order.
    Raises:
        clew.FileFormatError: the file is truncated or damaged.
    """
    import io

    file = io.BytesIO(data)
    return _files.read_tensors(file, _files.read_header(file, "bytes", len(data)))


def _write(who: str, tensors: dict[str, Tensor], target: Any, metadata: dict[str, str] | None) -> None:
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(f"{who}: expected str names other than '__metadata__', got {name!r}")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{who}: expected Tensors, got {type(tensor).__name__} (name {name!r})")
    if metadata is not None:
        for key, value in metadata.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError(f"{who}: expected str metadata, got {key!r}: {value!r}")
    ordered, entries = _files.plan(tensors)
    _files.write(target, _files.encode_header(entries, metadata), ordered)


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
        return self._read(name, self._entry("get_tensor", name))

    def offset_keys(self) -> list[str]:
        """The names, in the file's order."""
        return self.keys()

    def get_slice(self, name: str) -> SafeSlice:
        """One tensor, to be read in part.

        Raises:
            KeyError: there is none of that name.
        Example:
            >>> import tempfile, os
            >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
            >>> clew.safetensors.save_file({"w": clew.arange(6).reshape(3, 2)}, path)
            >>> with clew.safetensors.safe_open(path) as file:
            ...     file.get_slice("w")[1:, 0].tolist()
            [2, 4]
        """
        return SafeSlice(self, name, self._entry("get_slice", name))

    def _entry(self, who: str, name: str) -> _files.Entry:
        entry = self._header.entries.get(name)
        if entry is None:
            raise KeyError(f"{who}: expected a name in {self._header.where}, got {name!r}")
        return entry

    def _read(self, name: str, entry: _files.Entry) -> Tensor:
        one = _files.Header({name: entry}, {}, self._header.data_start, self._header.where)
        self._file.seek(self._header.data_start + entry.begin)
        tensor = _files.read_tensors(self._file, one)[name]
        return tensor if self._device in (None, "cpu") else tensor.to(device=self._device)


class SafeSlice:
    """A tensor of an open file; indexing reads the rows that are asked for, and no others."""

    def __init__(self, file: safe_open, name: str, entry: _files.Entry) -> None:
        self._file = file
        self._name = name
        self._whole = entry

    def get_shape(self) -> list[int]:
        """The shape of the whole tensor."""
        return list(self._whole.shape)

    def get_dtype(self) -> str:
        """The format's name of the dtype, such as "F32"."""
        return self._whole.code

    def __getitem__(self, index: Any) -> Tensor:
        whole = self._whole
        parts = index if isinstance(index, tuple) else (index,)
        if not whole.shape or not parts or not isinstance(parts[0], (int, slice)):
            return self._file._read(self._name, whole)[index]
        size, first, rest = whole.shape[0], parts[0], parts[1:]
        if isinstance(first, slice):
            begin, end, step = first.indices(size)
            if step < 0:
                raise ValueError(f"get_slice: expected a step above 0, got {step}")
            end = max(begin, end)
            inner: Any = slice(None, None, step)
        else:
            if not -size <= first < size:
                raise IndexError(f"get_slice: expected an index in [{-size}, {size}), got {first}")
            begin = first % size
            end, inner = begin + 1, 0
        row = (whole.end - whole.begin) // size if size else 0
        rows = _files.Entry(
            whole.code,
            [end - begin, *whole.shape[1:]],
            whole.begin + begin * row,
            whole.begin + end * row,
        )
        return self._file._read(self._name, rows)[(inner, *rest)]
