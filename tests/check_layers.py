"""Checks that no file includes or imports from a layer above its own.

C++: a file of csrc/<layer>, include/clew/<layer> or bindings/src includes its own or lower layers.
Python: a package of bindings/clew imports from the packages below it, at module level.
Prints each offence with file and line; exits 1 when there is one.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The layers from the bottom up; those in one row may include each other's headers only as
# EXTRA says. A number is a height: a file includes what stands at its height or lower.
HEIGHT = {
    "core": 0,
    "registry": 1,
    "autograd": 2,
    "dispatch": 3,
    "kernels": 4,
    "ops": 5,
    "cpu": 6,
    "cuda": 6,
    "nn": 7,
    "optim": 7,
    "data": 7,
    "io": 7,
    "graph": 8,
    "distributed": 8,
    "bindings": 9,
}
PEERS = [{"cpu", "cuda"}, {"graph", "distributed"}]  # same height, and yet apart

# (layer, what it may include although it stands higher): the op declarations are the vocabulary
# that gradients and the engine are written in; the lists alone give Tensor its methods.
EXTRA = {
    ("core", "clew/ops/all.def"),
    ("registry", "clew/ops/"),
    ("autograd", "clew/ops/"),
    ("dispatch", "clew/ops/"),
    ("kernels", "clew/ops/"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def layer_of_file(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "bindings":
        return "bindings"
    if parts[0] == "csrc" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("include", "clew") and len(parts) > 3:
        return parts[2]
    return None  # clew.h, which includes everything


def layer_of_include(name: str, includer: Path) -> str | None:
    """The layer of an included header; None for a system or third-party one."""
    candidates = [
        ROOT / "include" / name,
        ROOT / "csrc" / name,
        ROOT / name,
        includer.parent / name,
    ]
    for path in candidates:
        if path.is_file():
            path = path.resolve()
            if path.is_relative_to(ROOT):
                return layer_of_file(path) or "bindings"  # clew.h counts as the top
    parts = name.split("/")
    if parts[0] == "clew" and len(parts) > 2:
        return parts[1]
    return None


def may_include(layer: str, other: str, name: str) -> bool:
    if any(layer in peers and other in peers and layer != other for peers in PEERS):
        return False
    if HEIGHT[other] <= HEIGHT[layer]:
        return True
    return any(layer == who and name.startswith(prefix) for who, prefix in EXTRA)


def check_cpp() -> tuple[int, list[str]]:
    problems = []
    files = [
        path
        for top in ("include", "csrc", "bindings/src")
        for path in sorted((ROOT / top).rglob("*"))
        if path.suffix in {".h", ".cpp", ".cu", ".cuh", ".def"}
    ]
    for path in files:
        layer = layer_of_file(path)
        if layer is None:
            continue
        where = path.relative_to(ROOT)
        if layer not in HEIGHT:
            problems.append(f"{where}: expected a folder of {', '.join(HEIGHT)}, got {layer}")
            continue
        public = where.parts[0] == "include"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match[1]
            other = layer_of_include(name, path)
            if other is None:
                continue
            if other not in HEIGHT or not may_include(layer, other, name):
                problems.append(f"{where}:{number}: {layer} may not include {name} ({other})")
            if public and not (ROOT / "include" / name).is_file():
                problems.append(f"{where}:{number}: a public header may not include the private {name}")
    return len(files), problems


# Python packages from the bottom up; modules directly in clew/ are below them all, and what is
# not listed may import anything. A single module of a package stands as "package.module".
PYTHON_MAY_IMPORT = {
    "autograd": {"autograd", "utils.hooks"},
    "amp": {"amp", "autograd"},
    "nn": {"nn", "autograd", "amp", "utils.hooks"},
    "optim": {"optim", "autograd", "utils.hooks"},
    "optim.swa_utils": {"optim", "nn"},  # averages of modules
    "utils": {"utils", "autograd"},
}


def imported_modules(tree: ast.Module, package: list[str]) -> list[tuple[int, str]]:
    """(line, absolute module) of imports outside functions; package is where the file stands."""
    found = []
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        pending += ast.iter_child_nodes(node)
    return found


def check_python() -> tuple[int, list[str]]:
    problems = []
    top = ROOT / "bindings"
    files = sorted((top / "clew").rglob("*.py"))
    packages = {path.parent.name for path in (top / "clew").glob("*/__init__.py")}
    for path in files:
        parts = path.relative_to(top).with_suffix("").parts
        if len(parts) < 3 or parts[1] not in PYTHON_MAY_IMPORT:
            continue
        single = ".".join(parts[1:3])
        layer = single if single in PYTHON_MAY_IMPORT else parts[1]
        for number, module in sorted(set(imported_modules(ast.parse(path.read_text()), list(parts[:-1])))):
            pieces = module.split(".")
            if pieces[0] != "clew" or len(pieces) < 2 or pieces[1] not in packages:
                continue
            allowed = PYTHON_MAY_IMPORT[layer]
            if pieces[1] not in allowed and ".".join(pieces[1:3]) not in allowed:
                problems.append(f"{path.relative_to(ROOT)}:{number}: clew.{layer} may not import {module}")
    return len(files), problems


def main() -> int:
    cpp_files, problems = check_cpp()
    python_files, python_problems = check_python()
    problems += python_problems
    for problem in problems:
        print(problem)
    print(f"layers: {cpp_files} C++ files, {python_files} Python files, {len(problems)} offences")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
