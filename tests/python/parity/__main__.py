"""Runs the comparison by hand and prints its table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from .pool import run_jobs
from .report import PHASES, all_jobs, summarize


def main() -> int:
    parser = argparse.ArgumentParser(prog="parity", description=__doc__)
    parser.add_argument("names", nargs="*", help="names of the database; all without any")
    parser.add_argument("--cap", type=int, default=0, help="samples per entry and phase; 0 means all")
    parser.add_argument("--phase", action="append", choices=PHASES)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", help="file for every failing sample")
    parser.add_argument("--others", action="store_true", help="list the differences of other tiers too")
    parser.add_argument("-v", action="store_true", help="every failing sample")
    options = parser.parse_args()
    start = time.monotonic()
    jobs = all_jobs(options.names, tuple(options.phase or PHASES))
    outcomes = run_jobs(jobs, min(options.workers, len(jobs)), options.cap)
    report = summarize(outcomes)
    print(report.table())
    if options.others:
        for name, reason in sorted(report.others.items()):
            print(f"other {name} {reason}")
        print("lacking:", " ".join(report.lacking))
    if options.v:
        for o in outcomes:
            for i, reason in [*o.fatal, *o.failures]:
                print(f"{o.job.name} [{o.job.phase}] #{i}: {reason}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(
                [
                    {"name": o.job.name, "phase": o.job.phase, "sample": i, "reason": reason}
                    for o in outcomes
                    for i, reason in [*o.fatal, *o.failures]
                ],
                f,
                indent=1,
            )
    samples = sum(o.total for o in outcomes)
    print(
        f"{samples} samples in {time.monotonic() - start:.0f} s, {options.workers} workers, cap {options.cap}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
