"""Data loading sample by sample, here and in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from benchmarks.case import Case, Group, sub


def decoding(lib: ModuleType, workers: int) -> Callable[[], object]:
    """Samples that NumPy takes out of bytes and normalizes."""
    data = sub(lib, "utils.data")
    stored = np.random.RandomState(0).randint(0, 256, (512, 3, 64, 64), dtype=np.uint8)

    class Decoding(data.Dataset):
        def __len__(self) -> int:
            return len(stored)

        def __getitem__(self, i: int) -> tuple:
            image = np.frombuffer(stored[i].tobytes(), np.uint8).reshape(3, 64, 64).astype(np.float32)
            return (image - 127.5) / 64, i % 10

    options = {"num_workers": workers, "persistent_workers": True} if workers else {}
    loader = data.DataLoader(Decoding(), batch_size=64, shuffle=True, **options)

    def run() -> None:
        for _x, _y in loader:
            pass

    return run


GROUP = Group(
    "workers",
    [
        Case("512 images decoded, no workers", lambda lib: decoding(lib, 0), threads=(1,)),
        Case("512 images decoded, 2 workers", lambda lib: decoding(lib, 2), threads=(1,)),
    ],
)
