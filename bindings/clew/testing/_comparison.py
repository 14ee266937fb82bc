"""Comparing tensors and what holds them."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import clew
from clew import Tensor

__all__ = ["assert_allclose", "assert_close"]

# (rtol, atol) per dtype; all others are compared exactly.
_TOLERANCES = {
    clew.float16: (1e-3, 1e-5),
    clew.bfloat16: (1.6e-2, 1e-5),
    clew.float32: (1.3e-6, 1e-5),
    clew.float64: (1e-7, 1e-7),
    clew.complex64: (1.3e-6, 1e-5),
    clew.complex128: (1e-7, 1e-7),
}


def _tolerances(dtypes: Sequence[Any], rtol: float | None, atol: float | None) -> tuple[float, float]:
    if (rtol is None) != (atol is None):
        given, other = ("rtol", "atol") if atol is None else ("atol", "rtol")
        raise ValueError(f"assert_close: expected rtol and atol together, got {given} without {other}")
    if rtol is not None and atol is not None:
        return float(rtol), float(atol)
    pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


class _Different(AssertionError):
    """A difference, with where it was found within lists and dicts."""

    def __init__(self, text: str, place: tuple = (), kind: type[Exception] = AssertionError) -> None:
        super().__init__(text)
        self.text, self.place, self.kind = text, place, kind

    def message(self) -> str:
        if not self.place:
            return self.text
        return f"{self.text}\n\nThe failure occurred for item {''.join(f'[{part!r}]' for part in self.place)}"


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype in (clew.bfloat16, clew.float16):
        tensor = tensor.float()
    return tensor.contiguous().numpy()


def _compare_tensors(actual: Tensor, expected: Tensor, options: dict[str, Any]) -> None:
    def differ(name: str, a: Any, b: Any) -> None:
        if a != b:
            raise _Different(f"The values for attribute '{name}' do not match: {a} != {b}.")

    differ("shape", tuple(actual.shape), tuple(expected.shape))
    if options["check_device"]:
        differ("device", actual.device, expected.device)
    if options["check_dtype"]:
        differ("dtype", actual.dtype, expected.dtype)
    if options["check_stride"]:
        differ("stride()", actual.stride(), expected.stride())
    rtol, atol = _tolerances([actual.dtype, expected.dtype], options["rtol"], options["atol"])
    if not actual.numel():
        return
    a, b = _array(actual), _array(expected)
    exact = a.dtype.kind not in "fc" and b.dtype.kind not in "fc"
    if not exact:
        wide = np.complex128 if "c" in a.dtype.kind + b.dtype.kind else np.float64
        a, b = a.astype(wide), b.astype(wide)
    elif "b" in (a.dtype.kind, b.dtype.kind):
        a, b = a.astype(np.int64), b.astype(np.int64)
    with np.errstate(all="ignore"):
        distance = np.abs(a.astype(object) - b.astype(object)) if a.dtype.kind in "iu" else np.abs(a - b)
        size = np.abs(b)
        same = a == b
        if exact and rtol == 0 and atol == 0:
            close = same
        else:
            close = same | (
                (distance.astype(np.float64) <= atol + rtol * size.astype(np.float64))
                & np.isfinite(b.astype(a.dtype))
            )
        if options["equal_nan"]:
            close = close | ((a != a) & (b != b))
        wrong = ~close
        count = int(np.count_nonzero(wrong))
        if not count:
            return
        absolute = np.where(wrong, distance, 0).astype(np.float64)
        relative = np.where(wrong, distance.astype(np.float64) / size.astype(np.float64), 0)
    head = "Tensor-likes are not equal!" if rtol == 0 and atol == 0 else "Tensor-likes are not close!"
    if a.ndim == 0:
        raise _Different(_scalar_text("Scalars", actual.item(), expected.item(), rtol, atol))
    lines = [head, "", f"Mismatched elements: {count} / {a.size} ({count / a.size:.1%})"]
    for word, values, limit in (("absolute", absolute, atol), ("relative", relative, rtol)):
        # nan counts as the greatest of all.
        flat = int(np.argmax(np.where(np.isnan(values), np.inf, values)))
        index = tuple(int(i) for i in np.unravel_index(flat, values.shape))
        value = float(values.reshape(-1)[flat])
        shown = int(value) if exact and word == "absolute" and math.isfinite(value) else value
        allowed = "" if rtol == 0 and atol == 0 else f" (up to {limit} allowed)"
        lines.append(f"Greatest {word} difference: {shown} at index {index}{allowed}")
    raise _Different("\n".join(lines))


def _scalar_text(what: str, actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = absolute / abs(expected) if expected else math.inf
    if rtol == 0 and atol == 0:
        head, limits = f"{what} are not equal!", ("", "")
    else:
        head = f"{what} are not close!"
        limits = (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    return "\n".join(
        [
            head,
            "",
            f"Expected {expected} but got {actual}.",
            f"Absolute difference: {absolute}{limits[0]}",
            f"Relative difference: {relative}{limits[1]}",
        ]
    )


def _compare_numbers(actual: Any, expected: Any, options: dict[str, Any]) -> None:
    if options["check_dtype"] and type(actual) is not type(expected):
        raise _Different(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    kinds = {bool: clew.bool, int: clew.int64, float: clew.float64, complex: clew.complex128}
    dtypes = [kinds.get(type(v), clew.float64) for v in (actual, expected)]
    rtol, atol = _tolerances(dtypes, options["rtol"], options["atol"])
    if actual == expected or (options["equal_nan"] and cmath.isnan(actual) and cmath.isnan(expected)):
        return
    if cmath.isfinite(expected) and abs(actual - expected) <= atol + rtol * abs(expected):
        return
    if isinstance(actual, bool) and isinstance(expected, bool):
        raise _Different(f"Booleans mismatch: {actual} is not {expected}")
    raise _Different(_scalar_text("Scalars", actual, expected, rtol, atol))


def _compare(actual: Any, expected: Any, options: dict[str, Any], place: tuple) -> None:
    try:
        if isinstance(actual, Mapping) and isinstance(expected, Mapping):
            if set(actual) != set(expected):
                lost, extra = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
                raise _Different(
                    "The keys of the mappings do not match:\n"
                    f"Missing keys in the actual mapping: {lost}\n"
                    f"Additional keys in the actual mapping: {extra}"
                )
            for key in actual:
                _compare(actual[key], expected[key], options, (*place, key))
        elif _is_sequence(actual) and _is_sequence(expected):
            if len(actual) != len(expected):
                raise _Different(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
            for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
                _compare(a, b, options, (*place, i))
        elif actual is None or expected is None:
            if actual is not expected:
                raise _Different(f"None mismatch: {actual} is not {expected}")
        elif _is_number(actual) and _is_number(expected):
            _compare_numbers(actual, expected, options)
        else:
            pair = []
            for value in (actual, expected):
                if not isinstance(value, (Tensor, np.ndarray, np.generic)) and not _is_number(value):
                    raise TypeError(
                        "assert_close: expected tensors, numbers, arrays, sequences or mappings, got "
                        f"{type(value).__name__}"
                    )
                pair.append(value if isinstance(value, Tensor) else clew.as_tensor(value))
            if isinstance(actual, Tensor) != isinstance(expected, Tensor) and not options["allow_subclasses"]:
                raise TypeError(
                    f"assert_close: expected one type, got {type(actual).__name__} and "
                    f"{type(expected).__name__}"
                )
            _compare_tensors(pair[0], pair[1], options)
    except _Different as error:
        if not error.place:
            error.place = place
        raise


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless |actual - expected| <= atol + rtol * |expected| in all elements.

    Tensors, numbers and arrays are compared, and sequences and mappings of them entry by entry. Without
    tolerances they follow from the dtypes: (rtol, atol) are (1.3e-6, 1e-5) for float32, (1e-7, 1e-7) for
    float64, (1e-3, 1e-5) for float16, (1.6e-2, 1e-5) for bfloat16, and (0, 0) for all others.

    Args:
        actual, expected: what is compared.
        allow_subclasses: whether other types may stand beside tensors.
        rtol, atol: both or neither.
        equal_nan: whether two nan count as close.
        check_device, check_dtype, check_stride: whether these have to agree as well.
        check_layout: accepted; every tensor has the same layout here.
        msg: the message, or a function of the message that would stand there.
    Raises:
        AssertionError: something differs; the message says how much and where.
    Example:
        >>> clew.testing.assert_close(clew.tensor([1.0]), clew.tensor([1.0 + 1e-7]))
        >>> clew.testing.assert_close(clew.tensor([1, 2]), clew.tensor([1, 3]))
        Traceback (most recent call last):
            ...
        AssertionError: Tensor-likes are not equal!
        <BLANKLINE>
        Mismatched elements: 1 / 2 (50.0%)
        Greatest absolute difference: 1 at index (1,)
        Greatest relative difference: 0.3333333333333333 at index (1,)
    """
    _tolerances([clew.float32], rtol, atol)
    options = {
        "allow_subclasses": allow_subclasses,
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "check_stride": check_stride,
    }
    text = None
    try:
        _compare(actual, expected, options, ())
    except _Different as error:
        text = error.message()
    if text is not None:
        if msg is not None:
            text = msg(text) if callable(msg) else msg
        raise AssertionError(text)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """`assert_close` without a look at dtype and device, and with nan equal to nan."""
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=False,
        check_dtype=False,
        msg=msg or None,
    )
