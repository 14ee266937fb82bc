"""Small operations, where all time is overhead: the workloads of benchmarks/overhead.py."""

from __future__ import annotations

from benchmarks.case import Case, Group
from benchmarks.overhead import WORKLOADS

GROUP = Group(
    "overhead",
    [Case(w.name, w.make, limit=w.target, threads=(1,)) for w in WORKLOADS],
    mean_target=0.2,
)
