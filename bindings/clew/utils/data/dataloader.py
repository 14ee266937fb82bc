"""The loader: samples in, batches out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import clew
from clew import Tensor
from clew.utils.data.collate import default_collate, default_convert
from clew.utils.data.dataset import Dataset, IterableDataset, Subset, TensorDataset
from clew.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
)

__all__ = ["DataLoader", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)


def get_worker_info() -> None:
    """Returns what a worker process knows about itself; None in the main process."""
    return None


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches, one epoch per `iter()`.

    A TensorDataset, also under Subset, with the default collate is read with one gather per tensor and batch.
    Shuffling draws one permutation per epoch from `generator`, or from the default generator.

    Args:
        dataset: with `__getitem__` and `__len__`, or an IterableDataset.
        batch_size: samples per batch; None turns batching off.
        shuffle: a new random order each epoch.
        sampler: gives the indices instead; excludes `shuffle`.
        batch_sampler: gives lists of indices; excludes `batch_size`, `shuffle`, `sampler`, `drop_last`.
        num_workers: 0, which loads in this process.
        collate_fn: makes a batch of a list of samples; None means `default_collate`.
        pin_memory: for copies to a device; without one it warns and changes nothing.
        drop_last: leave out a last batch that is shorter.
        timeout, worker_init_fn, prefetch_factor, persistent_workers, multiprocessing_context, in_order:
            of worker processes; without workers only their defaults are allowed.
        generator: where the random numbers come from.
    Raises:
        ValueError: arguments that exclude each other, or out of range.
        NotImplementedError: `num_workers` above 0.
    Example:
        >>> dataset = clew.utils.data.TensorDataset(clew.arange(5))
        >>> [batch[0].tolist() for batch in clew.utils.data.DataLoader(dataset, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    dataset: Dataset[T_co]
    batch_size: int | None

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: expected num_workers as an int >= 0, got {num_workers!r}")
        if timeout < 0:
            raise ValueError(f"DataLoader: expected timeout >= 0, got {timeout}")
        if num_workers > 0:
            raise NotImplementedError(
                f"DataLoader: expected num_workers=0, got {num_workers} "
                "(this version loads in the calling process)"
            )
        for name, value, default in (
            ("prefetch_factor", prefetch_factor, None),
            ("persistent_workers", persistent_workers, False),
            ("multiprocessing_context", multiprocessing_context, None),
            ("timeout", timeout, 0),
        ):
            if value != default:
                raise ValueError(f"DataLoader: expected {name}={default} with num_workers=0, got {value!r}")
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value not in (None, False):
                    raise ValueError(
                        f"DataLoader: expected {name} unset with an IterableDataset, got {value!r} "
                        "(the dataset gives the order)"
                    )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: expected sampler or shuffle, got both")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: expected batch_sampler alone, "
                    "got it with batch_size, shuffle, sampler or drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "DataLoader: expected drop_last=False without batching (batch_size=None), got True"
            )
        if pin_memory:
            import warnings

            warnings.warn("DataLoader: pin_memory=True has no effect without a device", stacklevel=2)
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
                raise ValueError(
                    f"DataLoader: expected batch_size as a positive int or None, got {batch_size!r}"
                )
            if batch_sampler is None and not iterable:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        if collate_fn is None:
            batched = batch_size is not None or batch_sampler is not None
            collate_fn = default_collate if batched else default_convert
        self.collate_fn = collate_fn

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            return self._stream()
        if self.batch_sampler is None:
            return self._samples()
        source = self._in_memory()
        if source is not None:
            return self._gather(*source)
        return self._batches()

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            size = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return size
            return size // self.batch_size if self.drop_last else -(-size // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)  # type: ignore[arg-type]

    # -- the ways to iterate ---------------------------------------------------------------------

    def _samples(self) -> Iterator[Any]:
        for index in self.sampler:  # type: ignore[union-attr]
            yield self.collate_fn(self.dataset[index])  # type: ignore[arg-type]

    def _batches(self) -> Iterator[Any]:
        dataset, collate = self.dataset, self.collate_fn
        fetch = getattr(dataset, "__getitems__", None)
        for indices in self.batch_sampler:  # type: ignore[union-attr]
            yield collate(fetch(indices) if fetch is not None else [dataset[i] for i in indices])

    def _stream(self) -> Iterator[Any]:
        collate = self.collate_fn
        if self.batch_size is None:
            for sample in self.dataset:  # type: ignore[attr-defined]
                yield collate(sample)
            return
        batch: list[Any] = []
        for sample in self.dataset:  # type: ignore[attr-defined]
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield collate(batch)
                batch = []
        if batch and not self.drop_last:
            yield collate(batch)

    def _in_memory(self) -> tuple[tuple[Tensor, ...], Tensor | None] | None:
        """The tensors behind the dataset and which of their rows are its samples; None if not in memory."""
        if self.collate_fn is not default_collate:
            return None
        dataset: Any = self.dataset
        rows: Tensor | None = None
        while type(dataset) is Subset:
            indices = dataset.indices
            if not isinstance(indices, Tensor):
                if not all(type(i) is int for i in indices):
                    return None
                indices = clew.tensor(list(indices), dtype=clew.int64)
            # Negative indices count from the end, as they do for a list.
            size = len(dataset.dataset)
            if indices.shape[0] and (int(indices.min()) < -size or int(indices.max()) >= size):
                return None
            indices = clew.where(indices < 0, indices + size, indices)
            rows = indices if rows is None else indices.index_select(0, rows)
            dataset = dataset.dataset
        # A subclass with its own __getitem__ decides what a sample is.
        plain = isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__
        return (dataset.tensors, rows) if plain and not hasattr(dataset, "__getitems__") else None

    def _gather(self, tensors: tuple[Tensor, ...], rows: Tensor | None) -> Iterator[list[Tensor]]:
        batches: Any = self.batch_sampler
        sampler = batches.sampler if type(batches) is BatchSampler else None
        kind = type(sampler)
        order: Tensor | None
        if kind is SequentialSampler:
            count, order = len(sampler), rows
        elif kind is RandomSampler:
            order = sampler._order()
            count = order.shape[0]
            if rows is not None or len(sampler.data_source) != len(self.dataset):
                order = _translate(order, rows, tensors)
        elif kind is SubsetRandomSampler and all(type(i) is int for i in sampler.indices):
            places = clew.randperm(len(sampler.indices), generator=sampler.generator)
            chosen = clew.tensor(list(sampler.indices), dtype=clew.int64)
            order = _translate(chosen.index_select(0, places), rows, tensors)
            count = order.shape[0]
        else:
            # A sampler that is not known here may be endless: take it batch by batch.
            for indices in batches:
                chosen = clew.tensor([int(i) for i in indices], dtype=clew.int64)
                index = _translate(chosen, rows, tensors)
                yield [t.index_select(0, index) for t in tensors]
            return
        size = batches.batch_size
        end = count - count % size if batches.drop_last else count
        for start in range(0, end, size):
            stop = min(start + size, end)
            if order is None:
                # A copy, so that changing a batch in place leaves the dataset as it is.
                yield [t[start:stop].clone() for t in tensors]
            else:
                index = order[start:stop]
                yield [t.index_select(0, index) for t in tensors]


def _translate(chosen: Tensor, rows: Tensor | None, tensors: tuple[Tensor, ...]) -> Tensor:
    """Indices of samples to indices of rows; negative ones count from the end."""
    size = tensors[0].shape[0] if rows is None else rows.shape[0]
    if chosen.shape[0]:
        low, high = int(chosen.min()), int(chosen.max())
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise IndexError(f"DataLoader: expected indices in [{-size}, {size}), got {wrong}")
        if low < 0:
            chosen = clew.where(chosen < 0, chosen + size, chosen)
    return chosen if rows is None else rows.index_select(0, chosen)
