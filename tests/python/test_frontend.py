"""The C++ frontend beside the Python one: the same names, and the same numbers from the same weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clew
from clew import nn

ROOT = Path(__file__).resolve().parent.parent.parent


def frontend_program() -> Path:
    # The package under test stands in <build>/python/clew, the program in <build>.
    path = Path(clew.__file__).parent.parent.parent / "clew_frontend"
    if not path.exists():
        path = Path(clew._C.__file__).resolve().parent.parent.parent / "clew_frontend"
    if not path.exists():
        pytest.skip("clew_frontend is not built (CLEW_BUILD_TESTS)")
    return path


def x(*shape, low=None):
    if low is not None:
        return clew.rand(*shape) * 0.9 + low
    return clew.randn(*shape)


CASES = {
    "Linear": (lambda: nn.Linear(5, 3), lambda: [x(4, 5)]),
    "Linear without bias": (lambda: nn.Linear(5, 3, bias=False), lambda: [x(4, 5)]),
    "Identity": (lambda: nn.Identity(), lambda: [x(4)]),
    "Flatten": (lambda: nn.Flatten(), lambda: [x(2, 3, 4)]),
    "Embedding": (lambda: nn.Embedding(7, 3, padding_idx=0), lambda: [clew.tensor([[0, 3, 3], [6, 1, 2]])]),
    "Dropout": (lambda: nn.Dropout(0.0), lambda: [x(5)]),
    "Conv2d": (
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding=(1, 0), groups=2),
        lambda: [x(2, 4, 9, 8)],
    ),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), lambda: [x(2, 3, 9)]),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        lambda: [x(2, 4, 5, 4)],
    ),
    "BCELoss": (lambda: nn.BCELoss(), lambda: [x(4, 3, low=0.05), x(4, 3, low=0.05)]),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, stride=2, padding=1), lambda: [x(2, 3, 8, 7)]),
    "AvgPool2d": (
        lambda: nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        lambda: [x(2, 3, 8, 7)],
    ),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), lambda: [x(2, 3, 8, 7)]),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(5), lambda: [x(8, 5)]),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, momentum=None), lambda: [x(3, 4, 5, 5)]),
    "LayerNorm": (lambda: nn.LayerNorm((2, 5)), lambda: [x(3, 2, 5)]),
    "ReLU": (lambda: nn.ReLU(), lambda: [x(9)]),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), lambda: [x(9)]),
    "GELU": (lambda: nn.GELU("tanh"), lambda: [x(9)]),
    "SiLU": (lambda: nn.SiLU(), lambda: [x(9)]),
    "Sigmoid": (lambda: nn.Sigmoid(), lambda: [x(9)]),
    "Tanh": (lambda: nn.Tanh(), lambda: [x(9)]),
    "Softmax": (lambda: nn.Softmax(1), lambda: [x(3, 9)]),
    "LogSoftmax": (lambda: nn.LogSoftmax(1), lambda: [x(3, 9)]),
    "CrossEntropyLoss": (
        lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda: [x(4, 3), clew.tensor([0, 2, 1, 1])],
    ),
    "NLLLoss": (lambda: nn.NLLLoss(), lambda: [x(4, 3), clew.tensor([0, 2, 1, 1])]),
    "MSELoss": (lambda: nn.MSELoss(reduction="sum"), lambda: [x(4, 3), x(4, 3)]),
    "L1Loss": (lambda: nn.L1Loss(), lambda: [x(4, 3), x(4, 3)]),
    "BCEWithLogitsLoss": (lambda: nn.BCEWithLogitsLoss(), lambda: [x(4, 3), x(4, 3, low=0.05)]),
    "RNN": (lambda: nn.RNN(3, 4, nonlinearity="relu"), lambda: [x(5, 2, 3)]),
    "GRU": (
        lambda: nn.GRU(3, 4, 2, batch_first=True, bidirectional=True),
        lambda: [x(2, 5, 3), x(4, 2, 4)],
    ),
    "LSTM": (lambda: nn.LSTM(3, 4, 2, proj_size=2), lambda: [x(5, 3)]),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True),
        lambda: [x(2, 3, 8), x(2, 4, 5), x(2, 4, 6), clew.tensor([[False] * 4, [False, True, True, False]])],
    ),
    "MultiheadAttention fused": (
        lambda: nn.MultiheadAttention(8, 2),
        lambda: [x(3, 2, 8), clew.ones(3, 3, dtype=clew.bool).triu(1)],
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", norm_first=True),
        lambda: [x(4, 2, 8)],
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), 2, norm=nn.LayerNorm(8)
        ),
        lambda: [x(2, 4, 8)],
    ),
    "Sequential": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
        lambda: [x(4, 5)],
    ),
}


def forward(name, module, inputs):
    """The call that the C++ program makes, as a list of tensors."""
    if name == "MultiheadAttention":
        *given, padding = inputs
        result = module(*given, key_padding_mask=padding)
    elif name == "MultiheadAttention fused":
        y, mask = inputs
        result = module(y, y, y, attn_mask=mask, need_weights=False)[:1]
    else:
        result = module(*inputs)
    flat = []
    for part in result if isinstance(result, tuple) else [result]:
        flat += part if isinstance(part, tuple) else [part]
    return flat


@pytest.mark.parametrize("name", CASES)
def test_same_numbers(name, tmp_path):
    make, make_inputs = CASES[name]
    module, inputs = make(), make_inputs()
    with clew.no_grad():
        for p in module.parameters():
            p.add_(clew.randn_like(p) * 0.1)
    clew.save(
        {
            "case": {name: clew.zeros(0)},
            "state": dict(module.state_dict()),
            "input": [t.detach() for t in inputs],
        },
        tmp_path / "in",
    )
    done = subprocess.run(
        [frontend_program(), "run", tmp_path / "in", tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    got = clew.load(tmp_path / "out")

    inputs = [t.clone().requires_grad_() if t.dtype.is_floating_point else t for t in inputs]
    outputs = forward(name, module, inputs)
    total = clew.zeros(())
    for y in outputs:
        total = total + (y * y).sum()
    if total.requires_grad:
        total.backward()
    want = {f"output.{i}": y.detach() for i, y in enumerate(outputs)}
    want |= {f"grad.{key}": p.grad for key, p in module.named_parameters() if p.grad is not None}
    want |= {
        f"input_grad.{i}": t.grad for i, t in enumerate(inputs) if t.requires_grad and t.grad is not None
    }
    want |= {f"after.{key}": b for key, b in module.named_buffers()}
    assert set(got) == set(want)
    for key, value in want.items():
        assert clew.equal(got[key], value), key


# --- programs built outside the tree ----------------------------------------------------------------


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installed tree, as `cmake --install` makes it."""
    build = frontend_program().parent
    where = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", where], check=True, capture_output=True)
    return where


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_consumer(compiler, prefix, tmp_path):
    """The digits program is configured, built and run against the installed tree, without Python."""
    found = shutil.which(compiler) or next(map(str, Path("/usr/bin").glob(f"{compiler}-[0-9]*")), None)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    source = ROOT / "tutorials" / "cpp" / "digits"
    subprocess.run([sys.executable, source / "export_digits.py", tmp_path / "data"], check=True)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [
            "cmake",
            "-S",
            source,
            "-B",
            tmp_path / "build",
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_CXX_COMPILER={found}",
        ],
        check=True,
        capture_output=True,
        env=env,
    )
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, env=env)
    program = tmp_path / "build" / "digits"
    done = subprocess.run([program, tmp_path / "data"], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split("test accuracy:")[1].split()[0])
    assert accuracy >= 98, done.stdout
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libclew.so" in libraries
    assert "python" not in libraries
    # The weights are Python's too.
    state = clew.load(tmp_path / "data" / "digits.safetensors")
    assert state["conv1.weight"].shape == (16, 1, 3, 3)


def test_pkg_config(prefix, tmp_path):
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    (tmp_path / "one.cpp").write_text(
        "#include <clew/clew.h>\n#include <cstdio>\n"
        'int main() { std::printf("%g\\n", clew::ones({2, 2}).sum().item<double>()); }\n'
    )
    folder = next(prefix.glob("lib*/pkgconfig"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "clew"], capture_output=True, text=True, check=True, env=env
    ).stdout.split()
    subprocess.run(["g++", tmp_path / "one.cpp", *flags, "-o", tmp_path / "one"], check=True)
    done = subprocess.run([tmp_path / "one"], capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


def test_lean_header(tmp_path):
    """`#include <clew/clew.h>` costs little: at most 0.6 s of preprocessing."""
    import resource

    (tmp_path / "one.cpp").write_text("#include <clew/clew.h>\n")
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            ["g++", "-std=c++20", f"-I{ROOT / 'include'}", "-E", tmp_path / "one.cpp", "-o", os.devnull],
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best <= 0.6
