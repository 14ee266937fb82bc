"""Type stubs, rendered from rows of the op table."""

from __future__ import annotations

import textwrap

__all__ = ["HEADER", "block", "library_stub", "render"]

HEADER = """\
# Generated from the op table.
from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

Number = builtins.int | builtins.float | builtins.bool
"""


def qualified(text: str) -> str:
    """Built-in names are shadowed in the package by dtypes of the same name."""
    out = []
    for word in _split_words(text):
        out.append(f"builtins.{word}" if word in ("int", "float", "bool", "str", "tuple", "object") else word)
    return "".join(out)


def _split_words(text: str) -> list[str]:
    words, current = [], ""
    for c in text:
        if c.isidentifier() or (current and c.isalnum()):
            current += c
        else:
            if current:
                words.append(current)
                current = ""
            words.append(c)
    return words + ([current] if current else [])


def parameters(signature: str) -> tuple[list[str], str]:
    """Splits "name(a: T, b: U = 1) -> R" into its parameters and R."""
    inner, result = signature.split("(", 1)[1].rsplit(") -> ", 1)
    out, depth, current = [], 0, ""
    for c in inner:
        depth += c in "[("
        depth -= c in "])"
        if c == "," and depth == 0:
            out.append(current.strip())
            current = ""
        else:
            current += c
    if current.strip():
        out.append(current.strip())
    return out, result


def parameter(text: str) -> str:
    if text == "*" or ":" not in text:
        return text
    name, annotation = text.split(":", 1)
    if "=" in annotation:
        annotation, default = annotation.rsplit("=", 1)
        return f"{name}: {qualified(annotation.strip())} = {default.strip()}"
    return f"{name}: {qualified(annotation.strip())}"


def render(name: str, row: dict, *, method: bool, overloaded: bool, indent: str) -> str:
    args, result = parameters(row["signature"])
    args = [parameter(a) for a in args]
    if method:
        args[0] = "self"
    # `x.view(2, 3)` and `x.view((2, 3))` are both right.
    for i, a in enumerate(args):
        if (
            a.split(":")[0] in ("size", "shape", "dims", "repeats")
            and "Sequence" in a
            and (i == 0 or method and i == 1)
        ):
            args[i] = "*" + a.split(":")[0] + ": builtins.int | Sequence[builtins.int]"
            args[i + 1 :] = [b for b in args[i + 1 :] if b != "*"]
    lines = [f"{indent}@overload"] if overloaded else []
    lines.append(f"{indent}def {name}({', '.join(args)}) -> {qualified(result)}:")
    doc = textwrap.indent(row["doc"].replace("\\", "\\\\"), indent + "    ").strip()
    lines.append(f'{indent}    """{doc}"""' if "\n" not in doc else f'{indent}    """{doc}\n{indent}    """')
    return "\n".join(lines)


def block(rows: list[dict], kinds: tuple[str, ...], *, method: bool, indent: str = "") -> list[str]:
    by_function: dict[str, list[dict]] = {}
    for row in rows:
        if row["kind"] in kinds:
            by_function.setdefault(row["function"], []).append(row)
    out = []
    for function, variants in by_function.items():
        names = []
        if variants[0]["kind"] != "MethodInplace":
            names.append(function)
        if variants[0]["inplace"]:
            names.append(function + "_")
        for name in names:
            chosen = variants if not name.endswith("_") else variants[:1]
            for row in chosen:
                out.append(render(name, row, method=method, overloaded=len(chosen) > 1, indent=indent))
    return out


def library_stub(rows: list[dict]) -> str:
    """The .pyi of an extension's library."""
    lines = [HEADER, "from clew import Tensor, dtype, device, Generator", ""]
    return "\n".join(lines + block(rows, ("Op", "Inplace"), method=False)) + "\n"
