#!/usr/bin/env python3
"""Writes the type stubs of the built package from its op table.

usage: make_stubs.py PACKAGE_FOLDER

`__init__.pyi` gets every function of `clew` and every method of Tensor; `_functional.pyi` those of
`clew.nn.functional`. Signatures, defaults and docstrings are the registry's own.
"""

from __future__ import annotations

import pathlib
import sys
import textwrap

HEADER = """\
# Generated from the op table; see scripts/make_stubs.py.
from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

Number = builtins.int | builtins.float | builtins.bool
"""

# What Tensor has beside ops, in the order of bindings/src/tensor_type.cpp and bindings/clew/_tensor.py.
TENSOR_PROPERTIES = {
    "shape": "Size",
    "dtype": "dtype",
    "device": "device",
    "ndim": "builtins.int",
    "requires_grad": "builtins.bool",
    "is_leaf": "builtins.bool",
    "grad": "Tensor | None",
    "grad_fn": "Any",
    "data": "Tensor",
    "T": "Tensor",
    "mT": "Tensor",
    "is_cuda": "builtins.bool",
    "itemsize": "builtins.int",
    "nbytes": "builtins.int",
}
OPERATORS = [
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "truediv",
    "rtruediv",
    "floordiv",
    "rfloordiv",
    "mod",
    "rmod",
    "pow",
    "rpow",
    "matmul",
    "rmatmul",
    "and",
    "rand",
    "or",
    "ror",
    "xor",
    "rxor",
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "ifloordiv",
    "imod",
    "ipow",
    "iand",
    "ior",
    "ixor",
    "lt",
    "le",
    "gt",
    "ge",
]
CONSTANTS = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "bool",
    "complex64",
    "complex128",
    "float",
    "double",
    "half",
    "long",
    "int",
    "short",
]


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


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(folder.parent))
    import clew

    rows = clew._C.op_table()
    lines = [HEADER, "from typing import overload", ""]
    lines += [
        "class dtype: ...",
        "class device:",
        "    def __init__(self, type: Any, index: builtins.int = ...) -> None: ...",
    ]
    lines += ["class Size(tuple[builtins.int, ...]):", "    def numel(self) -> builtins.int: ...", ""]
    lines += [f"{name}: dtype" for name in CONSTANTS] + ["__version__: str", ""]
    lines.append("class Tensor:")
    lines += [f"    {name}: {annotation}" for name, annotation in TENSOR_PROPERTIES.items()]
    lines += [f"    def __{name}__(self, other: Tensor | Number) -> Tensor: ..." for name in OPERATORS]
    lines += [
        "    def __getitem__(self, key: Any) -> Tensor: ...",
        "    def __setitem__(self, key: Any, value: Any) -> None: ...",
    ]
    lines += ["    def __iter__(self) -> Iterator[Tensor]: ...", "    def __len__(self) -> builtins.int: ..."]
    lines += ["    def numpy(self, *, force: builtins.bool = False) -> numpy.ndarray: ..."]
    methods = [row for row in rows if row["kind"] not in ("Function", "NN", "Internal")]
    ops = {row["function"] for row in methods} | {row["function"] + "_" for row in methods if row["inplace"]}
    known = ops | set(TENSOR_PROPERTIES) | {"numpy"}
    plain = [n for n in dir(clew.Tensor) if not n.startswith("_") and n not in known]
    lines += [
        f"    def {n}(self, *args: Any, **kwargs: Any) -> Any: ..."
        for n in plain
        if callable(getattr(clew.Tensor, n))
    ]
    lines += block(rows, ("Op", "Inplace", "Method", "MethodInplace"), method=True, indent="    ")
    lines += ["", *block(rows, ("Op", "Inplace", "Function"), method=False), ""]
    functions = {row["function"] for row in rows}
    others = [n for n in dir(clew) if not n.startswith("_") and n not in functions and n not in CONSTANTS]
    lines += [
        f"{n}: Any" for n in others if n not in ("Tensor", "Size", "dtype", "device") and not n.endswith("_")
    ]
    (folder / "__init__.pyi").write_text("\n".join(lines) + "\n")
    nn = [HEADER, "from typing import overload", "from clew import Tensor, dtype, device, Generator", ""]
    nn += block(rows, ("NN",), method=False)
    (folder / "_functional.pyi").write_text("\n".join(nn) + "\n")
    (folder / "py.typed").touch()


if __name__ == "__main__":
    main()
