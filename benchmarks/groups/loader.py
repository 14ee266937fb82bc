"""Data loading: an epoch in small batches."""

from __future__ import annotations

from benchmarks.case import Case, Group
from benchmarks.overhead import epoch

GROUP = Group(
    "loader",
    [Case("20000 rows of 32 in memory, batch 256, shuffled", epoch, threads=(1,))],
    mean_target=0.1,
)
