"""The part of a dataset that one of several processes takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

import clew
from clew.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, from `rank` on, of one order that all processes share.

    The order is drawn from `seed` and the epoch; call `set_epoch` before each epoch for a new one.

    Args:
        dataset: anything with a length.
        num_replicas: how many processes there are.
        rank: which of them this is, from 0 on.
        shuffle: a random order.
        seed: the same in all processes.
        drop_last: leave out what does not divide evenly; otherwise the first indices are repeated.
    Raises:
        ValueError: `num_replicas` or `rank` is missing or out of range.
    Example:
        >>> list(clew.utils.data.distributed.DistributedSampler(range(5), 2, 1, shuffle=False))
        [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                f"DistributedSampler: expected num_replicas and rank, got {num_replicas} and {rank} "
                "(there is no process group to ask)"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: expected rank in [0, {num_replicas}), got {rank}")
        self.dataset: Any = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        size = len(dataset)
        self.num_samples = size // num_replicas if drop_last else math.ceil(size / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        if self.shuffle:
            generator = clew.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = clew.randperm(size, generator=generator).tolist()
        else:
            indices = list(range(size))
        if size and self.total_size > size:
            repeats = math.ceil(self.total_size / size)
            indices = indices * repeats
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next epoch."""
        self.epoch = epoch
