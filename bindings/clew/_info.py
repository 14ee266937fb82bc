"""Facts about dtypes and promotion, and switches that PyTorch programs set."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from clew import _C

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "are_deterministic_algorithms_enabled",
    "can_cast",
    "finfo",
    "get_float32_matmul_precision",
    "get_default_device",
    "iinfo",
    "is_complex",
    "is_nonzero",
    "result_type",
    "seed",
    "set_default_device",
    "set_float32_matmul_precision",
    "set_printoptions",
    "use_deterministic_algorithms",
]

Tensor = _C.Tensor
_Python = {bool: _C.bool, int: _C.int64, complex: _C.complex64}
_RANK = {_C.bool: 0, **dict.fromkeys((_C.uint8, _C.int8, _C.int16, _C.int32, _C.int64), 1)}
_RANK |= dict.fromkeys((_C.float16, _C.bfloat16, _C.float32, _C.float64), 2)
_RANK |= dict.fromkeys((_C.complex64, _C.complex128), 3)


class finfo:
    """Limits of a floating dtype.

    Args:
        type: a floating or complex dtype; None means the default dtype.
    Attributes:
        bits: size of a value.
        eps: distance from 1 to the next larger value.
        max, min: largest and smallest finite value.
        tiny, smallest_normal: smallest positive value with full precision.
        resolution: about the decimal precision.
        dtype: the name of the dtype.
    Raises:
        TypeError: the dtype is not floating.
    Example:
        >>> clew.finfo(clew.float32).eps
        1.1920928955078125e-07
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: _C.dtype | None = None) -> None:
        type = _C.get_default_dtype() if type is None else type
        type = {_C.complex64: _C.float32, _C.complex128: _C.float64}.get(type, type)
        name = repr(type).removeprefix("clew.")
        if type == _C.bfloat16:
            # 8 bits of exponent as float32 has, 7 of fraction.
            self.bits, self.eps, self.resolution = 16, 2.0**-7, 0.01
            self.max, self.tiny = (2 - 2.0**-7) * 2.0**127, 2.0**-126
            self.min = -self.max
        elif type in (_C.float16, _C.float32, _C.float64):
            known = np.finfo(name)
            self.bits, self.eps, self.resolution = known.bits, float(known.eps), 10.0**-known.precision
            self.max, self.min, self.tiny = float(known.max), float(known.min), float(known.tiny)
        else:
            raise TypeError(f"finfo: expected a floating dtype, got {name}")
        self.smallest_normal, self.dtype = self.tiny, name

    def __repr__(self) -> str:
        fields = ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype")
        return f"finfo({', '.join(f'{key}={getattr(self, key)}' for key in fields)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype.

    Args:
        type: an integer dtype.
    Attributes:
        bits: size of a value.
        max, min: largest and smallest value.
        dtype: the name of the dtype.
    Raises:
        TypeError: the dtype is not an integer one.
    Example:
        >>> clew.iinfo(clew.int8).max
        127
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: _C.dtype) -> None:
        name = repr(type).removeprefix("clew.")
        if _RANK.get(type) != 1:
            raise TypeError(f"iinfo: expected an integer dtype, got {name}")
        known = np.iinfo(name)
        self.bits, self.max, self.min, self.dtype = known.bits, int(known.max), int(known.min), name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


def can_cast(from_: _C.dtype, to: _C.dtype) -> bool:
    """True when values of one dtype may become another without leaving its category downwards.

    Example:
        >>> clew.can_cast(clew.float64, clew.int32), clew.can_cast(clew.int32, clew.float16)
        (False, True)
    """
    return _RANK[from_] <= _RANK[to]


def result_type(tensor1: Any, tensor2: Any) -> _C.dtype:
    """The dtype of an operation on two tensors or numbers.

    Example:
        >>> clew.result_type(clew.ones(2, dtype=clew.int32), 1.0)
        clew.float32
    """
    # Numbers matter less than tensors without dimensions, and these less than other tensors.
    found: dict[int, _C.dtype] = {}
    for value in (tensor1, tensor2):
        if isinstance(value, Tensor):
            dtype, place = value.dtype, 0 if value.dim() else 1
        elif type(value) in _Python or isinstance(value, float):
            dtype, place = _Python.get(type(value), _C.get_default_dtype()), 2
        else:
            raise TypeError(f"result_type: expected Tensors or numbers, got {type(value).__name__}")
        found[place] = _C.promote_types(found[place], dtype) if place in found else dtype
    result = found[min(found)]
    for place in sorted(found)[1:]:
        if _RANK[found[place]] > _RANK[result]:
            dtype = found[place]
            result = _C.get_default_dtype() if place == 2 and _RANK[dtype] == 2 else dtype
    return result


def is_complex(input: Tensor) -> bool:
    """True when `input` has a complex dtype."""
    return input.dtype.is_complex


def is_nonzero(input: Tensor) -> bool:
    """True when the one element of `input` is not zero.

    Raises:
        RuntimeError: `input` has another number of elements than one.
    """
    if input.numel() != 1:
        raise _C.ShapeError(f"is_nonzero: expected one element, got shape {tuple(input.shape)}")
    return bool(input.item())


def seed() -> int:
    """Seeds the default generator from the system, and returns the seed."""
    return _C.default_generator.seed()


_deterministic = [False]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Notes the wish for repeatable results, which hold anyway: every sum has a fixed order."""
    _deterministic[0] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _deterministic[0]


_matmul_precision = ["highest"]


def set_float32_matmul_precision(precision: str) -> None:
    """Notes how exact float32 products have to be; on the CPU they are always exact to float32.

    Args:
        precision: "highest", "high" or "medium".
    Raises:
        RuntimeError: another word.
    """
    if precision not in ("highest", "high", "medium"):
        raise _C.ArgumentError(
            f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}"
        )
    _matmul_precision[0] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told."""
    return _matmul_precision[0]


def set_default_device(device: Any) -> None:
    """Sets the device of new tensors; this version makes them on the CPU.

    Raises:
        clew.DeviceError: another device than the CPU.
    """
    device = _C.device("cpu") if device is None else _C.device(device)
    if device.type != "cpu":
        raise _C.DeviceError(
            f"set_default_device: expected cpu, got {device} (name it in each call that makes a tensor)"
        )


def get_default_device() -> _C.device:
    """The device of new tensors."""
    return _C.device("cpu")


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors print.

    Args:
        precision: digits behind the point.
        threshold: tensors with more elements are summarised.
        edgeitems: elements shown at either end of a summarised dimension.
        linewidth: characters of a line.
        profile: "default", "short" (precision 2, threshold 1000, 2 edge items) or "full" (no summaries);
            other arguments change it.
        sci_mode: with exponents or without; None decides by the values.
    Raises:
        ValueError: an unknown profile, or a negative number.
    Example:
        >>> clew.set_printoptions(precision=2)
        >>> clew.tensor([0.125])
        tensor([0.12], shape=(1,), dtype=float32)
        >>> clew.set_printoptions(profile="default")
    """
    profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, float("inf"), 3, 80)}
    if profile is not None and profile not in profiles:
        raise ValueError(f"set_printoptions: expected profile in {sorted(profiles)}, got {profile!r}")
    current = profiles[profile] if profile is not None else _C._get_print_options()[:4]
    given = (precision, threshold, edgeitems, linewidth)
    values = [old if new is None else new for old, new in zip(current, given, strict=True)]
    names = ("precision", "threshold", "edgeitems", "linewidth")
    for name, value in zip(names, values, strict=True):
        if not value >= 0 or (name != "threshold" and value > 10**6):
            raise ValueError(f"set_printoptions: expected {name} >= 0, got {value}")
    values[1] = int(min(values[1], 2**62))
    _C._set_print_options(*values, sci_mode)


class _TypedTensor(type):
    """Old constructors named after a dtype: a call makes a tensor, isinstance asks for the dtype."""

    _dtype: _C.dtype

    def __call__(cls, *args: Any) -> Tensor:
        name = repr(cls._dtype).removeprefix("clew.")
        warnings.warn(
            f"{cls.__name__}: expected clew.tensor(data, dtype=clew.{name}), got the old spelling of it",
            DeprecationWarning,
            stacklevel=2,
        )
        return Tensor(*args).to(cls._dtype) if _are_sizes(args) else _of_dtype(args, cls)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls._dtype


def _are_sizes(args: tuple) -> bool:
    return all(isinstance(a, int) and not isinstance(a, bool) for a in args)


def _of_dtype(args: tuple, cls: Any) -> Tensor:
    if len(args) != 1:
        raise TypeError(f"{cls.__name__}: expected sizes, or data as one argument, got {len(args)} arguments")
    return _C.tensor(args[0], dtype=cls._dtype)


def _typed(name: str, dtype: _C.dtype) -> Any:
    doc = f"The old spelling of `clew.tensor(data, dtype={dtype!r})`; integers are sizes. Warns."
    return _TypedTensor(name, (), {"_dtype": dtype, "__doc__": doc, "__module__": "clew"})


BoolTensor = _typed("BoolTensor", _C.bool)
ByteTensor = _typed("ByteTensor", _C.uint8)
CharTensor = _typed("CharTensor", _C.int8)
DoubleTensor = _typed("DoubleTensor", _C.float64)
FloatTensor = _typed("FloatTensor", _C.float32)
HalfTensor = _typed("HalfTensor", _C.float16)
IntTensor = _typed("IntTensor", _C.int32)
LongTensor = _typed("LongTensor", _C.int64)
ShortTensor = _typed("ShortTensor", _C.int16)
