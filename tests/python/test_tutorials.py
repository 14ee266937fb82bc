"""The tutorials run as they are read, and show what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted(p.name for p in (ROOT / "tutorials").glob("*.py"))


def run(name: str) -> str:
    env = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tutorials" / name)], capture_output=True, text=True, timeout=300, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits() -> None:
    for package in ("sklearn", "tqdm", "matplotlib"):
        pytest.importorskip(package)
    out = run("digits.py")
    accuracy = float(re.search(r"^test accuracy: (\d+\.\d\d) %$", out, re.MULTILINE)[1])
    seconds = float(re.search(r"in ([\d.]+) s", out)[1])
    print(out)
    assert accuracy >= 98.0
    assert seconds <= 30 or (os.cpu_count() or 1) < 2
    for made in ("digits.png", "digits.safetensors"):
        assert (ROOT / "tutorials" / "out" / made).stat().st_size > 1000


@pytest.mark.parametrize("name", [t for t in TUTORIALS if t != "digits.py"])
def test_tutorial(name: str) -> None:
    assert "all agree" in run(name)
