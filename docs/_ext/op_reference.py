"""Sphinx extension: one page for each family of ops, written from the registry before the pages are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import clew

ROOT = Path(__file__).resolve().parent.parent.parent
LINE = re.compile(r"^CLEW_(\w+)\((\w+), (.*)\)$", re.MULTILINE)


def cpp_signatures(family: Path) -> dict[str, str]:
    """The C++ declarations of a list, by op: `max`, `max.dim`, ..."""
    out = {}
    for kind, name, rest in LINE.findall(family.read_text()):
        if kind == "ALIAS":
            continue
        tag = ""
        if kind.startswith("OVERLOAD"):
            tag, rest = rest.split(", ", 1)
        result, arguments = rest.split(", ", 1)
        out[f"{name}.{tag}" if tag else name] = f"{result} {name}({arguments})"
    return out


def section(entry: dict[str, Any], cpp: str) -> str:
    facts = [f"dtypes: {', '.join(entry['dtypes'])}"]
    facts.append(
        "differentiable" if entry["differentiable"] else f"no gradient: {entry['not_differentiable']}"
    )
    if entry["inplace"]:
        facts.append(f"in-place: `{entry['function']}_`")
    if entry["view"]:
        facts.append("returns a view")
    return "\n\n".join(
        [
            f"## {entry['name']}",
            f"```python\n{entry['signature']}\n```\n\n```cpp\n{cpp}\n```",
            "```text\n" + entry["doc"].strip() + "\n```",
            "; ".join(facts) + ".",
        ]
    )


def write_pages(app: Any) -> None:
    folder = Path(app.srcdir) / "ops"
    folder.mkdir(exist_ok=True)
    entries = {entry["name"]: entry for entry in clew._C.op_table() if entry["kind"] != "Internal"}
    families = []
    for family in sorted((ROOT / "include" / "clew" / "ops").glob("*.def")):
        if family.stem == "all":
            continue
        cpp = cpp_signatures(family)
        sections = [section(entries[name], text) for name, text in cpp.items() if name in entries]
        if not sections:
            continue
        families.append(family.stem)
        page = folder / f"{family.stem}.md"
        text = f"# {family.stem}\n\n" + "\n\n".join(sections) + "\n"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    index = folder / "all.md"
    text = (
        "# Ops\n\nEvery op, in Python and C++, from the registry.\n\n```{toctree}\n"
        + "\n".join(families)
        + "\n```\n"
    )
    if not index.exists() or index.read_text() != text:
        index.write_text(text)


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
