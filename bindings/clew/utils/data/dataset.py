"""Where samples come from."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import clew
from clew import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by index: subclasses define `__getitem__`, and `__len__` for samplers.

    A subclass may define `__getitems__(indices)` that returns the list of samples of one batch.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"Dataset: expected {type(self).__name__} to define __getitem__, got none")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples in a stream: subclasses define `__iter__`."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"IterableDataset: expected {type(self).__name__} to define __iter__, got none"
        )

    def __add__(self, other: Dataset[T_co]) -> ChainDataset:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Streams one after the other.

    Args:
        datasets: IterableDatasets; an iterable of them is read as the streams are needed.
    Raises:
        TypeError: on the way, one of them is no IterableDataset.
    """

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset: expected IterableDatasets, got {type(dataset).__name__}")
            yield dataset

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())


class StackDataset(Dataset):
    """Datasets side by side: sample i is a tuple, or a dict, of their samples i.

    Args:
        args: datasets, for tuples.
        kwargs: named datasets, for dicts; excludes `args`.
    Raises:
        ValueError: none or both kinds given, or lengths that differ.
    Example:
        >>> stacked = clew.utils.data.StackDataset(image=range(3), label="abc")
        >>> stacked[1]
        {'image': 1, 'label': 'b'}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: expected datasets by position or by name, "
                f"got {len(args)} by position and {len(kwargs)} by name"
            )
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(f"StackDataset: expected datasets of one length, got {lengths}")
        self._length = lengths[0]
        self.datasets = args or kwargs

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        named = isinstance(self.datasets, dict)
        datasets = list(self.datasets.values()) if named else list(self.datasets)
        columns = []
        for dataset in datasets:
            fetch = getattr(dataset, "__getitems__", None)
            column = fetch(indices) if callable(fetch) else [dataset[i] for i in indices]
            if len(column) != len(indices):
                raise ValueError(
                    f"StackDataset: expected {len(indices)} samples, got {len(column)} "
                    f"of {type(dataset).__name__}"
                )
            columns.append(column)
        rows = zip(*columns, strict=True)
        return [dict(zip(self.datasets, row, strict=True)) for row in rows] if named else list(rows)

    def __len__(self) -> int:
        return self._length


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors: sample i is (t[i] for each tensor t).

    A loader with the default collate takes each batch with one gather per tensor.

    Args:
        tensors: one or more tensors with the same size of dimension 0.
    Raises:
        ValueError: sizes differ, or no tensor was given.
    Example:
        >>> dataset = clew.utils.data.TensorDataset(clew.arange(6).reshape(3, 2), clew.arange(3))
        >>> [t.tolist() for t in dataset[1]]
        [[2, 3], 1]
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: expected one or more tensors, got none")
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"TensorDataset: expected Tensors, got {type(tensor).__name__} (position {i})"
                )
            if tensor.ndim == 0:
                raise ValueError(
                    f"TensorDataset: expected tensors with rows, got a 0-dim tensor (position {i})"
                )
        sizes = [tensor.shape[0] for tensor in tensors]
        if any(size != sizes[0] for size in sizes):
            raise ValueError(
                f"TensorDataset: expected tensors with the same size of dimension 0, got {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other.

    Args:
        datasets: datasets with a length.
    Raises:
        ValueError: none given.
        TypeError: one of them is an IterableDataset.
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected one or more datasets, got none")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise TypeError("ConcatDataset: expected datasets with indices, got an IterableDataset")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: expected an index in [{-size}, {size}), got {index}")
        index %= size
        which = bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]


class Subset(Dataset[T_co]):
    """The samples of a dataset at given indices.

    Args:
        dataset: where they come from.
        indices: a sequence of ints.
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch(chosen) if fetch is not None else [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[T_co]]:
    """Splits a dataset at random into parts that do not overlap.

    Args:
        dataset: a dataset with a length.
        lengths: sizes that sum to the dataset's, or fractions that sum to 1; what rounding leaves over
            goes to the first parts, one each.
        generator: where the random numbers come from; None means the default one.
    Returns:
        One Subset for each length.
    Raises:
        ValueError: the sizes or fractions do not sum up, or a fraction is outside [0, 1].
    Example:
        >>> parts = clew.utils.data.random_split(range(10), [0.5, 0.3, 0.2])
        >>> [len(part) for part in parts]
        [5, 3, 2]
    """
    total = len(dataset)
    sizes = list(lengths)
    if (
        math.isclose(sum(sizes), 1)
        and sum(sizes) <= 1 + 1e-6
        and any(isinstance(size, float) for size in sizes)
    ):
        for fraction in sizes:
            if not 0 <= fraction <= 1:
                raise ValueError(f"random_split: expected fractions in [0, 1], got {fraction}")
        sizes = [math.floor(total * fraction) for fraction in sizes]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != total:
        raise ValueError(f"random_split: expected lengths that sum to {total}, got {list(lengths)}")
    order = clew.randperm(total, generator=generator).tolist()
    ends = list(accumulate(int(size) for size in sizes))
    return [Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)]
