"""From indices to a batch: the part of loading that runs in a worker, or here when there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from clew.utils.data._random import BATCH, SAMPLE, STREAM, mix, seed_all
from clew.utils.data.collate import default_collate, default_convert
from clew.utils.data.dataset import Subset, TensorDataset

__all__ = ["END", "MapFetcher", "StreamFetcher", "is_plain"]

END = object()  # what a stream gives when it has no more batches


def is_plain(dataset: Any) -> bool:
    """Whether taking a sample runs no code of the user's, so that it cannot draw random numbers."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) in (TensorDataset, list, tuple, range)


class MapFetcher:
    """Batches of a dataset with indices."""

    def __init__(self, dataset: Any, collate: Callable, batched: bool, seed: int, unique: bool) -> None:
        self.dataset = dataset
        self.collate = collate
        self.batched = batched
        self.seed = seed
        # An order that repeats indices gives the repeats random numbers of their own.
        self.unique = unique
        self.seeds_samples = not is_plain(dataset)
        self.seeds_batches = collate is not default_collate and collate is not default_convert
        self.draws = self.seeds_samples or self.seeds_batches

    def _seed_of(self, number: int, place: int, index: Any) -> int:
        if self.unique and type(index) is int:
            return mix(self.seed, SAMPLE, index)
        return mix(self.seed, SAMPLE, number, place)

    def fetch(self, number: int, indices: Any) -> Any:
        """Batch `number` of the epoch, or one sample when batching is off."""
        dataset = self.dataset
        if not self.batched:
            if self.seeds_samples:
                seed_all(self._seed_of(number, 0, indices))
            samples = dataset[indices]
        elif hasattr(dataset, "__getitems__"):
            if self.seeds_samples:
                seed_all(mix(self.seed, BATCH, number, 0))
            samples = dataset.__getitems__(indices)
        elif self.seeds_samples:
            samples = []
            for place, index in enumerate(indices):
                seed_all(self._seed_of(number, place, index))
                samples.append(dataset[index])
        else:
            samples = [dataset[index] for index in indices]
        if self.seeds_batches:
            seed_all(mix(self.seed, BATCH, number, 1))
        return self.collate(samples)


class StreamFetcher:
    """Batches of an IterableDataset, in one worker or here."""

    draws = True

    def __init__(
        self, dataset: Any, collate: Callable, size: int | None, drop_last: bool, seed: int, worker: int
    ) -> None:
        self.collate = collate
        self.size = size
        self.drop_last = drop_last
        self.seed = seed
        self.worker = worker
        self.place = 0
        seed_all(mix(seed, STREAM, worker))
        self.stream: Iterator[Any] = iter(dataset)

    def _next(self) -> Any:
        seed_all(mix(self.seed, STREAM, self.worker, self.place))
        self.place += 1
        return next(self.stream, END)

    def fetch(self, number: int, indices: Any) -> Any:
        """The next batch, or END."""
        if self.size is None:
            sample = self._next()
            return END if sample is END else self.collate(sample)
        samples: list[Any] = []
        while len(samples) < self.size:
            sample = self._next()
            if sample is END:
                break
            samples.append(sample)
        if not samples or (self.drop_last and len(samples) < self.size):
            return END
        seed_all(mix(self.seed, STREAM, self.worker, self.place, BATCH))
        return self.collate(samples)
