"""Documentation that runs: examples of ops, of modules, and of the pages in Markdown."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clew

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def run_doctests(test: doctest.DocTest) -> None:
    lines: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    failed = runner.run(test, out=lines.append).failed
    assert not failed, "".join(lines)


@pytest.mark.parametrize("entry", clew._C.op_table(), ids=lambda e: e["name"])
def test_op_example(entry: dict) -> None:
    test = doctest.DocTestParser().get_doctest(entry["doc"], {"clew": clew}, entry["name"], None, None)
    run_doctests(test)


def modules() -> list[str]:
    return [
        "clew",
        *(m.name for m in pkgutil.walk_packages(clew.__path__, "clew.") if not m.name.endswith("_C")),
    ]


@pytest.mark.parametrize("name", modules())
def test_module_examples(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, globs={"clew": clew}):
        if test.examples:
            clew.manual_seed(0)
            run_doctests(test)


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def pages(language: str) -> list[str]:
    """The Markdown pages with blocks in a language."""
    files = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tutorials/**/*.md")])
    return [
        p.relative_to(ROOT).as_posix()
        for p in files
        if re.search(rf"^```{language}$", p.read_text(), re.MULTILINE)
    ]


# CONTRIBUTING.md is a change of the tree, which test_contributing.py makes and builds.
PAGES = [p for p in pages("python") if p != "CONTRIBUTING.md"]
CPP_PAGES = [p for p in pages("cpp") if p not in ("CONTRIBUTING.md", "docs/architecture.md")]


def test_every_block_is_run_somewhere() -> None:
    """Nothing but the languages that a test runs, and what only shows a line of the tree."""
    seen = set()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        seen |= set(re.findall(r"^```(\w+)$", path.read_text(), re.MULTILINE))
    # cmake: the project of docs/start_cpp.md; bash: scripts that CI runs as they stand here.
    assert seen <= {"python", "cpp", "cmake", "bash"}
    assert "docs/start_cpp.md" in CPP_PAGES
    # The one block of C++ there is a line that is in the tree.
    (line,) = re.findall(r"^```cpp\n(.*?)\n^```", (ROOT / "docs/architecture.md").read_text(), re.M | re.S)
    assert line in (ROOT / "include/clew/ops/norm.def").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_page_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_EXTENSIONS_DIR", str(tmp_path))
    # The blocks of a page are one program.
    names = {"__name__": "__main__"}
    for block in python_blocks(ROOT / page):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", CPP_PAGES)
def test_cpp_page_examples(page: str, tmp_path: Path) -> None:
    """Each C++ block of a page is a function of one program, which is built by the page's own project."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (project,) = re.findall(r"^```cmake\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    source = "#include <clew/clew.h>\n#include <iostream>\nusing namespace clew;\n"
    # A struct with member templates cannot stand inside a function.
    structs = re.compile(r"^struct .*?^};\n", re.MULTILINE | re.DOTALL)
    for i, block in enumerate(blocks):
        outside, inside = "".join(structs.findall(block)), structs.sub("", block)
        source += f"namespace block{i} {{\n{outside}void run() {{\n{inside}}}\n}}\n"
    source += "int main() {" + "".join(f" block{i}::run();" for i in range(len(blocks))) + " }\n"
    (tmp_path / "CMakeLists.txt").write_text(project)
    (tmp_path / re.search(r"add_executable\(\w+ (\S+)\)", project)[1]).write_text(source)
    prefix = clew.utils.cmake_prefix_path
    for command in (
        ["-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_CXX_FLAGS=-O1"],
        ["--build", "build"],
    ):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([tmp_path / "build" / "first"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "in module 0 (Linear)" in done.stdout


def test_site_builds(tmp_path: Path) -> None:
    """The Sphinx site, with warnings as errors; the registry's pages hold every op."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    source = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("_build", "ops"))
    (tmp_path / "include").symlink_to(ROOT / "include")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", source, tmp_path / "html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = "".join(p.read_text() for p in (tmp_path / "html" / "ops").glob("*.html"))
    for entry in clew._C.op_table():
        if entry["kind"] != "Internal":
            assert f"<h2>{entry['name']}<" in pages, entry["name"]


def test_readme_has_an_example() -> None:
    assert python_blocks(ROOT / "README.md")


@pytest.mark.parametrize(
    "page", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
    # Paths of the tree in code spans exist as well.
    for target in re.findall(
        r"`((?:csrc|include|bindings|tests|docs|scripts|tutorials|benchmarks|cmake)/[\w./-]+)`", text
    ):
        assert (ROOT / target).exists(), f"{page}: {target}"
