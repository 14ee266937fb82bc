"""Documentation that runs: examples of ops, of modules, and of the pages in Markdown."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
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


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_page_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in python_blocks(ROOT / page):
        exec(compile(block, page, "exec"), {"__name__": "__main__"})


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
