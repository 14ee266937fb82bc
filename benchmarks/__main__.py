"""Clew beside PyTorch: the same workloads, each library in a process of its own, in turns.

python -m benchmarks                         every group, 1 and 2 threads
python -m benchmarks elementwise matmul      some groups
python -m benchmarks --quick                 without the largest sizes, fewer rounds
python -m benchmarks --out FILE.json         also the numbers, and FILE.md
python -m benchmarks --save                  as benchmarks/results/<date>.json and .md
python -m benchmarks --cpu                   one thread, processor time instead of the wall's
python -m benchmarks --check                 exit status 1 where a target is missed
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from benchmarks import report, runner
from benchmarks.case import groups


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="*", help="names of groups; all when none is given")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--quick", action="store_true", help="small sizes only, fewer and shorter rounds")
    parser.add_argument(
        "--cpu", action="store_true", help="one thread, time on the processor: for machines that others use"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose group, name or size has TEXT")
    parser.add_argument("--rounds", type=int, default=0, help="rounds per case (default: 11, quick 5)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the numbers, and FILE.md")
    parser.add_argument("--save", action="store_true", help="write to benchmarks/results/<date>.json and .md")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    return parser.parse_args()


def main() -> int:
    options = parse()
    known = groups()
    unknown = [name for name in options.groups if name not in known]
    if unknown:
        print(f"benchmarks: expected groups among {', '.join(known)}, got {unknown[0]}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.groups] or list(known.values())
    threads = [1] if options.cpu else [int(t) for t in options.threads.split(",")]
    libraries = ["clew"]
    if importlib.util.find_spec("torch") is not None:
        libraries.append("torch")
    else:
        print("PyTorch is not installed: the tables show Clew alone", file=sys.stderr)

    versions = {}
    for library in libraries:
        process = runner.Process(library, 1)
        versions[library] = process.version
        process.close()
    facts = report.head(versions, "cpu" if options.cpu else "wall")
    print(report.title(facts), flush=True)
    rows = runner.run(
        chosen,
        threads,
        options.only,
        runner.Options(
            libraries,
            rounds=options.rounds or (5 if options.quick else 11),
            round_seconds=0.02 if options.quick else 0.05,
            quick=options.quick,
            clock="cpu" if options.cpu else "wall",
        ),
        lambda row: print(report.line(row), flush=True),
    )
    means = runner.means(chosen, rows)
    print(f"\n{report.mean_table(means)}")
    out = options.out
    if options.save:
        out = Path(__file__).parent / "results" / f"{facts['date']}.json"
    if out is not None:
        report.write(out, facts, rows, means)
    missed = [f"{m.group} {m.size} at {m.threads}" for m in means if m.missed]
    missed += [f"{r.group} {report.label(r)} at {r.threads}" for r in rows if r.missed]
    if missed:
        print(f"\nmissed: {'; '.join(missed)}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
