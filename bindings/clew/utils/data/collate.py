"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import clew
from clew import Tensor

__all__ = ["default_collate", "default_convert"]


def _is_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy"


def default_collate(batch: Sequence[Any]) -> Any:
    """Joins samples of the same structure into one batch of that structure.

    Tensors and NumPy arrays are stacked, numbers become a tensor (floats float64), strings stay a list,
    mappings, tuples and sequences are joined entry by entry.

    Args:
        batch: the samples, one or more.
    Returns:
        The batch; a tuple or list of tensors becomes a list.
    Raises:
        TypeError: an entry of another kind.
        ValueError: sequences of different lengths, or an empty batch.
    Example:
        >>> x, y = clew.utils.data.default_collate([(clew.zeros(2), 1), (clew.ones(2), 0)])
        >>> x.tolist(), y.tolist()
        ([[0.0, 0.0], [1.0, 1.0]], [1, 0])
    """
    if len(batch) == 0:
        raise ValueError("default_collate: expected one or more samples, got none")
    first = batch[0]
    if isinstance(first, Tensor):
        return clew.stack(list(batch))
    if isinstance(first, float):
        return clew.tensor(list(batch), dtype=clew.float64)
    if isinstance(first, (bool, int)):
        return clew.tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        joined = {key: default_collate([sample[key] for sample in batch]) for key in first}
        try:
            return type(first)(joined)
        except TypeError:
            return joined
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in _columns(batch)))
    if isinstance(first, tuple):
        return [default_collate(column) for column in _columns(batch)]
    if isinstance(first, Sequence):
        columns = [default_collate(column) for column in _columns(batch)]
        try:
            return type(first)(columns)
        except TypeError:
            return columns
    if _is_numpy(first):
        import numpy

        if isinstance(first, (numpy.ndarray, numpy.generic)) and first.dtype.kind in "biuf":
            return _stack_arrays([numpy.asarray(sample) for sample in batch])
    raise TypeError(
        "default_collate: expected tensors, arrays, numbers, strings, mappings or sequences, "
        f"got {type(first).__name__} (give the DataLoader a collate_fn)"
    )


def _stack_arrays(arrays: list[Any]) -> Tensor:
    import numpy

    first = arrays[0]
    kind = getattr(clew, first.dtype.name, None)
    if kind is None or any(a.dtype != first.dtype or a.shape != first.shape for a in arrays):
        return clew.from_numpy(numpy.stack(arrays))
    # Memory of ours is kept for the next batch; NumPy would ask the system for fresh pages each time.
    out = clew.empty((len(arrays), *first.shape), dtype=kind)
    numpy.stack(arrays, out=out.numpy())
    return out


def _columns(batch: Sequence[Any]) -> list[list[Any]]:
    sizes = {len(sample) for sample in batch}
    if len(sizes) != 1:
        raise ValueError(f"default_collate: expected samples of one length, got lengths {sorted(sizes)}")
    return [list(column) for column in zip(*batch, strict=True)]


def default_convert(data: Any) -> Any:
    """Turns NumPy arrays into tensors, inside mappings and sequences too; leaves the rest as it is.

    Args:
        data: one sample.
    Returns:
        The same structure with tensors.
    Example:
        >>> clew.utils.data.default_convert([1, "a"])
        [1, 'a']
    """
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if _is_numpy(data):
        import numpy

        if isinstance(data, numpy.ndarray) and data.dtype.kind in "SUO":
            return data
        return clew.as_tensor(data)
    if isinstance(data, Mapping):
        converted = {key: default_convert(value) for key, value in data.items()}
        try:
            return type(data)(converted)
        except TypeError:
            return converted
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence):
        items = [default_convert(value) for value in data]
        try:
            return type(data)(items)
        except TypeError:
            return items
    return data
