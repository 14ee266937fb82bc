"""The benchmarks' frame: groups are found, cases have names of their own, a run gives numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import case, report, runner  # noqa: E402


def test_names_are_unique():
    found = case.groups()
    assert {"overhead", "elementwise", "reduction", "softmax", "norms", "matmul", "training"} <= set(found)
    for group in found.values():
        names = [(c.size, c.name) for c in group.cases]
        assert len(set(names)) == len(names), group.name
        assert group.mean_target is not None or group.name == "workers", group.name


def test_one_command_gives_numbers(tmp_path):
    out = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "benchmarks", "elementwise", "--only", "neg 1", "--threads", "1"]
    command += ["--quick", "--rounds", "2", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data = json.loads(out.read_text())
    assert [(r["case"], r["size"]) for r in data["rows"]] == [("neg", "1"), ("neg", "1M")]
    assert all(r["clew"] > 0 and not r["error"] for r in data["rows"])
    assert "| elementwise | neg, 1M | 1 |" in out.with_suffix(".md").read_text()


def test_unknown_group_is_named():
    command = [sys.executable, "-m", "benchmarks", "elementwize"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "got elementwize" in done.stderr


def row(ratio: float, case_name: str = "a", **facts) -> runner.Row:
    return runner.Row("g", "", case_name, 1, ratio=ratio, **facts)


def test_targets():
    group = case.Group("g", mean_target=0.5, case_target=1.1)
    (mean,) = runner.means([group], [row(0.5), row(2.0, "b")])
    assert mean.ratio == pytest.approx(1.0) and mean.worst == "b"
    assert mean.missed
    assert row(1.2, limit=1.1).missed and not row(1.0, limit=1.1).missed
    assert row(0.1, error="clew: no such op").missed
    assert "(missed)" in report.row_table([row(1.2, limit=1.1)])
