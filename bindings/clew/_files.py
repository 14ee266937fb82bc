"""The file layout that `clew.save` and `clew.safetensors` share: safetensors.

A file is 8 bytes with the length of the header (little endian), the header in JSON, and the tensors' bytes.
The header names each tensor's dtype, shape and place; "__metadata__" holds strings.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

FileFormatError = _C.FileFormatError

# A header longer than this is taken for damage.
MAX_HEADER = 100_000_000

_DTYPE_NAMES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
}
_ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "I32": 4,
    "I64": 8,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
    "F64": 8,
}


def dtype_of(code: str) -> Any:
    """The dtype behind a name of the format."""
    return getattr(clew, _DTYPE_NAMES[code])


def code_of(dtype: Any) -> str:
    """The format's name of a dtype."""
    for code, name in _DTYPE_NAMES.items():
        if dtype == getattr(clew, name):
            return code
    raise TypeError(f"save: expected one of {', '.join(_DTYPE_NAMES.values())}, got {dtype}")


class Entry:
    """One tensor of a header: its format name of the dtype, shape, and place behind the header."""

    __slots__ = ("begin", "code", "end", "shape")

    def __init__(self, code: str, shape: list[int], begin: int, end: int) -> None:
        self.code = code
        self.shape = shape
        self.begin = begin
        self.end = end


class Header:
    """A checked header: entries by name, the metadata, and where the data begin in the file."""

    __slots__ = ("data_start", "entries", "metadata", "size", "where")

    def __init__(
        self, entries: dict[str, Entry], metadata: dict[str, str], data_start: int, where: str
    ) -> None:
        self.entries = entries
        self.metadata = metadata
        self.data_start = data_start
        self.size = max((entry.end for entry in entries.values()), default=0)
        self.where = where


def bad(where: str, offset: int, expected: str, got: str) -> Exception:
    """The error for a damaged file."""
    return FileFormatError(f"load: expected {expected}, got {got} ({where}, offset {offset})")


# -- writing -------------------------------------------------------------------------------------


def plan(tensors: dict[str, Tensor]) -> tuple[list[tuple[str, Tensor]], dict[str, Any]]:
    """Orders tensors for a file and returns them with their header entries.

    Wider dtypes come first, so that every tensor stands at a multiple of its item size without gaps.
    """
    coded = [(name, tensor, code_of(tensor.dtype)) for name, tensor in tensors.items()]
    coded.sort(key=lambda item: -_ITEM_SIZES[item[2]])
    entries: dict[str, Any] = {}
    end = 0
    for name, tensor, code in coded:
        begin, end = end, end + tensor.numel() * _ITEM_SIZES[code]
        entries[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    return [(name, tensor) for name, tensor, _ in coded], entries


def row_major(tensor: Tensor) -> Tensor:
    """The tensor on the CPU in row-major order, without history; its bytes are valid while it lives."""
    tensor = tensor.detach()
    if tensor.device.type != "cpu":
        tensor = tensor.cpu()
    return tensor.contiguous()


def encode_header(entries: dict[str, Any], metadata: dict[str, str] | None) -> bytes:
    """The length and the header, padded so that the data begin at a multiple of 64 bytes."""
    import json

    content: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    content.update(entries)
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    if len(text) > MAX_HEADER:
        raise ValueError(f"save: expected a header of at most {MAX_HEADER} bytes, got {len(text)}")
    return struct.pack("<Q", len(text)) + text


def write(target: Any, header: bytes, ordered: list[tuple[str, Tensor]]) -> None:
    """Writes a whole file to a path, atomically, or to an object with `write`."""
    if hasattr(target, "write"):
        _write_to(target, header, ordered)
    else:
        atomic_write(target, lambda file: _write_to(file, header, ordered))


def _write_to(file: Any, header: bytes, ordered: list[tuple[str, Tensor]]) -> None:
    file.write(header)
    for _, tensor in ordered:
        if tensor.numel():
            plain = row_major(tensor)
            file.write(_C._tensor_bytes(plain))


def atomic_write(path: Any, fill: Callable[[Any], None]) -> None:
    """Calls `fill(file)` on a temporary file beside `path`, syncs it, and renames it to `path`.

    Whatever goes wrong, `path` holds either what it held before or all of the new content.
    """
    path = os.path.realpath(os.fspath(path))
    folder, base = os.path.split(path)
    temporary = os.path.join(folder, f".{base}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    # The rename itself is durable only when the folder is on disk too.
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


# -- reading -------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key that appears twice")
    return result


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text}, which JSON does not have")


def parse_json(text: bytes | str, where: str, offset: int, what: str) -> Any:
    """Parses JSON from a file; every fault becomes a FileFormatError."""
    import json

    try:
        return json.loads(
            text if isinstance(text, str) else text.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise bad(where, offset, f"JSON as {what}", f"{type(error).__name__}: {str(error)[:120]}") from None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def read_header(file: Any, where: str, size: int, exact: bool = True) -> Header:
    """Reads and checks a header; nothing of the data is read.

    Args:
        file: an open file, at the start of the content.
        where: how messages name it.
        size: bytes from there to the end of the file.
        exact: whether the content must end where the file ends.
    """
    head = file.read(8)
    if not isinstance(head, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"load: expected a file opened in binary mode, got one that reads {type(head).__name__}"
        )
    head = bytes(head)
    if head[:4] == b"PK\x03\x04" or head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise bad(
            where,
            0,
            "a safetensors file",
            "a zip or pickle file (such files are not read: they can run code)",
        )
    if len(head) < 8:
        raise bad(where, 0, "8 bytes with the header's length", f"{len(head)} bytes")
    (length,) = struct.unpack("<Q", head)
    if length > MAX_HEADER or length < 2:
        raise bad(where, 0, f"a header length in [2, {MAX_HEADER}]", str(length))
    if 8 + length > size:
        raise bad(where, 0, f"a header within the file's {size} bytes", f"one of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise bad(where, 8, f"a header of {length} bytes", f"{len(text)} bytes")
    if text[:1] != b"{":
        raise bad(where, 8, "a header that begins with '{'", repr(text[:1]))
    content = parse_json(text, where, 8, "header")
    if not isinstance(content, dict):
        raise bad(where, 8, "an object as header", type(content).__name__)
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise bad(where, 8, "strings in __metadata__", type(metadata).__name__)
    entries = {name: _checked_entry(name, value, where) for name, value in content.items()}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != end:
            raise bad(where, 8 + length + end, f"tensor {name!r} to begin at {end}", str(entry.begin))
        end = entry.end
    if 8 + length + end > size or (exact and 8 + length + end != size):
        raise bad(where, 8 + length, f"{end} bytes of data", f"{size - 8 - length} bytes")
    return Header(entries, metadata, 8 + length, where)


def _checked_entry(name: str, value: Any, where: str) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise bad(where, 8, f"dtype, shape and data_offsets of tensor {name!r}", repr(value)[:120])
    code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPE_NAMES:
        raise bad(where, 8, f"a dtype of {', '.join(_DTYPE_NAMES)} for tensor {name!r}", repr(code)[:60])
    if not isinstance(shape, list) or len(shape) > 64 or not all(_is_count(n) for n in shape):
        raise bad(where, 8, f"a shape of at most 64 sizes for tensor {name!r}", repr(shape)[:120])
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_count(n) for n in offsets):
        raise bad(where, 8, f"two data_offsets for tensor {name!r}", repr(offsets)[:120])
    begin, end = offsets
    needed = math.prod(shape) * _ITEM_SIZES[code]
    if end - begin != needed:
        raise bad(where, 8, f"{needed} bytes for tensor {name!r} ({code}, {shape})", f"{end - begin} bytes")
    # The product of the other sizes must fit too, even where one size is zero.
    if math.prod(n for n in shape if n) * _ITEM_SIZES[code] >= 2**62:
        raise bad(where, 8, f"a shape of tensor {name!r} that fits into memory", repr(shape)[:120])
    return Entry(code, shape, begin, end)


def read_tensors(file: Any, header: Header, checksum: int | None = None) -> dict[str, Tensor]:
    """Reads all tensors in the file's order; `checksum` is the CRC-32 of all data, checked when given."""
    import zlib

    result: dict[str, Tensor] = {}
    crc = 0
    for name, entry in sorted(header.entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        content = _read_exactly(file, header, entry)
        if checksum is not None:
            crc = zlib.crc32(content, crc)
        result[name] = tensor_of(content, 0, header, entry)
    if checksum is not None and crc != checksum:
        raise bad(header.where, header.data_start, f"data with checksum {checksum:08x}", f"{crc:08x}")
    return result


def _read_exactly(file: Any, header: Header, entry: Entry) -> bytes:
    size = entry.end - entry.begin
    content = file.read(size) if size else b""
    while len(content) < size:
        more = file.read(size - len(content))
        if not more:
            at = header.data_start + entry.begin + len(content)
            raise bad(header.where, at, f"{size} bytes of a tensor", f"{len(content)} bytes")
        content += more
    return content


def tensor_of(source: Any, offset: int, header: Header, entry: Entry) -> Tensor:
    """A tensor with a copy of the bytes of `source` from `offset` on."""
    if entry.code == "BOOL":
        others = bytes(memoryview(source)[offset : offset + entry.end - entry.begin]).translate(None, b"\0\1")
        if others:
            at = header.data_start + entry.begin
            raise bad(header.where, at, "bytes 0 and 1 in a bool tensor", str(others[0]))
    return _C._tensor_from_bytes(source, offset, dtype_of(entry.code), entry.shape)


def map_tensors(path: str, header: Header) -> dict[str, Tensor]:
    """Tensors on the file's own pages: read when touched; writes stay private and are not kept."""
    import mmap

    result: dict[str, Tensor] = {}
    if header.size == 0:
        return {
            name: clew.empty(entry.shape, dtype=dtype_of(entry.code))
            for name, entry in header.entries.items()
        }
    with open(path, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    for name, entry in header.entries.items():
        begin = header.data_start + entry.begin
        if entry.begin == entry.end:
            result[name] = clew.empty(entry.shape, dtype=dtype_of(entry.code))
        elif entry.code == "BOOL" or begin % _ITEM_SIZES[entry.code]:
            # Bools are checked, and unaligned data need a copy.
            result[name] = tensor_of(pages, begin, header, entry)
        else:
            result[name] = _C._tensor_on_buffer(pages, begin, dtype_of(entry.code), entry.shape)
    return result
