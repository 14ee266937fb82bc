"""Datasets, samplers and the loader that makes batches of them."""

from __future__ import annotations

from typing import Any

from clew.utils.data import distributed
from clew.utils.data._device import prefetch
from clew.utils.data._info import WorkerInfo
from clew.utils.data.collate import default_collate, default_convert
from clew.utils.data.dataloader import DataLoader, get_worker_info
from clew.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from clew.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "default_convert",
    "distributed",
    "get_worker_info",
    "prefetch",
    "random_split",
]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("utils.data", name)
