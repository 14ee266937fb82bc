"""Extensions that are compiled when a program asks for them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from clew.utils.cpp_extension import _paths
from clew.utils.cpp_extension._paths import CompileError

__all__ = ["load", "load_inline"]

_SHOWN_LINES = 60  # of a compiler's output


def load(
    name: str,
    sources: str | Sequence[str],
    extra_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None,
    extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
    extra_cuda_cflags: Sequence[str] | None = None,
) -> ModuleType:
    """Compiles sources to a library, unless that was done before, and loads it.

    A build is kept under the contents of its sources, the headers that they include, the flags and the
    compiler; nothing is compiled while none of these changes. In one process an edited library takes the
    place of the older one.

    Args:
        name: an identifier; what the sources give to register_library, or the name of the Python module.
        sources: .cpp files, and .cu files where there is nvcc.
        extra_cflags, extra_ldflags, extra_cuda_cflags: further flags for compiler, linker and nvcc.
        extra_include_paths: further folders of headers.
        build_directory: where builds are kept; default $CLEW_EXTENSIONS_DIR or ~/.cache/clew/extensions.
        verbose: print commands and times.
    Returns:
        `clew.ops.<name>`, or the Python module where the sources define one called `name`.
    Raises:
        clew.utils.cpp_extension.CompileError: with the compiler's messages, place by place, and its command.
        FileNotFoundError: a source does not exist.
        ValueError: the sources register no library of that name.
    """
    if not name.isidentifier():
        raise ValueError(f"load: expected a name that is an identifier, got {name!r}")
    files = [Path(s).absolute() for s in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    if not files:
        raise ValueError("load: expected at least one source, got none")
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"load: expected a source file, got {str(file)!r}, which does not exist")
    root = Path(build_directory or _default_directory()).expanduser().absolute() / name
    build = _Build(
        name,
        files,
        extra_cflags or (),
        extra_ldflags or (),
        extra_include_paths or (),
        extra_cuda_cflags or (),
        verbose,
    )
    try:
        library = build.library(root)
    except CompileError as e:
        raise e.with_traceback(None) from None  # threads and locks say nothing to the reader
    return _import(name, library)


def load_inline(
    name: str,
    cpp_sources: str | Sequence[str],
    functions: str | Sequence[str] | dict[str, str] | None = None,
    extra_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None,
    extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
) -> ModuleType:
    """Compiles C++ text and loads it; `clew/extension.h` is included.

    Args:
        name: an identifier; the functions appear as `clew.ops.<name>`.
        cpp_sources: text, or several that are put one after the other.
        functions: names of functions in the text, to be called from Python, or a dict from names to
            docstrings. What they do with ops is differentiable; what they do with data directly is not,
            unless it is inside of a clew::autograd::Function. None where the text has a CLEW_LIBRARY.
        extra_cflags, extra_ldflags, extra_include_paths, build_directory, verbose: as in `load`.
    Returns:
        The module of the functions.
    Raises:
        clew.utils.cpp_extension.CompileError: as in `load`; lines count from the start of the text.
        ValueError: a function is not in the text.
    """
    if not name.isidentifier():
        raise ValueError(f"load_inline: expected a name that is an identifier, got {name!r}")
    text = "\n".join([cpp_sources] if isinstance(cpp_sources, str) else cpp_sources)
    names = [functions] if isinstance(functions, str) else list(functions or ())
    docs = functions if isinstance(functions, dict) else {}
    pieces = ["#include <clew/extension.h>", f'#line 1 "{name}.cpp"', text]
    if names:
        pieces += ['#line 1 "registration"', _registration(name, text, names, docs)]
    root = Path(build_directory or _default_directory()).expanduser().absolute()
    content = "\n".join(pieces) + "\n"
    source = root / name / "inline" / _digest(content) / f"{name}.cpp"
    if not source.is_file():
        source.parent.mkdir(parents=True, exist_ok=True)
        _write(source, content)
    return load(name, [str(source)], extra_cflags, extra_ldflags, extra_include_paths, str(root), verbose)


# --- what load_inline adds --------------------------------------------------------------------------


def _declaration(text: str, function: str) -> tuple[str, str]:
    """(result, parameters) of the definition of `function`, as written."""
    plain = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    for found in re.finditer(rf"([\w:]+)\s+{re.escape(function)}\s*\(", plain):
        depth, end = 1, found.end()
        while depth and end < len(plain):
            depth += {"(": 1, ")": -1}.get(plain[end], 0)
            end += 1
        if depth == 0 and plain[end:].lstrip()[:1] == "{" and found[1] not in ("return", "new", "else"):
            return found[1], " ".join(plain[found.end() : end - 1].split())
    raise ValueError(
        f"load_inline: expected a definition like 'clew::Tensor {function}(const clew::Tensor& x) {{...}}' "
        f"in cpp_sources, got none of {function!r}"
    )


def _registration(library: str, text: str, functions: list[str], docs: dict[str, str]) -> str:
    lines = ["namespace clew_inline {"]
    for f in functions:
        result, parameters = _declaration(text, f)
        doc = docs.get(f) or f"{f} of {library}, from C++."
        lines += [
            f"constinit const clew::OpDef<decltype(::{f})> {f}_op = {{{{",
            f'    .name = "{library}.{f}", .doc = {_c_string(doc)}, .composite = ::{f}}}}};',
            f"constexpr clew::detail::Declaration {f}_words{{",
            f"    {_c_string(f)}, {_c_string(result)}, {_c_string(parameters)}, false}};",
        ]
    entries = ", ".join(f"CLEW_ENTRY(clew_inline::{f})" for f in functions)
    lines += ["}", f'CLEW_LIBRARY({library}) {{ clew::register_library("{library}", {{{entries}}}); }}']
    return "\n".join(lines)


def _c_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


# --- building -----------------------------------------------------------------------------------------


def _default_directory() -> str:
    return os.environ.get("CLEW_EXTENSIONS_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "clew", "extensions"
    )


def _digest(*parts: str | bytes) -> str:
    h = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(len(data).to_bytes(8, "little") + data)
    return h.hexdigest()[:24]


def _file_digest(path: str) -> str | None:
    try:
        return _digest(Path(path).read_bytes())
    except OSError:
        return None


def _write(path: Path, text: str) -> None:
    """Writes at once or not at all, as another process may be reading."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


@functools.cache
def _version(command: str) -> str:
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


class _Build:
    """One set of sources and flags."""

    def __init__(
        self,
        name: str,
        sources: list[Path],
        cflags: Sequence[str],
        ldflags: Sequence[str],
        include: Sequence[str],
        cuda_cflags: Sequence[str],
        verbose: bool,
    ) -> None:
        self.name, self.sources, self.verbose = name, sources, verbose
        folders = [*include, *_paths.include_paths()]
        python = sysconfig.get_paths()["include"]  # for sources that are Python modules
        flags = [*_paths.FLAGS, f"-DCLEW_EXTENSION_NAME={name}", *(f"-I{d}" for d in folders), f"-I{python}"]
        self.cflags = [*flags, *cflags]
        self.cuda_cflags = [*_paths.cuda_flags(flags), *cuda_cflags]
        library = _paths.shared_library()
        self.ldflags = [str(library), f"-Wl,-rpath,{library.parent}", *ldflags]

    def library(self, root: Path) -> Path:
        """The built library: an earlier one if nothing that it was made from has changed."""
        start = time.perf_counter()
        compilers = {self._compiler(s) for s in self.sources}
        key = _digest(
            *sorted(c + _version(c) for c in compilers),
            *self.cflags,
            *self.cuda_cflags,
            *self.ldflags,
            *map(str, self.sources),
        )
        folder = root / key
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            for manifest in sorted(folder.glob("*.json")):
                made_from = json.loads(manifest.read_text())
                library = manifest.with_suffix(".so")
                if library.exists() and all(_file_digest(f) == d for f, d in made_from.items()):
                    self._say(f"{self.name}: nothing has changed, using {library}")
                    return library
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                library = self._build(Path(scratch), folder)
        self._say(f"{self.name}: built in {time.perf_counter() - start:.1f} s: {library}")
        return library

    def _build(self, scratch: Path, folder: Path) -> Path:
        objects = [scratch / f"{i}.o" for i in range(len(self.sources))]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(self._compile, self.sources, objects))
        made = scratch / "library.so"
        self._run([_paths.compiler(), "-shared", "-o", str(made), *map(str, objects), *self.ldflags])
        files = {str(s) for s in self.sources}
        for o in objects:
            files |= _dependencies(o.with_suffix(".d"))
        made_from = {f: d for f in sorted(files) if (d := _file_digest(f)) is not None}
        stem = _digest(json.dumps(made_from))
        library = folder / f"{stem}.so"
        os.replace(made, library)
        _write(library.with_suffix(".json"), json.dumps(made_from, indent=1))
        return library

    def _compiler(self, source: Path) -> str:
        return _paths.cuda_compiler("load") if source.suffix == ".cu" else _paths.compiler()

    def _compile(self, source: Path, made: Path) -> None:
        flags = self.cuda_cflags if source.suffix == ".cu" else self.cflags
        depends = ["-MMD", "-MF", str(made.with_suffix(".d"))]
        self._run([self._compiler(source), "-c", str(source), "-o", str(made), *depends, *flags])

    def _run(self, command: list[str]) -> None:
        self._say(shlex.join(command))
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        if done.returncode != 0:
            raise CompileError(_compile_message(self.name, done.stderr + done.stdout, command))
        if done.stderr:
            self._say(done.stderr.rstrip())

    def _say(self, text: str) -> None:
        if self.verbose:
            print(text, file=sys.stderr)


def _dependencies(depfile: Path) -> set[str]:
    """The files that a Make rule lists: sources and headers, those of the system left out."""
    if not depfile.exists():
        return set()
    rule = depfile.read_text().replace("\\\n", " ")
    return {f.replace("\\ ", " ") for f in re.split(r"(?<!\\)\s+", rule.split(":", 1)[1].strip()) if f}


def _compile_message(name: str, output: str, command: list[str]) -> str:
    places = r"^(\S[^\n]*?: (?:(?:fatal )?error: |undefined reference to )[^\n]*)$"
    errors = [e for e in re.findall(places, output, re.MULTILINE) if not e.startswith("collect2:")]
    head = (
        f"load: expected {name!r} to compile, got {len(errors) or 'an'} error{'s' if len(errors) > 1 else ''}"
    )
    lines = output.rstrip().splitlines()
    if len(lines) > _SHOWN_LINES:
        lines = [*lines[:_SHOWN_LINES], f"... ({len(lines) - _SHOWN_LINES} more lines)"]
    first = "".join(f"\n  {e}" for e in errors[:10])
    return f"{head}{first}\n\n" + "\n".join(lines) + f"\n\ncommand: {shlex.join(command)}"


# --- loading ------------------------------------------------------------------------------------------


def _import(name: str, path: Path) -> ModuleType:
    from clew import ops

    exported = ctypes.CDLL(str(path))
    if hasattr(exported, f"PyInit_{name}"):
        loader = importlib.machinery.ExtensionFileLoader(name, str(path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
        loader.exec_module(module)
        sys.modules[name] = module
        return module
    ops._reload(str(path))
    if name not in ops.loaded_libraries():
        raise ValueError(
            f"load: expected the sources to register a library called {name!r}, got "
            f"{', '.join(ops.loaded_libraries()) or 'none'}"
        )
    return getattr(ops, name)
