"""The worked example of CONTRIBUTING.md, built: its three edits bring an op into every place.

Adding an op changes no layout, so the objects of the build tree are taken over, and only what
expands the op lists into code is compiled again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clew

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(clew.__path__[0])
BUILD = PACKAGE.parent.parent
EDITED = {
    "include/clew/ops/pointwise.def": "append",
    "csrc/ops/pointwise.cpp": "in namespace",
    "tests/python/op_samples/pointwise.py": "append",
}
COMPILED = ("csrc/ops/pointwise.cpp", "csrc/dispatch/op_table.cpp", "bindings/src/ops.cpp")


def edits() -> list[tuple[str, str]]:
    """(file, text) of each step, as the page shows them."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    section = page[page.index("## Adding an op") : page.index("## An op with a kernel")]
    return re.findall(r"^(?:Append|Add) to `([^`]+)`.*?^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def apply_edits(tree: Path) -> None:
    found = edits()
    assert [path for path, _ in found] == list(EDITED), "expected the three edits"
    for path, text in found:
        file = tree / path
        before = file.read_text()
        if EDITED[path] == "append":
            after = before + ("\n\n" if path.endswith(".py") else "") + text
        else:
            head, end, tail = before.rpartition("}  // namespace clew")
            assert end
            after = head + text + "\n" + end + tail
        file.write_text(after)


def run(command: str | list[str], cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(tree: Path, out: Path) -> Path:
    """Compiles what depends on the lists, links it with the other objects; returns the package's parent."""
    ninja = shutil.which("ninja") or str(Path(sys.executable).parent / "ninja")
    commands = json.loads(run([ninja, "-t", "compdb"], BUILD))
    objects: dict[str, str] = {}
    for source in COMPILED:
        for entry in commands:
            if Path(BUILD, entry["file"]).resolve() == ROOT / source and entry["output"].endswith(".o"):
                if "clew_tests" in entry["output"]:
                    continue
                made = out / f"{len(objects)}.o"
                command = entry["command"].replace(entry["output"], str(made)).replace(f"{ROOT}/", f"{tree}/")
                # The build tree may lie inside the source tree; only sources move.
                command = command.replace(str(tree / BUILD.relative_to(ROOT)), str(BUILD))
                run(command.replace(f"-I{ROOT} ", f"-I{tree} "), BUILD)
                objects[entry["output"]] = str(made)
    assert len(objects) == len(COMPILED)

    package = out / "python" / "clew"
    (package / "lib").mkdir(parents=True)
    for item in PACKAGE.iterdir():
        if item.suffix == ".py" or (item.is_dir() and item.name not in ("lib", "__pycache__")):
            (package / item.name).symlink_to(item.resolve())
    for item in (PACKAGE / "lib").iterdir():
        if not item.name.startswith("libclew"):
            (package / "lib" / item.name).symlink_to(item.resolve())
    library = next((PACKAGE / "lib").glob("libclew.so*"))
    extension = next(PACKAGE.glob("_C.*.so"))
    for made in (library, extension):
        # The last command that makes the target; what follows it in the list of steps is not linking.
        target = str(made.relative_to(BUILD))
        command = run([ninja, "-t", "commands", "-s", target], BUILD).strip().splitlines()[-1]
        command = command.split(" && ")[1] if command.startswith(": &&") else command
        new = str(package / made.relative_to(PACKAGE))
        command = re.sub(rf"-o {re.escape(target)}\b", f"-o {new}", command)
        if made is extension:
            command = command.replace(str(library.relative_to(BUILD)), str(package / "lib" / library.name))
        for old, replacement in objects.items():
            command = command.replace(f" {old} ", f" {replacement} ")
        run(command, BUILD)
    return package.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not (BUILD / "build.ninja").exists():
        pytest.skip("needs a build tree made by CMake and Ninja")
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("include", "csrc", "bindings", "tests/python", "scripts"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    apply_edits(tree)
    out = tmp_path_factory.mktemp("out")
    return tree, build(tree, out)


def python(built: tuple[Path, Path], code: str) -> str:
    tree, path = built
    return run([sys.executable, "-c", code], tree, PYTHONPATH=str(path))


def test_it_is_a_function_and_a_method(built) -> None:
    out = python(
        built,
        "import clew\n"
        "x = clew.tensor([-1.5, 0.0, 1.5], requires_grad=True)\n"
        "y = x.squareplus()\n"
        "y.sum().backward()\n"
        "print(clew.squareplus(x).tolist(), y.tolist(), x.grad.tolist())",
    )
    assert "[0.5, 1.0, 2.0] [0.5, 1.0, 2.0]" in out and "0.5, " in out


def test_it_is_documented(built) -> None:
    out = python(built, "import clew; help(clew.squareplus)")
    assert "squareplus(input: Tensor, b: float = 4" in out
    assert "A smooth rectifier without exponentials." in out and "arXiv:2112.11687" in out


def test_it_is_in_the_type_stub(built) -> None:
    tree, path = built
    run(
        [sys.executable, str(tree / "scripts" / "make_stubs.py"), str(path / "clew")],
        tree,
        PYTHONPATH=str(path),
    )
    stubs = "".join(p.read_text() for p in (path / "clew").glob("*.pyi"))
    # Once as a function, once as a method.
    assert len(re.findall(r"def squareplus\(", stubs)) >= 2


def test_it_is_in_the_suite(built) -> None:
    tree, path = built
    out = run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python/test_ops.py",
         "tests/python/test_docs.py", "-k", "squareplus"],
        tree,
        PYTHONPATH=str(path),
    )  # fmt: skip
    assert "failed" not in out
    assert int(re.search(r"(\d+) finite difference", out)[1]) >= 10
    assert int(re.search(r"(\d+) passed", out)[1]) >= 10


def test_without_samples_it_fails(built) -> None:
    tree, path = built
    samples = tree / "tests/python/op_samples/pointwise.py"
    text = samples.read_text()
    samples.write_text((ROOT / "tests/python/op_samples/pointwise.py").read_text())
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python/test_ops.py",
             "-k", "has_samples"],
            cwd=tree, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(path)},
        )  # fmt: skip
        assert done.returncode == 1 and "ops without samples: ['squareplus']" in done.stdout
    finally:
        samples.write_text(text)
