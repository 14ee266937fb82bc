"""Tables and files of benchmark runs."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path

from benchmarks.runner import Mean, Row


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    steps = [(1e6, "MB")] if unit == "B" else [(1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")]
    for size, name in steps:
        if value >= size or (size, name) == steps[-1]:
            return f"{value / size:.3g} {name}"
    raise AssertionError(unit)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def label(r: Row) -> str:
    return f"{r.case}{', ' if r.size else ''}{r.size}"


def line(r: Row) -> str:
    """One row as plain text, for the terminal."""
    if r.error:
        return f"{r.group:12} {label(r):46} {r.threads}  failed: {r.error}"
    mark = "  over" if r.missed else ""
    return (
        f"{r.group:12} {label(r):46} {r.threads}  {amount(r.clew, r.unit):>9} {amount(r.torch, r.unit):>9} "
        f"{number(r.ratio):>6}{mark}"
    )


def mean_table(means: list[Mean]) -> str:
    lines = [
        "| group | size | threads | geometric mean | target | worst case | its ratio |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: |",
    ]
    for m in means:
        mark = " (missed)" if m.missed else ""
        lines.append(
            f"| {m.group} | {m.size} | {m.threads} | {m.ratio:.3f}{mark} | {number(m.target)} | {m.worst} "
            f"| {m.worst_ratio:.2f} |"
        )
    return "\n".join(lines)


def row_table(rows: list[Row]) -> str:
    lines = [
        "| group | case | threads | Clew | PyTorch | ratio | limit |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        mark = f" ({r.error or 'missed'})" if r.missed else ""
        lines.append(
            f"| {r.group} | {label(r)} | {r.threads} | {amount(r.clew, r.unit)} | {amount(r.torch, r.unit)} "
            f"| {number(r.ratio)}{mark} | {number(r.limit)} |"
        )
    return "\n".join(lines)


def head(versions: dict[str, str], clock: str) -> dict:
    return {
        "clock": clock,
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def as_data(facts: dict, rows: list[Row], means: list[Mean]) -> dict:
    return {
        **facts,
        "means": [{**asdict(m), "missed": m.missed} for m in means],
        "rows": [{**asdict(r), "missed": r.missed} for r in rows],
    }


def title(facts: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return f"{facts['processor']}, {facts['cores']} cores; Python {facts['python']}; {versions}"


def write(out: Path, facts: dict, rows: list[Row], means: list[Mean]) -> None:
    """The data as `out`, and the tables beside it as Markdown."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(as_data(facts, rows, means), indent=1) + "\n")
    clock = "Processor time" if facts["clock"] == "cpu" else "Time"
    out.with_suffix(".md").write_text(
        f"# Benchmarks, {facts['date']}\n\n{title(facts)}.\n"
        f"{clock} per call; a ratio below 1 means that Clew is faster.\n\n"
        f"{mean_table(means)}\n\n{row_table(rows)}\n"
    )
