"""What a worker process knows about itself."""

from __future__ import annotations

from typing import Any

__all__ = ["WorkerInfo", "get_worker_info"]


class WorkerInfo:
    """What a worker process knows about itself.

    Attributes:
        id: 0 to num_workers - 1.
        num_workers: how many there are.
        seed: of this worker in this epoch.
        dataset: the worker's copy of the dataset.
    """

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed})"


current: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Returns what a worker process knows about itself; None in the process that iterates.

    Example:
        >>> clew.utils.data.get_worker_info() is None
        True
    """
    return current
