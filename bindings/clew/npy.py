"""NumPy's files: one array in a `.npy`, named ones in a `.npz`."""

from __future__ import annotations

import io
import math
import os
from typing import Any

import clew
from clew import Tensor, _files

__all__ = ["load", "load_npz", "save", "save_npz"]

# An archive that unpacks to more than this, and to a hundred times its size, is taken for a trap.
_UNSUSPICIOUS_BYTES = 1 << 28
_UNSUSPICIOUS_RATIO = 100


def _array(tensor: Any, who: str) -> Any:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{who}: expected a Tensor, got {type(tensor).__name__}")
    return tensor.detach().cpu().numpy()


def save(tensor: Tensor, f: Any) -> None:
    """Writes a tensor as a `.npy` file; it appears whole or not at all.

    Args:
        tensor: of a dtype that NumPy has.
        f: a path, used as it is, or an object with `write`.
    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> clew.npy.save(clew.arange(3), file)
        >>> _ = file.seek(0)
        >>> clew.npy.load(file).tolist()
        [0, 1, 2]
    """
    import numpy

    array = _array(tensor, "save")
    if hasattr(f, "write"):
        numpy.lib.format.write_array(f, array, allow_pickle=False)
    else:
        _files.atomic_write(f, lambda file: numpy.lib.format.write_array(file, array, allow_pickle=False))


def load(f: Any) -> Tensor:
    """Reads a `.npy` file into a tensor.

    Args:
        f: a path, or a seekable object with `read`.
    Returns:
        Tensor with the array's shape and dtype.
    Raises:
        clew.FileFormatError: the file is damaged, or holds Python objects, which are never read.
    """
    if hasattr(f, "read"):
        start = f.tell()
        size = f.seek(0, os.SEEK_END) - start
        f.seek(start)
        return _read(f, size, getattr(f, "name", None) or type(f).__name__)
    with open(f, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, os.fspath(f))


def _read(file: Any, size: int, where: Any) -> Tensor:
    import warnings

    import numpy

    where = str(where)
    form = numpy.lib.format
    start = file.tell()
    try:
        with warnings.catch_warnings():
            # Nothing is to be said about a header that another version wrote.
            warnings.simplefilter("ignore")
            version = form.read_magic(file)
            if version == (1, 0):
                header = form.read_array_header_1_0(file)
            elif version == (2, 0):
                header = form.read_array_header_2_0(file)
            else:
                raise ValueError(f"version {version}")
        shape, fortran, dtype = header
    except Exception as error:
        raise _files.bad(
            where, 0, "a header of a .npy file", f"{type(error).__name__}: {str(error)[:120]}"
        ) from None
    if dtype.hasobject or dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise _files.bad(where, 0, "an array of bools or real numbers", str(dtype))
    if len(shape) > 32 or not all(_files._is_count(n) for n in shape):
        raise _files.bad(where, 0, "a shape of at most 32 sizes", str(shape)[:120])
    needed = math.prod(shape) * dtype.itemsize
    begin = file.tell()
    have = size - (begin - start)
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**62 or needed > have:
        raise _files.bad(where, begin, f"{needed} bytes of data", f"{have} bytes")
    content = file.read(needed)
    if len(content) != needed:
        raise _files.bad(where, begin, f"{needed} bytes of data", f"{len(content)} bytes")
    array = numpy.frombuffer(bytearray(content), dtype=dtype)
    if dtype.kind == "b" and (array.view("u1") > 1).any():
        raise _files.bad(where, begin, "bytes 0 and 1 in a bool array", "others")
    array = array.reshape(shape, order="F" if fortran else "C")
    return clew.from_numpy(numpy.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False)))


def save_npz(tensors: dict[str, Tensor], f: Any, compress: bool = False) -> None:
    """Writes named tensors as a `.npz` archive; it appears whole or not at all.

    Args:
        tensors: by name, of dtypes that NumPy has.
        f: a path, used as it is, or an object with `write`.
        compress: make it smaller, which takes longer.
    """
    import numpy

    arrays = {name: _array(tensor, "save_npz") for name, tensor in tensors.items()}
    write = numpy.savez_compressed if compress else numpy.savez
    if hasattr(f, "write"):
        write(f, **arrays)
    else:
        _files.atomic_write(f, lambda file: write(file, **arrays))


def load_npz(f: Any, max_bytes: int | None = None) -> dict[str, Tensor]:
    """Reads all tensors of a `.npz` archive.

    Args:
        f: a path, or a seekable object with `read`.
        max_bytes: refuse to unpack more; None means 256 MiB or a hundred times the archive, whatever is more.
    Returns:
        The tensors by name, in the archive's order.
    Raises:
        clew.FileFormatError: the archive is damaged, unpacks to too much, or holds Python objects.
    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> clew.npy.save_npz({"a": clew.ones(2)}, file)
        >>> clew.npy.load_npz(file)["a"].tolist()
        [1.0, 1.0]
    """
    if hasattr(f, "read"):
        return _read_archive(f, getattr(f, "name", None) or type(f).__name__, max_bytes)
    with open(f, "rb") as file:
        return _read_archive(file, os.fspath(f), max_bytes)


def _read_archive(file: Any, where: Any, max_bytes: int | None) -> dict[str, Tensor]:
    import zipfile

    where = str(where)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    limit = max(_UNSUSPICIOUS_BYTES, _UNSUSPICIOUS_RATIO * size) if max_bytes is None else max_bytes
    result: dict[str, Tensor] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > limit:
                raise _files.bad(
                    where, 0, f"an archive that unpacks to at most {limit} bytes", f"{total} bytes"
                )
            if sum(entry.compress_size for entry in entries) > size:
                raise _files.bad(
                    where, 0, "entries that do not overlap", f"more bytes than the file's {size}"
                )
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name in result or entry.is_dir():
                    raise _files.bad(
                        where, entry.header_offset, "names that differ", repr(entry.filename)[:60]
                    )
                with archive.open(entry) as part:
                    # One byte more than announced would be a lie.
                    content = part.read(entry.file_size + 1)
                if len(content) != entry.file_size:
                    raise _files.bad(
                        where,
                        entry.header_offset,
                        f"{entry.file_size} bytes of {name!r}",
                        f"{len(content)} bytes",
                    )
                result[name] = _read(io.BytesIO(content), len(content), f"{where}, {entry.filename!r}")
    except _files.FileFormatError:
        raise
    except Exception as error:
        # zipfile and zlib have many words for damage.
        raise _files.bad(where, 0, "a .npz archive", f"{type(error).__name__}: {str(error)[:120]}") from None
    return result
