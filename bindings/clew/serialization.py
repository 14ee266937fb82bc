"""`save` and `load`: tensors and plain data in one file that runs no code when it is read.

The file is a safetensors file, so its tensors open in any reader of that format. How they stand in lists and
dicts is JSON text in the header's metadata, with a checksum of it and of the data.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

import clew
from clew import _C, Tensor, _files

__all__ = ["load", "save"]

_FORMAT = "clew-1"


def save(obj: Any, f: Any) -> None:
    """Writes an object to a file; the file appears whole or not at all.

    Args:
        obj: tensors, arrays, numbers, strings, bytes, None, and lists, tuples, sets and dicts of them.
            Tensors that share memory, one being all or a contiguous part of another, are written once and
            share it again.
        f: a path, or an object with `write`.
    Raises:
        TypeError: the object holds something else; the message says where.
    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> clew.save({"epoch": 3, "weights": [clew.ones(2)]}, file)
        >>> _ = file.seek(0)
        >>> state = clew.load(file)
        >>> state["epoch"], state["weights"][0].tolist()
        (3, [1.0, 1.0])
    """
    import json
    import zlib

    encoder = _Encoder()
    try:
        tree = encoder.encode(obj, ())
    except RecursionError:
        raise ValueError(
            "save: expected data without cycles and not too deep, got deeper than Python's stack"
        ) from None
    stored = encoder.place()
    ordered, entries = _files.plan(stored)
    text = json.dumps(tree, separators=(",", ":"))
    data_crc = 0
    for _, tensor in ordered:
        if tensor.numel():
            plain = _files.row_major(tensor)
            data_crc = zlib.crc32(_C._tensor_bytes(plain), data_crc)
    metadata = {
        "format": _FORMAT,
        "tree": text,
        "tree_crc32": f"{_tree_checksum(text, entries):08x}",
        "data_crc32": f"{data_crc:08x}",
    }
    _files.write(f, _files.encode_header(entries, metadata), ordered)


def load(f: Any, map_location: Any = None, weights_only: bool = True, mmap: bool = False) -> Any:
    """Reads what `save` wrote; of another safetensors file, a dict of its tensors.

    Everything is checked before the object is built, and reading a file never runs code.

    Args:
        f: a path, or an object with `read`.
        map_location: a device for all tensors, a dict from "cpu" to one, or a function of (tensor, "cpu")
            that returns the tensor to use, or None to leave it; None leaves them on the CPU.
        weights_only: accepted for existing code; files hold data and never run code either way.
        mmap: map the file's pages instead of reading them (paths only), without a look at their checksum.
    Returns:
        The object.
    Raises:
        clew.FileFormatError: the file is truncated or damaged; the message says where.
    """
    place = _placement(map_location)
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load: expected a path with mmap=True, got a file object")
        name = getattr(f, "name", None)
        where = name if isinstance(name, str) else type(f).__name__
        if not (hasattr(f, "seekable") and f.seekable()):
            import io

            f = io.BytesIO(f.read())
        start = f.tell()
        size = f.seek(0, os.SEEK_END) - start
        f.seek(start)
        header = _files.read_header(f, where, size, exact=False)
        tree, checksum = _checked_tree(header)
        tensors = _files.read_tensors(f, header, checksum)
    else:
        path = os.fspath(f)
        with open(path, "rb") as file:
            header = _files.read_header(file, str(path), os.fstat(file.fileno()).st_size)
            tree, checksum = _checked_tree(header)
            tensors = (
                _files.map_tensors(path, header) if mmap else _files.read_tensors(file, header, checksum)
            )
    if place is not None:
        tensors = {name: place(tensor) for name, tensor in tensors.items()}
    if tree is None:
        return tensors
    try:
        return _Decoder(tensors, header).decode(tree)
    except RecursionError:
        raise _files.bad(
            header.where, 8, "a tree that is not too deep", "deeper than Python's stack"
        ) from None


def _placement(map_location: Any) -> Callable[[Tensor], Tensor] | None:
    """What `map_location` does to a tensor; None when it does nothing."""
    if isinstance(map_location, dict):
        map_location = next((to for at, to in map_location.items() if str(at) == "cpu"), None)
    if map_location is None:
        return None
    if isinstance(map_location, (str, clew.device)):
        device = clew.device(map_location)
        return None if device.type == "cpu" else lambda tensor: tensor.to(device=device)
    if not callable(map_location):
        raise TypeError(
            "load: expected a device, a dict or a function as map_location, "
            f"got {type(map_location).__name__}"
        )

    def moved(tensor: Tensor) -> Tensor:
        result = map_location(tensor, "cpu")
        if result is None:
            return tensor
        if not isinstance(result, Tensor) or result.shape != tensor.shape or result.dtype != tensor.dtype:
            raise TypeError(
                "load: expected map_location to return the tensor, on a device of its choice, or None, "
                f"got {type(result).__name__}"
            )
        return result

    return moved


def _tree_checksum(text: str, entries: dict[str, Any]) -> int:
    """CRC-32 over the tree and where each tensor stands."""
    import zlib

    lines = [f"{name}\n{e['dtype']}{e['shape']}{e['data_offsets']}" for name, e in sorted(entries.items())]
    return zlib.crc32("\n".join([_FORMAT, text, *lines]).encode("utf-8", "surrogatepass"))


def _checked_tree(header: _files.Header) -> tuple[list[Any] | None, int | None]:
    """The tree in a list of one, and the data's checksum; (None, None) for a file of another writer."""
    metadata = header.metadata
    if not any(key in metadata for key in ("tree", "tree_crc32", "data_crc32")):
        return None, None
    if metadata.get("format") != _FORMAT:
        raise _files.bad(header.where, 8, f"format {_FORMAT!r}", repr(metadata.get("format"))[:60])
    sums = []
    for key in ("tree_crc32", "data_crc32"):
        value = metadata.get(key, "")
        if len(value) != 8 or not all(c in "0123456789abcdef" for c in value):
            raise _files.bad(header.where, 8, f"eight hexadecimal digits as {key}", repr(value)[:60])
        sums.append(int(value, 16))
    text = metadata.get("tree", "")
    entries = {
        name: {"dtype": e.code, "shape": e.shape, "data_offsets": [e.begin, e.end]}
        for name, e in header.entries.items()
    }
    actual = _tree_checksum(text, entries)
    if actual != sums[0]:
        raise _files.bad(header.where, 8, f"a header with checksum {sums[0]:08x}", f"{actual:08x}")
    return [_files.parse_json(text, header.where, 8, "tree")], sums[1]


class _Encoder:
    """Turns an object into JSON values; everything that JSON has no word for is an object with a "$" key."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Tensor, dict[str, Any], str]] = []
        self.names: set[str] = set()
        # Tensors made here live as long as the encoder, so that addresses stay unique.
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}

    def encode(self, obj: Any, path: tuple) -> Any:
        kind = type(obj)
        if obj is None or kind is bool or kind is str:
            return obj
        if kind is int:
            return obj if -(2**53) <= obj <= 2**53 else {"$": "int", "v": hex(obj)}
        if isinstance(obj, float):
            value = float(obj)
            return value if value - value == 0 else {"$": "float", "v": repr(value)}
        if isinstance(obj, Tensor):
            return self._tensor(obj, path)
        if kind is list:
            return [self.encode(item, (*path, i)) for i, item in enumerate(obj)]
        if kind is tuple or kind.__name__ == "Size" and isinstance(obj, tuple):
            tag = "tuple" if kind is tuple else "size"
            return {"$": tag, "v": [self.encode(item, (*path, i)) for i, item in enumerate(obj)]}
        if kind is dict or kind is OrderedDict:
            if kind is dict and all(type(key) is str for key in obj) and "$" not in obj:
                return {key: self.encode(value, (*path, key)) for key, value in obj.items()}
            pairs = [[self._key(key, path), self.encode(value, (*path, key))] for key, value in obj.items()]
            return {"$": "dict" if kind is dict else "odict", "v": pairs}
        if kind in (bytes, bytearray):
            return {"$": kind.__name__, "v": bytes(obj).hex()}
        if kind in (set, frozenset):
            items = sorted(obj, key=lambda item: (type(item).__name__, repr(item)))
            return {"$": kind.__name__, "v": [self._key(item, path) for item in items]}
        if kind is complex:
            return {"$": "complex", "v": [repr(obj.real), repr(obj.imag)]}
        if isinstance(obj, clew.dtype):
            return {"$": "dtype", "v": _files.code_of(obj)}
        if isinstance(obj, clew.device):
            return {"$": "device", "v": str(obj)}
        if isinstance(obj, np.ndarray):
            return self._array(obj, path)
        if isinstance(obj, np.generic):
            return self.encode(obj.item(), path)
        if isinstance(obj, (int, str, bool)):
            # Enumerations and the like: their plain value.
            return self.encode(int(obj) if isinstance(obj, int) else str.__str__(obj), path)
        raise TypeError(
            "save: expected tensors, numbers, strings, bytes, None, lists, tuples, sets and dicts, "
            f"got {kind.__module__}.{kind.__qualname__} (at {_spelled(path)}"
            + (
                "; save its state_dict(), as files hold data and no code)"
                if hasattr(obj, "state_dict")
                else ")"
            )
        )

    def _array(self, array: np.ndarray, path: tuple) -> dict[str, Any]:
        try:
            tensor = clew.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
        except TypeError:
            raise TypeError(
                f"save: expected arrays of a dtype that tensors have, got {array.dtype} (at {_spelled(path)})"
            ) from None
        node = self._tensor(tensor, path)
        node["numpy"] = True
        return node

    def _key(self, key: Any, path: tuple) -> Any:
        if not (key is None or isinstance(key, (str, int, float, bool, bytes, tuple))):
            raise TypeError(
                "save: expected str, int, float, bool, bytes, None or tuples as keys, "
                f"got {type(key).__name__} (at {_spelled(path)})"
            )
        return self.encode(key, (*path, "key"))

    def _tensor(self, tensor: Tensor, path: tuple) -> dict[str, Any]:
        from clew.nn.parameter import Parameter

        node: dict[str, Any] = {"$": "tensor"}
        if isinstance(tensor, Parameter):
            node["parameter"] = True
        if tensor.requires_grad:
            node["grad"] = True
        name = ".".join(str(part) for part in path) or "tensor"
        if id(tensor) in self.seen:
            plain = self.seen[id(tensor)][1]
        else:
            plain = tensor.detach()
            if plain.device.type != "cpu":
                plain = plain.cpu()
            plain = plain.contiguous()
            self.seen[id(tensor)] = (tensor, plain)
        self.nodes.append((plain, node, name))
        return node

    def place(self) -> dict[str, Tensor]:
        """Chooses which tensors are written; the others become parts of those."""
        items = []
        for order, (tensor, node, name) in enumerate(self.nodes):
            item = tensor.element_size()
            items.append((tensor.data_ptr(), -tensor.numel() * item, order, tensor, node, name))
        stored: dict[str, Tensor] = {}
        # By dtype: address and end of the stored tensor that reaches furthest, and its name.
        reach: dict[Any, tuple[int, int, str]] = {}
        for begin, minus_size, _, tensor, node, name in sorted(items, key=lambda entry: entry[:3]):
            end = begin - minus_size
            first, last, holder = reach.get(tensor.dtype, (0, 0, ""))
            offset = begin - first
            if end > begin and first <= begin and end <= last and offset % tensor.element_size() == 0:
                node["name"] = holder
                if (begin, end) != (first, last) or list(tensor.shape) != list(stored[holder].shape):
                    node["offset"] = offset // tensor.element_size()
                    node["shape"] = list(tensor.shape)
                continue
            unique, number = name, 1
            while unique in stored or unique == "__metadata__":
                unique, number = f"{name}#{number}", number + 1
            stored[unique] = tensor
            node["name"] = unique
            if end > begin:
                reach[tensor.dtype] = (begin, end, unique)
        # In the order of the object, which is how a reader expects them.
        wanted = {node["name"]: None for _, node, _ in self.nodes}
        return {name: stored[name] for name in wanted}


def _spelled(path: tuple) -> str:
    return "obj" + "".join(f"[{part!r}]" for part in path)


class _Decoder:
    """Builds the object; the tensors are there already."""

    def __init__(self, tensors: dict[str, Tensor], header: _files.Header) -> None:
        self.tensors = tensors
        self.header = header
        self.made: dict[tuple, Tensor] = {}

    def _bad(self, expected: str, got: Any) -> Exception:
        return _files.bad(self.header.where, 8, expected, repr(got)[:120])

    def decode(self, tree: list[Any]) -> Any:
        return self._value(tree[0])

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag = value.get("$")
        if tag is None:
            return {key: self._value(item) for key, item in value.items()}
        if tag == "tensor":
            return self._array(value) if value.get("numpy") is True else self._tensor(value)
        body = value.get("v")
        try:
            return self._tagged(tag, body)
        except (_files.FileFormatError, RecursionError):
            raise
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RuntimeError) as error:
            raise self._bad(f"a value of kind {tag!r}", f"{body!r} ({type(error).__name__})") from None

    def _tagged(self, tag: Any, body: Any) -> Any:
        if tag in ("dict", "odict"):
            result: dict[Any, Any] = {} if tag == "dict" else OrderedDict()
            if not isinstance(body, list):
                raise TypeError("list")
            for key, item in body:
                result[self._value(key)] = self._value(item)
            if len(result) != len(body):
                raise ValueError("a key that appears twice")
            return result
        if tag in ("tuple", "size", "set", "frozenset"):
            if not isinstance(body, list):
                raise TypeError("list")
            if tag == "size" and not all(map(_files._is_count, body)):
                raise TypeError("sizes")
            make = {"tuple": tuple, "size": clew.Size, "set": set, "frozenset": frozenset}[tag]
            return make([self._value(item) for item in body])
        if tag == "int":
            return int(body, 16)
        if tag == "float":
            return float(body)
        if tag == "complex":
            return complex(float(body[0]), float(body[1]))
        if tag == "bytes":
            return bytes.fromhex(body)
        if tag == "bytearray":
            return bytearray.fromhex(body)
        if tag == "dtype":
            return _files.dtype_of(body)
        if tag == "device":
            return clew.device(body)
        raise KeyError(tag)

    def _array(self, node: dict[str, Any]) -> np.ndarray:
        tensor = self._tensor(node).detach()
        try:
            return tensor.numpy()
        except TypeError:
            raise self._bad("a tensor of a dtype that arrays have", str(tensor.dtype)) from None

    def _tensor(self, node: dict[str, Any]) -> Tensor:
        name = node.get("name")
        holder = self.tensors.get(name) if isinstance(name, str) else None
        if holder is None:
            raise self._bad("the name of a tensor", name)
        offset, shape = node.get("offset"), node.get("shape")
        parameter, grad = node.get("parameter") is True, node.get("grad") is True
        key = (name, offset, repr(shape), parameter, grad)
        if key in self.made:
            return self.made[key]
        tensor = holder
        if offset is not None or shape is not None:
            if (
                not _files._is_count(offset)
                or not isinstance(shape, list)
                or not all(map(_files._is_count, shape))
            ):
                raise self._bad("offset and shape of a part", (offset, shape))
            count = 1
            for size in shape:
                count *= size
            if offset + count > holder.numel():
                raise self._bad(f"a part within {holder.numel()} elements", (offset, shape))
            tensor = holder.view(-1)[offset : offset + count].view(shape).detach()
        elif parameter or grad:
            tensor = holder.detach()
        if grad and tensor.dtype not in (clew.float32, clew.float64, clew.float16, clew.bfloat16):
            raise self._bad("a floating point tensor that requires a gradient", str(tensor.dtype))
        if parameter:
            from clew.nn.parameter import Parameter

            tensor = Parameter(tensor, requires_grad=grad)
        elif grad:
            tensor.requires_grad_(True)
        self.made[key] = tensor
        return tensor


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("serialization", name)
