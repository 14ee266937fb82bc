#!/usr/bin/env python3
"""Writes the type stubs of the built package from its op table.

usage: make_stubs.py PACKAGE_FOLDER

`__init__.pyi` gets every function of `clew` and every method of Tensor; `_functional.pyi` those of
`clew.nn.functional`. Signatures, defaults and docstrings are the registry's own.
"""

from __future__ import annotations

import pathlib
import sys

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


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(folder.parent))
    import clew
    from clew.utils._stubs import HEADER, block

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
        if callable(getattr(clew.Tensor, n, None))
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
