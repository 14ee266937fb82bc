"""Data loading from memory: epochs in small batches."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, sub
from benchmarks.overhead import epoch


def images(lib: ModuleType) -> Callable[[], object]:
    """Images of a small data set, shuffled, from memory."""
    data = sub(lib, "utils.data")
    dataset = data.TensorDataset(lib.randn(5000, 3, 32, 32), lib.randint(0, 10, (5000,)))
    loader = data.DataLoader(dataset, batch_size=128, shuffle=True)

    def run() -> None:
        for _x, _y in loader:
            pass

    return run


GROUP = Group(
    "loader",
    [
        Case("20000 rows of 32 in memory, batch 256, shuffled", epoch, threads=(1,)),
        Case("5000 images of 3 x 32 x 32 in memory, batch 128, shuffled", images, threads=(1,)),
    ],
    mean_target=0.1,
)
