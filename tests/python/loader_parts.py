"""Datasets and helpers of the loader tests; workers import them by name."""

from __future__ import annotations

import random
import time

import numpy as np

import clew
from clew.utils import data
from clew.utils.data import TensorDataset, get_worker_info

START = ["fork", "spawn", "forkserver"]


class Augmented(data.Dataset):
    """Samples that draw from all three generators, in amounts that depend on the sample."""

    def __init__(self, size=23):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        for _ in range(i % 3):
            random.random()
        return clew.randn(4), random.random(), np.random.rand(2), np.random.standard_normal(), i


class Squares(data.Dataset):
    def __init__(self, size=10, width=1):
        self.size, self.width = size, width

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return clew.full((self.width,), float(i * i)), i


class Failing(Squares):
    def __init__(self, what, at=5, size=10):
        super().__init__(size)
        self.what, self.at = what, at

    def __getitem__(self, i):
        if i == self.at:
            self.what()
        return super().__getitem__(i)


class Numbers(data.IterableDataset):
    """Each worker gives its share."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(first, self.size, step):
            yield i, random.random()


def plain(batch):
    if isinstance(batch, clew.Tensor):
        return batch.tolist()
    if isinstance(batch, (list, tuple)):
        return [plain(item) for item in batch]
    return batch


def epoch(loader):
    return [plain(batch) for batch in loader]


def generator(seed=3):
    g = clew.Generator()
    g.manual_seed(seed)
    return g


def workers_of(loader):
    return [w.process for w in loader._pool.workers]


def wait_until(condition, seconds=5.0):
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.02)
    return condition()


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def rows(n=50, width=3):
    return TensorDataset(clew.arange(n * width).reshape(n, width), clew.arange(n))
