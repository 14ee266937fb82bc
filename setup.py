"""Builds the wheel: CMake compiles and installs the native part, setuptools collects the Python files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION_FILE = ROOT / "bindings" / "clew" / "_version.py"


def version() -> str:
    return re.search(r'__version__ = "(.+)"', VERSION_FILE.read_text())[1]


class FreshBuildPy(build_py):
    """Starts from an empty folder: a file removed from the sources must not stay in the wheel."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "clew", ignore_errors=True)
        super().run()


class CMakeBuild(build_ext):
    """Runs CMake and installs libclew, its BLAS, headers and the extension module into the wheel."""

    def run(self) -> None:
        build = Path(self.build_temp).resolve() / "cmake"
        # An editable install builds in place: the files go into the source package.
        target = ROOT / "bindings" if self.inplace else Path(self.build_lib).resolve()
        cmake = shutil.which("cmake") or "cmake"
        configure = [
            cmake,
            "-S",
            str(ROOT),
            "-B",
            str(build),
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DCMAKE_BUILD_TYPE={'Debug' if self.debug else 'Release'}",
            "-DCLEW_WHEEL=ON",
            "-DCLEW_BUILD_TESTS=OFF",
        ]
        if ninja := shutil.which("ninja"):
            # Named, because a build environment of pip's is gone when the next build reads the cache.
            configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
        if cuda := os.environ.get("CLEW_CUDA"):
            configure.append(f"-DCLEW_CUDA={cuda}")
        configure += os.environ.get("CLEW_CMAKE_ARGS", "").split()
        install = [cmake, "--install", str(build), "--prefix", str(target)]
        if not self.debug:
            install.append("--strip")
        subprocess.run(configure, check=True)
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 2))
        subprocess.run([cmake, "--build", str(build), "--parallel", jobs], check=True)
        subprocess.run(install, check=True)


setup(
    version=version(),
    # The one name tells setuptools that the wheel is for this platform and this Python.
    ext_modules=[Extension("clew._C", sources=[])],
    cmdclass={"build_ext": CMakeBuild, "build_py": FreshBuildPy},
)
