"""From outcomes to percentages, and their table."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import names
from .pool import Job, Outcome

PHASES = ("float32", "int64", "bool", "bfloat16", "errors")
# What the first tier must reach, in percent.
REQUIRED = {"float32": 98.0, "int64": 95.0, "bool": 95.0, "bfloat16": 95.0, "errors": 98.0}


def known() -> dict[tuple[str, str], str]:
    """Known exceptions: (name, phase) to the reason."""
    with open(Path(__file__).with_name("known.toml"), "rb") as f:
        entries = tomllib.load(f).get("exception", [])
    return {(e["name"], phase): e["reason"] for e in entries for phase in e["phases"]}


def all_jobs(only: list[str] | None = None, phases: tuple[str, ...] = PHASES) -> list[Job]:
    """Every entry of the database in every phase, the long ones first."""
    import warnings

    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

    jobs = []
    for i, op in enumerate(op_db):
        if only and op.name not in only:
            continue
        name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
        jobs += [Job(i, name, op.name, phase) for phase in phases]
    return sorted(jobs, key=lambda j: "pool" not in j.base)


@dataclass
class Line:
    """One phase: names (or, of errors, inputs) that agree, out of those that there are."""

    agree: int
    total: int
    samples: int

    @property
    def percent(self) -> float:
        return 100.0 * self.agree / self.total if self.total else 100.0


@dataclass
class Report:
    lines: dict[str, Line]
    failing: dict[tuple[str, str], str]  # (name, phase) of the first tier to its first reason
    fatal: list[tuple[str, str, str]]
    others: dict[str, str]  # names of other tiers that exist and differ
    lacking: list[str]
    present: int

    def table(self) -> str:
        rows = ["first tier    agree   of      %   required   samples"]
        for phase in PHASES:
            line = self.lines[phase]
            rows.append(
                f"{phase:<12}{line.agree:>7}{line.total:>5}{line.percent:>7.1f}{REQUIRED[phase]:>11.1f}"
                f"{line.samples:>10}"
            )
        rows.append(f"crashes and hangs, whole database: {len(self.fatal)}")
        rows.append(
            f"other names: {self.present} exist ({len(self.others)} of them differ somewhere), "
            f"{len(self.lacking)} do not"
        )
        for name, phase, what in self.fatal:
            rows.append(f"FATAL {name} [{phase}]: {what}")
        exceptions = known()
        for (name, phase), reason in sorted(self.failing.items(), key=lambda i: (names.family(i[0][0]), i)):
            mark = "known" if (name, phase) in exceptions else "     "
            rows.append(f"{mark} {names.family(name):<10} {name} [{phase}]: {reason}")
        return "\n".join(rows)


def summarize(outcomes: list[Outcome]) -> Report:
    """Counts names; a name passes when all its variants and samples do. Errors are counted one by one."""
    lines: dict[str, Line] = {}
    failing: dict[tuple[str, str], str] = {}
    others: dict[str, str] = {}
    fatal = [(o.job.name, o.job.phase, f"sample {i}: {what}") for o in outcomes for i, what in o.fatal]
    for phase in PHASES:
        by_name: dict[str, list[Outcome]] = defaultdict(list)
        for o in outcomes:
            if o.job.phase != phase or o.total - o.refused == 0:
                continue
            if o.job.base in names.FIRST_TIER:
                by_name[o.job.base].append(o)
        good = 0
        for name, group in by_name.items():
            bad = [o for o in group if not o.ok]
            good += not bad
            if bad:
                reasons = [(i, r) for o in bad for i, r in [*o.fatal, *o.failures]]
                samples = sum(o.total - o.refused for o in group)
                variant = f"{bad[0].job.name} " if bad[0].job.name != name else ""
                failing[name, phase] = f"{len(reasons)}/{samples}: {variant}#{reasons[0][0]} {reasons[0][1]}"
        samples = sum(o.total - o.refused for group in by_name.values() for o in group)
        if phase == "errors":
            passed = sum(o.passed for group in by_name.values() for o in group)
            lines[phase] = Line(passed, samples, samples)
        else:
            lines[phase] = Line(good, len(by_name), samples)
    lacking = sorted({o.job.base for o in outcomes if o.lacking and o.job.base not in names.FIRST_TIER})
    present = {o.job.base for o in outcomes if not o.lacking and o.job.base not in names.FIRST_TIER}
    for o in outcomes:
        if o.job.base in present and not o.ok and not o.lacking:
            reasons = [*o.fatal, *o.failures]
            others.setdefault(o.job.name, f"[{o.job.phase}] {len(reasons)}/{o.total}: {reasons[0][1]}")
    return Report(lines, failing, fatal, others, lacking, len(present))
