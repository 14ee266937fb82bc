"""`python -m clew run`: PyTorch programs as they are, and the behaviour of Python itself around them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
# Name, arguments: what each asserts about its training stands in the program.
RUNS = [
    ("digits", []),
    ("vae", []),
    ("polynomial", []),
    ("sine_prediction", []),
    ("word_language_model", []),
    ("word_language_model", ["--model", "Transformer"]),
    ("dcgan", []),
    ("reinforce", []),
    ("tiny_gpt", []),
    ("graph_attention", []),
    ("meta_learning", []),
    ("sound_labels", []),
    ("hogwild", []),
    ("flow", []),
    ("critic", []),
]


def python(*args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **env},
    )


def clew_run(script: str | Path, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return python("-m", "clew", "run", str(script), *args, cwd=cwd)


@pytest.mark.parametrize("name, args", RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_program_trains(name: str, args: list[str]) -> None:
    start = time.perf_counter()
    result = clew_run(PROGRAMS / f"{name}.py", *args)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    assert "not there" not in result.stderr
    assert result.stdout
    print(f"{name}: {time.perf_counter() - start:.1f} s")


@pytest.mark.parametrize("name, args", RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_program_is_one_of_pytorch(name: str, args: list[str]) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    source = (PROGRAMS / f"{name}.py").read_text()
    assert "import torch" in source and "clew" not in source
    result = python(str(PROGRAMS / f"{name}.py"), *args, OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]


def script(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_names_resolve(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
import torch
import torch.nn as nn, torch.nn.functional as F
import torch.optim.lr_scheduler as lr_scheduler
import torch.backends.cudnn as cudnn
from torch import Tensor, optim
from torch.autograd import Variable, Function
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import default_collate
from torch.optim.optimizer import Optimizer
from torch.cuda.amp import autocast
import clew, sys
assert torch.nn is nn is clew.nn and F is clew.nn.functional is sys.modules["torch.nn.functional"]
assert nn.Module is Module is clew.nn.Module and torch.Tensor is Tensor is clew.Tensor
assert clew.nn.__spec__.name == "clew.nn" and clew.nn.__name__ == "clew.nn"
assert torch.version.cuda is None and torch.version.__version__ == torch.__version__
assert tuple(map(int, torch.__version__.split("+")[0].split("."))) >= (2, 0, 0)
cudnn.benchmark = True
assert torch.backends.cudnn.benchmark
assert "zeros" in dir(torch) and isinstance(torch.zeros(1), torch.Tensor)
print("done")
""",
    )
    result = clew_run(path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_compile_runs_eagerly_and_is_reported(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
import torch
import torch.version
f = torch.compile(lambda x: x + 1)
@torch.compile(mode="max-autotune")
def g(x):
    return x * 2
print(g(f(torch.ones(1))).item(), torch.version.cuda)
""",
    )
    result = clew_run(path)
    assert (result.returncode, result.stdout) == (0, "4.0 None\n")
    assert result.stderr.count("torch.compile (tier 1, not there yet") == 1
    assert "program.py:4" in result.stderr and "eagerly" in result.stderr


BEHAVIOUR = {
    "argv": "import sys; print(sys.argv[1:], sys.argv[0] == __file__)",
    "main": "import sys; print(__name__, sys.modules['__main__'].__dict__ is globals(), __doc__)",
    "neighbour": "import neighbour; print(neighbour.VALUE)",
    "exit": "import sys; print('out'); sys.exit(3)",
    "exit_text": "import sys; sys.exit('some words')",
    "exit_none": "raise SystemExit",
    "error": "def f():\n    return 1 / 0\n\nprint('before')\nf()\n",
    "chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
    "syntax": "print('never')\nfor x in\n",
    "encoding": "# -*- coding: latin-1 -*-\nprint(ascii('\\xe4'))\n",
    "interrupt": "raise KeyboardInterrupt",
    "atexit": "import atexit; atexit.register(print, 'later'); print('now')",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 3\nprint(P())",
    "annotations": "from __future__ import annotations\ndef f(x: nothing): pass\nprint(f.__annotations__)",
    "input": "import sys; print(sys.flags.optimize, __builtins__ is not None)",
}


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_as_python_itself(name: str, tmp_path: Path) -> None:
    script(tmp_path, "VALUE = 7\n", "neighbour.py")
    path = script(tmp_path, BEHAVIOUR[name])
    ours, own = clew_run(path, "a", "--b=1"), python(str(path), "a", "--b=1")
    assert ours.returncode == own.returncode
    assert ours.stdout == own.stdout
    if name == "interrupt":
        assert "KeyboardInterrupt" in ours.stderr
    else:
        assert ours.stderr == own.stderr


def test_no_such_file(tmp_path: Path) -> None:
    result = clew_run(tmp_path / "nothing.py")
    assert result.returncode == 2 and "can't open file" in result.stderr and "No such file" in result.stderr


def test_usage() -> None:
    assert python("-m", "clew").returncode == 2
    assert "usage" in python("-m", "clew", "--help").stdout
    assert python("-m", "clew", "--version").stdout.startswith("clew ")


def test_missing_names_are_reported_once_at_the_end(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """import torch

for _ in range(3):
    if hasattr(torch, "sparse_csr_tensor"):
        raise SystemExit("unexpected")
try:
    import torch.distributed as dist
except ImportError as error:
    print(error)
print(getattr(torch.optim, "Muon", "no Muon"))
hasattr(torch.nn.Linear(1, 1), "running_mean")
print("end of the program")
""",
    )
    result = clew_run(path)
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    assert lines[0] == "clew run: names that the program asked for and that are not there:"
    assert len(lines) == 4
    assert lines[1].startswith(f"  {path}:4: torch.sparse_csr_tensor (tier 3")
    assert lines[2].startswith(f"  {path}:7: torch.distributed (tier 2") and "use " in lines[2]
    assert lines[3].startswith(f"  {path}:10: torch.optim.Muon (tier 3")
    assert "No module named 'torch.distributed'" in result.stdout
    assert result.stdout.endswith("no Muon\nend of the program\n")


def test_missing_name_ends_the_program(tmp_path: Path) -> None:
    path = script(tmp_path, "import torch\n\nx = torch.sparse_csr_tensor([0], [0], [1.0])\n")
    result = clew_run(path)
    assert result.returncode == 1
    assert f'File "{path}", line 3, in <module>' in result.stderr
    assert "NotYetError" in result.stderr and "tier 3" in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"  {path}:3: torch.sparse_csr_tensor")


def test_other_packages_are_left_alone(tmp_path: Path) -> None:
    path = script(tmp_path, "import numpy, torchlike\nprint(torchlike.HERE, numpy.ones(1).sum())\n")
    script(tmp_path, "HERE = 'own'\n", "torchlike.py")
    assert clew_run(path).stdout == "own 1.0\n"
