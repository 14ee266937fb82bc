"""Runs a PyTorch program with `torch` taken from Clew."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import io
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

import clew
from clew import _missing

__all__ = ["TorchFinder", "install", "run_script"]

_PACKAGE = os.path.dirname(os.path.abspath(clew.__file__))
# What version of PyTorch the names and defaults are those of; programs compare it.
_TORCH_VERSION = f"2.13.0+clew{clew.__version__}"


class _Torch(types.ModuleType):
    """The module `torch`: everything of clew, and a version that programs can compare."""

    __version__ = _TORCH_VERSION

    def __getattr__(self, name: str) -> Any:
        return importlib.import_module("torch.version") if name == "version" else getattr(clew, name)

    @staticmethod
    def compile(model: Any = None, **options: Any) -> Any:
        """Gives the function or module back, which runs eagerly; the report at the end says so."""
        _missing.missing("clew", "compile")
        return model if model is not None else lambda function: function

    def __dir__(self) -> list[str]:
        return sorted({*dir(clew), *vars(self)})


def _version() -> types.ModuleType:
    """The module `torch.version`."""
    module = types.ModuleType("torch.version")
    module.__dict__.update(__version__=_TORCH_VERSION, cuda=None, hip=None, git_version=None, debug=False)
    return module


class _Loader(importlib.abc.Loader):
    """Hands out a module of clew under its name below torch."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return self.module

    def exec_module(self, module: types.ModuleType) -> None:
        # The import system has put the spec of the second name on the module, which keeps its own.
        module.__spec__ = self.spec


class TorchFinder(importlib.abc.MetaPathFinder):
    """Resolves `torch` and what is below it to `clew`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "torch":
            module: types.ModuleType = _Torch("torch", clew.__doc__)
            module.__path__ = list(clew.__path__)
            module.__file__ = clew.__file__
        elif fullname == "torch.version":
            module = _version()
        elif fullname.startswith("torch."):
            name = "clew" + fullname.removeprefix("torch")
            try:
                module = importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                    raise  # something else that the module needs
                parent, _, last = name.rpartition(".")
                text = str(_missing.missing(parent, last)).replace("clew", "torch")
                raise ModuleNotFoundError(f"No module named {fullname!r} ({text})", name=fullname) from None
        else:
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname, _Loader(module), is_package=hasattr(module, "__path__")
        )
        return spec


def install() -> None:
    """Lets `import torch` find Clew in this process from now on."""
    sys.meta_path.insert(0, TorchFinder())


class _MissingNames:
    """Collects the known names that a program asked for and did not get, each once."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], str] = {}

    def __call__(self, path: str, name: str, message: str) -> None:
        place = self._place()
        if place is None or name.startswith("_"):
            return  # asked by Python or by Clew itself, not by the program
        torch_path = "torch" + path.removeprefix("clew")
        tier = _missing.tier_of(path.removeprefix("clew").lstrip("."), name)
        if tier is None and path not in sys.modules:
            return  # an attribute of an object that the program may have expected or not
        if (torch_path, name) not in self.lines:
            instead = _missing.instead_of(path.removeprefix("clew").lstrip("."), name)
            facts = f"tier {tier}, not there yet" if tier is not None else "not known"
            if instead:
                facts += f"; use {instead}"
            self.lines[(torch_path, name)] = f"  {place}: {torch_path}.{name} ({facts})"

    @staticmethod
    def _place() -> str | None:
        """File and line of the program's own code that asked."""
        frame = sys._getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename
            if not file.startswith((_PACKAGE, "<frozen ")) and "importlib" not in file:
                return f"{file}:{frame.f_lineno}"
            frame = frame.f_back
        return None

    def report(self) -> None:
        if self.lines:
            sys.stdout.flush()
            print("clew run: names that the program asked for and that are not there:", file=sys.stderr)
            for line in self.lines.values():
                print(line, file=sys.stderr)


def run_script(script: str, args: Sequence[str]) -> int:
    """Runs the program as `python script args` would, with `torch` taken from Clew.

    Args:
        script: path of the program.
        args: what the program finds in sys.argv[1:].
    Returns:
        The exit status, unless the program ends by SystemExit, which passes through.
    """
    try:
        with io.open_code(script) as f:
            source = f.read()
    except OSError as error:
        message = f"can't open file {os.path.abspath(script)!r}: [Errno {error.errno}] {error.strerror}"
        print(f"clew run: {message}", file=sys.stderr)
        return 2
    missing = _MissingNames()
    install()
    _missing.watchers.append(missing)
    sys.argv = [script, *args]
    # The program's folder takes the place that `-m` gave to the current one. Processes that the program
    # spawns get this path and no finder; the folder behind it has a torch that brings theirs.
    sys.path[:1] = [os.path.dirname(os.path.abspath(script)), os.path.join(_PACKAGE, "_torch")]
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__dict__["__builtins__"] = __builtins__
    module.__dict__["__cached__"] = None
    sys.modules["__main__"] = module
    try:
        try:
            code = compile(source, script, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            sys.excepthook(type(error), error.with_traceback(None), None)
            return 1
        try:
            exec(code, module.__dict__)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # Python's own report begins with the program's first line.
            trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
            sys.excepthook(type(error), error.with_traceback(trace), trace)
            return 1
        return 0
    finally:
        _missing.watchers.remove(missing)
        missing.report()
