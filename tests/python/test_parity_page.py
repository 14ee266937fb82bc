"""docs/parity.md: every known name in its tier, and nothing said to be there that is not.

The last test makes the page again: after names have come, run `python scripts/make_parity.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import clew
from clew._tiers import TIERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
ENTRY = re.compile(r"^Tier (\d), (there|not there yet): (.*?)$\n\n", re.MULTILINE | re.DOTALL)


def page() -> dict[tuple[str, int], dict[str, str]]:
    """State by name, for each module and tier."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for section in PAGE.read_text().split("\n## clew")[1:]:
        title, _, body = section.partition("\n")
        for tier, state, names in ENTRY.findall(body + "\n\n"):
            states = found.setdefault((title.lstrip("."), int(tier)), {})
            states.update(dict.fromkeys(re.findall(r"`([^`]+)`", names), state))
    return found


def test_every_known_name_is_on_the_page() -> None:
    expected = {
        (module, tier): set(names.split())
        for module, tiers in TIERS.items()
        for tier, names in enumerate(tiers, start=1)
        if names.split()
    }
    assert {key: set(states) for key, states in page().items()} == expected


def test_what_the_page_says_to_be_there_is_there() -> None:
    for (module, _), states in page().items():
        owner: Any = clew
        for part in module.split(".") if module else ():
            owner = getattr(owner, part, None)
        for name, state in states.items():
            if state == "there":
                assert owner is not None and hasattr(owner, name), f"{module}.{name}"


def test_the_page_is_up_to_date() -> None:
    script = PAGE.parent.parent / "scripts" / "make_parity.py"
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
