"""Extensions that are compiled when their package is installed: for setup.py.

    from setuptools import setup
    from clew.utils.cpp_extension import BuildExtension, CppExtension

    setup(
        name="mylib",
        packages=["mylib"],
        ext_modules=[CppExtension("mylib._C", ["csrc/ops.cpp"])],
        cmdclass={"build_ext": BuildExtension},
    )

Importing `mylib._C` registers the ops of its CLEW_LIBRARY.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from setuptools import Extension
from setuptools.command.build_ext import build_ext

from clew.utils.cpp_extension import _paths

__all__ = ["BuildExtension", "CUDAExtension", "CppExtension"]

# Makes the library importable: the ops register when Python loads it. Weak, so that sources that are a
# Python module themselves go first.
_MODULE = """\
#include <Python.h>

#include <dlfcn.h>

static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", "Ops of a Clew extension.", -1,
                                        nullptr, nullptr, nullptr, nullptr, nullptr}};

extern "C" __attribute__((visibility("default"), weak)) PyObject* PyInit_{last}() {{
  Dl_info here;
  if (dladdr(reinterpret_cast<void*>(&definition), &here) == 0) {{
    PyErr_SetString(PyExc_ImportError, "{name}: expected the path of this library, found none");
    return nullptr;
  }}
  PyObject* ops = PyImport_ImportModule("clew.ops");
  if (ops == nullptr) return nullptr;
  PyObject* done = PyObject_CallMethod(ops, "load_library", "s", here.dli_fname);
  Py_DECREF(ops);
  if (done == nullptr) return nullptr;
  Py_DECREF(done);
  return PyModule_Create(&definition);
}}
"""


def CppExtension(name: str, sources: list[str], *args: Any, **kwargs: Any) -> Extension:
    """A setuptools.Extension that finds Clew's headers and library.

    Args:
        name: of the module, with its package: "mylib._C".
        sources: .cpp files, relative to setup.py.
        args, kwargs: as setuptools.Extension takes them; extra_compile_args come after Clew's own.
    Returns:
        setuptools.Extension, to be built with BuildExtension.
    """
    library = _paths.shared_library()
    # Installed beside Clew, or with the Clew that it was built against.
    beside = "$ORIGIN/" + "../" * name.count(".") + "clew/lib"
    own_args = kwargs.pop("extra_compile_args", [])
    kwargs["extra_compile_args"] = (
        {**own_args, "cxx": [*_paths.FLAGS, *own_args.get("cxx", [])]}
        if isinstance(own_args, dict)
        else [*_paths.FLAGS, *own_args]
    )
    kwargs["include_dirs"] = [*kwargs.pop("include_dirs", []), *_paths.include_paths()]
    kwargs["extra_link_args"] = [
        str(library),
        f"-Wl,-rpath,{beside}",
        f"-Wl,-rpath,{library.parent}",
        *kwargs.pop("extra_link_args", []),
    ]
    kwargs["language"] = "c++"
    return Extension(name, sources, *args, **kwargs)


def CUDAExtension(name: str, sources: list[str], *args: Any, **kwargs: Any) -> Extension:
    """As CppExtension, with .cu sources, which nvcc compiles.

    `extra_compile_args` may be a dict with flags for "cxx" and "nvcc".

    Raises:
        RuntimeError: there is no nvcc.
    """
    home = os.path.dirname(os.path.dirname(_paths.cuda_compiler("CUDAExtension")))
    kwargs["include_dirs"] = [*kwargs.pop("include_dirs", []), os.path.join(home, "include")]
    kwargs["library_dirs"] = [*kwargs.pop("library_dirs", []), os.path.join(home, "lib64")]
    kwargs["libraries"] = [*kwargs.pop("libraries", []), "cudart"]
    return CppExtension(name, sources, *args, **kwargs)


class BuildExtension(build_ext):
    """The build_ext command for CppExtension and CUDAExtension."""

    def build_extension(self, ext: Extension) -> None:
        args = ext.extra_compile_args
        flags = args if isinstance(args, dict) else {"cxx": list(args)}
        ext.extra_compile_args = flags.get("cxx", [])
        sources = [s for s in ext.sources if not s.endswith(".cu")]
        cuda = [s for s in ext.sources if s.endswith(".cu")]
        ext.extra_objects = [
            *ext.extra_objects,
            *(self._compile_cuda(ext, s, flags.get("nvcc", [])) for s in cuda),
        ]
        ext.sources = [*sources, self._module_source(ext)]
        super().build_extension(ext)

    def _module_source(self, ext: Extension) -> str:
        os.makedirs(self.build_temp, exist_ok=True)
        path = os.path.join(self.build_temp, f"{ext.name}.module.cpp")
        with open(path, "w") as f:
            f.write(_MODULE.format(name=ext.name, last=ext.name.rpartition(".")[2]))
        return path

    def _compile_cuda(self, ext: Extension, source: str, extra: list[str]) -> str:
        made = os.path.join(self.build_temp, f"{source}.o")
        os.makedirs(os.path.dirname(made), exist_ok=True)
        flags = _paths.cuda_flags([*_paths.FLAGS, *(f"-I{d}" for d in ext.include_dirs)])
        command = [_paths.cuda_compiler("BuildExtension"), "-c", source, "-o", made, *flags, *extra]
        self.announce(" ".join(command), level=2)
        subprocess.run(command, check=True)
        return made
