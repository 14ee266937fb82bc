"""The wheel by itself: extensions and C++ programs are built from what it installs, out of tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import clew

ROOT = Path(__file__).resolve().parents[2]


class Environment:
    """A virtual environment with the wheel; what else the tests need comes from this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
        self.python = folder / "bin" / "python"
        paths = self.run("-c", "import sysconfig; print(sysconfig.get_path('platlib'))", cwd=folder)
        self.site = Path(paths.strip())
        # Python 3.11 brings an old setuptools along, which would hide the one of the build requirements.
        self.run("-m", "pip", "-q", "uninstall", "-y", "setuptools", cwd=folder)
        (self.site / "others.pth").write_text(sysconfig.get_path("platlib"))

    def variables(self) -> dict[str, str]:
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}

    def run(self, *arguments: str | Path, cwd: Path, **env: str) -> str:
        return run(self.python, *arguments, cwd=cwd, **self.variables(), **env)


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    if shutil.which("ccache") is None or "CCACHE_DISABLE" in os.environ:
        pytest.skip("needs ccache: the wheel's build takes minutes where nothing is cached")
    cache = Path(clew.__file__).parent.parent.parent / "CMakeCache.txt"
    if not cache.is_file():
        pytest.skip("needs the build tree that filled the cache")
    # With the same flags as there, so that each object is in the cache.
    werror = "ON" if "CLEW_WERROR:BOOL=ON" in cache.read_text() else "OFF"
    made = tmp_path_factory.mktemp("wheel")
    # Nothing is written into the source tree.
    config = made / "setup.cfg"
    config.write_text(f"[build]\nbuild_base = {made / 'build'}\n[egg_info]\negg_base = {made}\n")
    run(
        *(sys.executable, "-m", "pip", "-q", "wheel", "--no-build-isolation", "--no-deps", "--no-index"),
        *("-w", made, ROOT),
        cwd=made,
        CLEW_CMAKE_ARGS=f"-DCLEW_WERROR={werror}",
        DIST_EXTRA_CONFIG=str(config),
    )
    (wheel,) = made.glob("clew-*.whl")
    environment = Environment(made / "environment")
    environment.run("-m", "pip", "-q", "install", "--no-deps", "--no-index", wheel, cwd=made)
    return environment


def test_extension_as_documented(installed: Environment, tmp_path: Path) -> None:
    """The commands of docs/extensions.md, as they stand there, in a copy of the tutorials."""
    shutil.copytree(
        ROOT / "tutorials" / "extension_op",
        tmp_path / "tutorials" / "extension_op",
        ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"),
    )
    page = (ROOT / "docs" / "extensions.md").read_text()
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    env = {**installed.variables(), "PIP_NO_INDEX": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    said = run("bash", "-e", "-c", block, cwd=tmp_path, **env)
    assert "2 passed" in said
    said = installed.run("-c", "import clew, radial; print(clew.__file__, radial.__file__)", cwd=tmp_path)
    assert [Path(path).parent.parent for path in said.split()] == [installed.site] * 2


def test_inline(installed: Environment, tmp_path: Path) -> None:
    """One op builds in at most 10 s."""
    program = (
        "import time, clew\nfrom clew.utils.cpp_extension import load_inline\nstart = time.perf_counter()\n"
        "m = load_inline('m', 'clew::Tensor twice(const clew::Tensor& x) { return x * 2; }', 'twice')\n"
        "print(m.twice(clew.ones(1)).item(), time.perf_counter() - start)\n"
    )
    value, seconds = installed.run("-c", program, cwd=tmp_path, CLEW_EXTENSIONS_DIR=str(tmp_path)).split()
    print(f"one op built in {float(seconds):.1f} s")
    assert float(value) == 2 and float(seconds) <= 10


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_program(installed: Environment, tmp_path: Path, compiler: str) -> None:
    """tutorials/cpp/custom_function is configured, built and run against the wheel in at most 20 s."""
    found = shutil.which(compiler) or next(map(str, Path("/usr/bin").glob(f"{compiler}-[0-9]*")), None)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    prefix = installed.run("-m", "clew", "--cmake-prefix", cwd=tmp_path).strip()
    assert prefix == str(installed.site / "clew")
    start = time.perf_counter()
    source = ROOT / "tutorials" / "cpp" / "custom_function"
    arguments = ("-S", source, "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", *arguments, f"-DCMAKE_CXX_COMPILER={found}", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    assert "all agree" in run(tmp_path / "build" / "custom_function", cwd=tmp_path)
    seconds = time.perf_counter() - start
    print(f"{compiler}: configured, built and run in {seconds:.1f} s")
    assert seconds <= 20
    libraries = run("ldd", tmp_path / "build" / "custom_function", cwd=tmp_path)
    assert str(installed.site) in libraries and "libpython" not in libraries
