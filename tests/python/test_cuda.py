"""The CUDA backend as far as it shows without a GPU.

What is said where there is none, the lists of kernels, and the op suite over emulated kernels.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from op_samples import SAMPLES

import clew

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(clew.__file__).resolve().parent
BUILD = Path(clew._C.__file__).resolve().parents[2]
EMULATED = BUILD / "libclew_cuda_emulated.so"
LIBRARY = Path(clew._C.__file__).resolve().parent / "lib" / "libclew_cuda.so"

needs_emulator = pytest.mark.skipif(
    not EMULATED.exists(), reason="the build has no emulator (CLEW_BUILD_TESTS)"
)


def python(code: str, library: Path | str, **env: str) -> str:
    """What a fresh Python prints that looks for the CUDA backend in `library`."""
    run = subprocess.run(
        [sys.executable, "-c", "import clew\n" + code],
        env={**os.environ, "CLEW_CUDA_LIBRARY": str(library), **env},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", run.stderr
    return run.stdout


ASK = """
assert not clew.cuda.is_available() and clew.cuda.device_count() == 0 and not clew.cuda.is_initialized()
for ask in (
    lambda: clew.ones(2).cuda(), lambda: clew.ones(2).to("cuda"), lambda: clew.zeros(2, device="cuda:1"),
    lambda: clew.tensor([1], device="cuda"), clew.cuda.init,
):
    try:
        ask()
    except clew.DeviceError as e:
        print(e)
"""


def test_says_what_is_missing(tmp_path: Path) -> None:
    said = python(ASK, tmp_path / "none.so").splitlines()
    assert len(said) == 5
    for line in said:
        assert "expected a CUDA device, got none" in line
        assert "none.so is missing" in line and "CLEW_CUDA=ON" in line and "device='cpu'" in line
    assert [line.split(":")[0] for line in said] == ["to", "to", "zeros", "to", "cuda.init"]

    (tmp_path / "text.so").write_text("no library")
    assert "does not load" in python(ASK, tmp_path / "text.so")
    foreign = Path(clew._C.__file__)
    assert "is no backend library of Clew" in python(ASK, foreign)


@needs_emulator
def test_says_that_there_is_no_device() -> None:
    said = python(ASK, EMULATED, CLEW_EMULATION_DEVICES="0")
    assert said.count("got none for cuda:") == 5 and "to have no device" in said


# --- the lists of kernels ----------------------------------------------------------------------------


def kernels_of(pattern: str, macro: str) -> set[str]:
    names = set()
    for path in ROOT.glob(pattern):
        names |= set(re.findall(rf"{macro}\((\w+),", path.read_text()))
    names |= set(re.findall(r"^  X\((\w+),", (ROOT / "csrc/kernels/pointwise.h").read_text(), re.MULTILINE))
    return names - {"id"}


def listed(heading: str) -> set[str]:
    text = (ROOT / "docs/gpu-status.md").read_text()
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^- .*(?:\n  .*)*", section, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"`(\w+)`", line)}


def test_status_lists_are_the_registrys() -> None:
    cpu = kernels_of("csrc/cpu/*.cpp", "CLEW_CPU_KERNEL")
    cuda = kernels_of("csrc/cuda/*.cpp", "CLEW_CUDA_KERNEL")
    assert len(cpu) > 150
    assert cuda <= cpu, f"kernels that the CPU lacks: {sorted(cuda - cpu)}"
    assert listed("Kernels that exist") == cuda
    assert listed("Kernels that are not written yet") == cpu - cuda


# --- the library ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not LIBRARY.exists(), reason="the build has no CUDA backend (CLEW_CUDA=OFF)")
def test_library_is_complete() -> None:
    """Every symbol is found at once, libcuda is not linked, and pip's libraries are looked for first."""
    import ctypes

    ctypes.CDLL(str(LIBRARY), mode=os.RTLD_NOW)
    dynamic = subprocess.run(
        ["readelf", "-d", str(LIBRARY)], capture_output=True, text=True, check=True
    ).stdout
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    assert any(n.startswith("libcudart.so.13") for n in needed)
    assert not any(n.startswith("libcuda.so") for n in needed)
    rpath = re.search(r"\(RPATH\).*\[(.*)\]", dynamic)
    assert rpath is not None, "expected DT_RPATH"
    places = rpath[1].split(":")
    assert places[:2] == ["$ORIGIN", "$ORIGIN/../../nvidia/cu13/lib"] and "/usr/local/cuda/lib64" in places


# --- over the emulator -----------------------------------------------------------------------------------

DEVICES = """
assert clew.cuda.is_available() and clew.cuda.device_count() == 2 and clew.accelerator.is_available()
assert clew.cuda.current_device() == 0 and str(clew.device("cuda")) == "cuda:0"
with clew.cuda.device(1):
    assert str(clew.device("cuda")) == "cuda:1" and clew.ones(2).cuda().device.index == 1
assert clew.cuda.get_device_capability() == (9, 0)

x = clew.arange(6, dtype=clew.float32).reshape(2, 3)
y = x.cuda()
assert str(y.device) == "cuda:0" and y.is_cuda and y.cuda() is y and y.cpu().tolist() == x.tolist()
assert y.t().to("cpu", clew.int64).tolist() == [[0, 3], [1, 4], [2, 5]]
assert y.to("cuda:1").device.index == 1 and y[1, 2].item() == 5.0 and y.tolist() == x.tolist()
assert "device=cuda:0" in repr(y)
z = clew.zeros(2, 3)
assert z.copy_(y) is z and z.tolist() == x.tolist()
assert clew.zeros(2, 3, device="cuda").copy_(x[0]).tolist() == [[0.0, 1.0, 2.0]] * 2

# 0-dim tensors and numbers on the CPU go along, their gradients come back.
w = clew.tensor(2.0, requires_grad=True)
leaf = x.requires_grad_()
out = leaf.cuda() * w + 1
assert out.is_cuda
out.backward(clew.ones(2, 3).cuda())
assert w.grad.is_cpu and w.grad.item() == 15.0 and leaf.grad.tolist() == [[2.0] * 3] * 2

for bad in (
    lambda: y + x.detach(), lambda: y.to("cuda:1") + y, lambda: clew.tensor(1.0).add_(y),
    lambda: clew.zeros(2, device="cuda:2"), lambda: clew.cuda.set_device(5), lambda: y.numpy(),
):
    try:
        bad()
    except clew.DeviceError as e:
        assert "got" in str(e)
    else:
        raise AssertionError("expected DeviceError")

before = clew.cuda.memory_allocated()
big = clew.empty(1000, device="cuda")
assert clew.cuda.memory_allocated() == before + 4000 and clew.cuda.memory_allocated(1) == 0
del big
assert clew.cuda.memory_allocated() == before and clew.cuda.max_memory_allocated() >= before + 4000
clew.cuda.reset_peak_memory_stats()
assert clew.cuda.max_memory_allocated() == before and "allocated" in clew.cuda.memory_summary()

s = clew.cuda.Stream()
with clew.cuda.stream(s):
    assert clew.cuda.current_stream() == s
    start = clew.cuda.Event(enable_timing=True)
    start.record()
assert clew.cuda.current_stream() == clew.cuda.default_stream() and s != clew.cuda.default_stream()
end = s.record_event(clew.cuda.Event(enable_timing=True))
s.wait_stream(clew.cuda.current_stream())
s.synchronize(); end.synchronize(); clew.cuda.synchronize()
assert s.query() and end.query() and start.elapsed_time(end) >= 0
print("done")
"""


@needs_emulator
def test_devices_streams_and_memory() -> None:
    assert python(DEVICES.replace("w.grad.is_cpu", "not w.grad.is_cuda"), EMULATED) == "done\n"


@needs_emulator
@pytest.mark.parametrize("seed", ["", "7"], ids=["in order", "shuffled"])
def test_op_suite_over_the_emulator(seed: str) -> None:
    """Every op with a CUDA kernel passes the op suite, in whatever order the threads of a block run."""
    kernels = listed("Kernels that exist")
    suite = ROOT / "tests/python/test_ops.py"
    tests = [
        f"{suite}::test_forward[{entry['name']}-float32]"
        for entry in clew._C.op_table()
        if entry["name"].replace(".", "_") in kernels
        and "float32" in entry["dtypes"]
        and "float32" not in SAMPLES[entry["name"]].dtypes
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", "cuda", *tests],
        env={**os.environ, "CLEW_CUDA_LIBRARY": str(EMULATED), "CLEW_EMULATION_SHUFFLE": seed},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert len(tests) > 80 and f"{len(tests)} passed" in run.stdout, run.stdout[-300:]
