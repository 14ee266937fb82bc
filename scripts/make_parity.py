"""Writes docs/parity.md: every known name of PyTorch with its tier and its state.

    python scripts/make_parity.py            # write the page
    python scripts/make_parity.py --check    # exit 1 when the page is out of date

The lists come from bindings/clew/_tiers.py, the states from the package that is installed or built.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any

import clew
from clew._missing import instead_of
from clew._tiers import TIERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "parity.md"
HEAD = """# Names of PyTorch, and what is there

Made by `python scripts/make_parity.py` from `bindings/clew/_tiers.py` and the package; do not edit.

Tier 1 is what virtually every program needs, tier 2 is common, tier 3 is rare. Asking for a name that is not
there raises an error that is both `AttributeError` and `NotImplementedError`, with the tier and what to use
instead. Names with a trailing underscore work in place.
"""


def owner_of(module: str) -> Any:
    """The module or class of a list; None where it is not there."""
    owner: Any = clew
    for part in module.split(".") if module else ():
        owner = getattr(owner, part, None)
        if owner is None:
            return None
    return owner


def is_there(owner: Any, name: str) -> bool:
    """Whether the name can be used."""
    return owner is not None and hasattr(owner, name)


def page() -> str:
    """The text of the page."""
    counts = {tier: [0, 0] for tier in (1, 2, 3)}
    sections = []
    for module, tiers in TIERS.items():
        owner = owner_of(module)
        title = f"clew.{module}" if module else "clew"
        lines = [f"## {title}", ""]
        for tier, names in enumerate(tiers, start=1):
            listed = sorted(set(names.split()))
            there = [name for name in listed if is_there(owner, name)]
            absent = [name for name in listed if name not in there]
            counts[tier][0] += len(there)
            counts[tier][1] += len(listed)
            for state, group in (("there", there), ("not there yet", absent)):
                if group:
                    text = f"Tier {tier}, {state}: " + " ".join(f"`{name}`" for name in group)
                    lines += [*textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False), ""]
            if absent:
                hints = [(name, instead_of(module, name)) for name in absent]
                hints = [(name, hint) for name, hint in hints if hint]
                if hints:
                    lines += ["| instead of | use |", "| --- | --- |"]
                    lines += [f"| `{name}` | {hint} |" for name, hint in hints]
                    lines.append("")
        sections.append("\n".join(lines))
    table = ["| tier | there | of |", "| --- | ---: | ---: |"]
    table += [f"| {tier} | {there} | {total} |" for tier, (there, total) in counts.items()]
    return "\n".join([HEAD, *table, "", *sections]).rstrip() + "\n"


def main() -> int:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="do not write; exit 1 on a difference")
    args = parser.parse_args()
    text = page()
    if args.check:
        if PAGE.is_file() and PAGE.read_text() == text:
            return 0
        print(f"{PAGE}: out of date (run python scripts/make_parity.py)", file=sys.stderr)
        return 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
