"""Found as `torch` by the processes that a program under `python -m clew run` starts: resolves it to Clew."""

import importlib
import sys

from clew._run import install

del sys.modules["torch"]
install()
importlib.import_module("torch")
