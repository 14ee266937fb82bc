"""The wheel by itself: extensions and C++ programs are built from what it installs, out of tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import clew

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel and nothing else."""
    if shutil.which("ccache") is None:
        pytest.skip("needs ccache: the wheel's build takes minutes where nothing is cached")
    cache = Path(clew.__file__).parent.parent.parent / "CMakeCache.txt"
    if not cache.is_file():
        pytest.skip("needs the build tree that filled the cache")
    # With the same flags as there, so that each object is in the cache.
    werror = "ON" if "CLEW_WERROR:BOOL=ON" in cache.read_text() else "OFF"
    made, where = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "-q")
    # Nothing is written into the source tree.
    config = made / "setup.cfg"
    config.write_text(f"[build]\nbuild_base = {made / 'build'}\n[egg_info]\negg_base = {made}\n")
    run(
        *pip,
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "-w",
        made,
        ROOT,
        cwd=made,
        CLEW_CMAKE_ARGS=f"-DCLEW_WERROR={werror}",
        DIST_EXTRA_CONFIG=str(config),
    )
    (wheel,) = made.glob("clew-*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", where, wheel, cwd=made)
    return where


def test_extension(site: Path, tmp_path: Path) -> None:
    """tutorials/extension_op is installed beside the wheel, and passes its own tests."""
    tree = tmp_path / "extension_op"
    shutil.copytree(ROOT / "tutorials" / "extension_op", tree, ignore=shutil.ignore_patterns("build", "*.so"))
    own = tmp_path / "own"
    start = time.perf_counter()
    run(
        sys.executable, "-m", "pip", "-q", "install", "--no-build-isolation", "--no-deps", "--no-index",
        "--target", own, ".", cwd=tree, PYTHONPATH=str(site),
    )  # fmt: skip
    print(f"extension built and installed in {time.perf_counter() - start:.1f} s")
    env = {"PYTHONPATH": f"{own}{os.pathsep}{site}"}
    said = run(sys.executable, "-c", "import clew, radial; print(clew.__file__)", cwd=tmp_path, **env)
    assert said.startswith(str(site))
    assert "2 passed" in run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tree, **env
    )


def test_inline(site: Path, tmp_path: Path) -> None:
    program = (
        "import time, clew\nfrom clew.utils.cpp_extension import load_inline\nstart = time.perf_counter()\n"
        "m = load_inline('m', 'clew::Tensor twice(const clew::Tensor& x) { return x * 2; }', 'twice')\n"
        "print(m.twice(clew.ones(1)).item(), time.perf_counter() - start)\n"
    )
    value, seconds = run(
        sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(site), CLEW_EXTENSIONS_DIR=str(tmp_path)
    ).split()
    print(f"one op built in {float(seconds):.1f} s")
    assert float(value) == 2 and float(seconds) <= 10


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_program(site: Path, tmp_path: Path, compiler: str) -> None:
    """tutorials/cpp/custom_function is configured, built and run against the wheel in at most 20 s."""
    found = shutil.which(compiler) or next(map(str, Path("/usr/bin").glob(f"{compiler}-[0-9]*")), None)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    prefix = run(sys.executable, "-m", "clew", "--cmake-prefix", cwd=tmp_path, PYTHONPATH=str(site)).strip()
    assert prefix == str(site / "clew")
    start = time.perf_counter()
    source = ROOT / "tutorials" / "cpp" / "custom_function"
    run(
        "cmake", "-S", source, "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={found}", cwd=tmp_path,
    )  # fmt: skip
    run("cmake", "--build", "build", cwd=tmp_path)
    assert "all agree" in run(tmp_path / "build" / "custom_function", cwd=tmp_path)
    seconds = time.perf_counter() - start
    print(f"{compiler}: configured, built and run in {seconds:.1f} s")
    assert seconds <= 20
    libraries = run("ldd", tmp_path / "build" / "custom_function", cwd=tmp_path)
    assert str(site) in libraries and "python" not in libraries
