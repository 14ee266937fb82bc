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


LIBRARIES = """
cudnn, matmul = clew.backends.cudnn, clew.backends.cuda.matmul
assert cudnn.version() is None and not cudnn.is_available() and cudnn.enabled and matmul.enabled
print(cudnn.problem())
with cudnn.flags(enabled=False, benchmark=True):
    assert not cudnn.enabled and cudnn.benchmark
assert cudnn.enabled and not cudnn.benchmark
for module, name in ((cudnn, "enabled"), (matmul, "allow_tf32")):
    try:
        setattr(module, name, 1)
    except TypeError as e:
        assert f"{name}: expected a bool, got int" in str(e)
    else:
        raise AssertionError("expected TypeError")
"""


def test_says_why_a_library_is_not_used(tmp_path: Path) -> None:
    assert "none.so is missing" in python(LIBRARIES, tmp_path / "none.so")
    if EMULATED.exists():
        assert python(LIBRARIES, EMULATED) == "this device runs no libraries\n"


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


def emulated(seed: str, *tests: str) -> tuple[int, str]:
    """How many of these tests passed over the emulator; none may fail."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", "cuda", *tests],
        env={**os.environ, "CLEW_CUDA_LIBRARY": str(EMULATED), "CLEW_EMULATION_SHUFFLE": seed},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None, run.stdout[-300:]
    return int(passed[1]), run.stdout


orders = pytest.mark.parametrize("seed", ["", "7"], ids=["in order", "shuffled"])


@needs_emulator
@orders
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
    if seed == "":  # errors and undeclared dtypes of all ops: what the host checks, and index kernels
        names = [entry["name"] for entry in clew._C.op_table()]
        tests += [f"{suite}::test_{what}[{n}]" for what in ("errors", "undeclared_dtypes") for n in names]
    assert len(tests) > 120
    passed, output = emulated(seed, *tests)
    assert passed == len(tests), output[-300:]


LARGER = """
from clew import nn
from clew.nn import functional as F

clew.manual_seed(0)

def both(name, f, *tensors):
    "f and its gradients on the CPU and on the device."
    results = []
    for device in ("cpu", "cuda"):
        leaves = [t.detach().to(device).requires_grad_() for t in tensors]
        outs = f(*leaves)
        outs = outs if isinstance(outs, tuple) else (outs,)
        seeds = [clew.linspace(-1, 1, o.numel(), device=device).reshape(o.shape) for o in outs]
        grads = clew.autograd.grad(outs, leaves, seeds)
        results.append([t.detach().cpu() for t in (*outs, *grads)])
    for i, (a, b) in enumerate(zip(*results)):
        assert clew.allclose(b, a, rtol=2e-4, atol=2e-4 * a.abs().max().item()), (name, i)

r = clew.randn
both("matmul", clew.matmul, r(70, 81), r(81, 130))
both("matmul, transposed", lambda a, b: clew.matmul(a.t(), b.t()), r(33, 65), r(66, 33))
both("bmm, wide", lambda a, b: clew.matmul(a.double(), b.double()), r(2, 40, 20), r(2, 20, 35))
both("conv", lambda x, w, b: F.conv2d(x, w, b, 2, (1, 2), (1, 2)), r(3, 5, 21, 24), r(70, 5, 3, 2), r(70))
both("conv, grouped", lambda x, w: F.conv2d(x, w, None, 1, 1, 1, 3), r(2, 6, 13, 12), r(9, 2, 3, 3))
both("conv, long sum", lambda x, w: F.conv2d(x, w, None, 1, 1), r(4, 2, 20, 17), r(3, 2, 3, 3))

heads = r(1, 2, 70, 24), r(1, 2, 133, 24), r(1, 2, 133, 72)
sdpa = F.scaled_dot_product_attention
both("attention", sdpa, *heads)
both("attention, causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), *heads)
both("attention, mask", lambda q, k, v, m: sdpa(q, k, v, m), *heads, r(70, 133))
both("attention, wide", sdpa, r(1, 1, 5, 140), r(1, 1, 9, 140), r(1, 1, 9, 140))

def dropped(q, k, v):
    clew.manual_seed(3)
    return sdpa(q, k, v, dropout_p=0.3)
both("attention, dropout", dropped, *heads)

def same(name, f, *tensors):
    want, got = (f(*(t.to(device) for t in tensors)) for device in ("cpu", "cuda"))
    want, got = (list(x) if isinstance(x, tuple) else [x] for x in (want, got))
    for i, (a, b) in enumerate(zip(want, got)):
        assert clew.allclose(b.cpu(), a, rtol=1e-5, atol=1e-5), (name, i)

ties = clew.randint(0, 50, (2, 2500))
for descending in (False, True):
    same("sort", lambda x: clew.sort(x, -1, descending=descending, stable=True), ties)
    same("columns", lambda x: clew.sort(x, 0, descending=descending, stable=True), ties.t().contiguous())
same("sort, short rows", lambda x: clew.sort(x, -1, stable=True), clew.randint(0, 9, (150, 7)))
same("topk", lambda x: x.topk(5), r(3, 3000))
for dim in (0, 1):
    same("cumsum", lambda x: x.cumsum(dim), r(20, 9000).double())
same("cumsum, chunks of columns", lambda x: x.cumsum(0), r(9000, 9).double())
same("cumsum, one run", lambda x: x.cumsum(0), clew.randint(-9, 9, (20000,)))
same("cummax", lambda x: x.cummax(0), clew.randint(0, 3000, (9001,)))
both("logcumsumexp", lambda x: x.logcumsumexp(0), r(9001))
same("nonzero", clew.nonzero, clew.randint(0, 2, (90, 100)))
at = clew.randint(0, 40, (3000,))
both("index_add", lambda x, y: x.index_add(0, at.to(x.device), y), r(40, 3), r(3000, 3))
both("scatter_add", lambda x, y: x.scatter_add(0, at.to(x.device), y), r(40), r(3000))
same("index_put, the last counts", lambda x, i, v: x.index_put((i,), v), r(40), at, r(3000))
same("embedding, vectors", F.embedding, at, r(40, 12))

both("layer_norm, blocks", lambda x, w, b: F.layer_norm(x, (1500,), w, b), r(150, 1500), r(1500), r(1500))
def batch_norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, True)
both("batch_norm, columns", batch_norm, r(300, 70), r(70), r(70))
both("batch_norm, chunks", batch_norm, r(3, 2, 80, 90), r(2), r(2))
both("softmax, blocks", lambda x: clew.softmax(x, 1), r(3, 1500))
both("cross_entropy", lambda x: F.cross_entropy(x, at[:300].to(x.device), ignore_index=3), r(300, 1100))
both("avg_pool, blocks", lambda x: F.avg_pool2d(x, 40, 7), r(1, 2, 61, 60))
both("adaptive, blocks", lambda x: F.adaptive_avg_pool2d(x, 1), r(2, 2, 40, 40))
both("max_pool", lambda x: F.max_pool2d(x, 3, 2, 1), r(2, 2, 80, 70))
both("interpolate", lambda x: F.interpolate(x, (31, 50), mode="bilinear"), r(2, 2, 17, 20))

for kind, options in ((nn.LSTM, {"proj_size": 7}), (nn.LSTM, {}), (nn.GRU, {}), (nn.RNN, {})):
    net = kind(5, 18, num_layers=2, bidirectional=True, **options)
    params = [p.detach() for p in net.parameters()]
    names = [n for n, _ in net.named_parameters()]
    def run(data, *values):
        if data.dim() == 2:
            data = nn.utils.rnn.PackedSequence(data, clew.tensor([4, 3, 3, 3, 1, 1]))
        out, state = clew.func.functional_call(net, dict(zip(names, values)), (data,))
        return out if isinstance(out, clew.Tensor) else out.data, *(state if kind is nn.LSTM else (state,))
    both(kind.__name__, run, r(6, 4, 5), *params)
    both(kind.__name__ + ", packed", run, r(15, 5), *params)
print("done")
"""


@needs_emulator
@pytest.mark.parametrize("seed", ["", "5"], ids=["in order", "shuffled"])
def test_more_than_one_tile(seed: str) -> None:
    """Kernels over several tiles, chunks and blocks compute what the CPU computes."""
    assert python(LARGER, EMULATED, CLEW_EMULATION_SHUFFLE=seed) == "done\n"


DATA = """
from clew.utils.data import DataLoader, TensorDataset, prefetch
from collections import namedtuple

x = clew.arange(6).reshape(2, 3)
pinned = x.t().pin_memory()
assert pinned.is_pinned() and not x.is_pinned() and pinned.pin_memory() is pinned
assert pinned.tolist() == x.t().tolist() and pinned[1:].is_pinned() and not pinned.clone().is_pinned()
assert pinned.to("cuda", non_blocking=True).cpu().tolist() == x.t().tolist()
assert clew.zeros(0, 2).pin_memory().shape == (0, 2)
made = clew.ones(3, pin_memory=True, requires_grad=True)
assert made.is_pinned() and made.tolist() == [1.0] * 3 and made.is_leaf and made.requires_grad
try:
    x.cuda().pin_memory()
except clew.DeviceError as e:
    assert "pin_memory: expected a tensor on cpu, got one on cuda:0" in str(e)
else:
    raise AssertionError("expected DeviceError")

rows = TensorDataset(clew.arange(10), clew.arange(10.0))
for workers in (0, 2):
    loader = DataLoader(rows, batch_size=4, pin_memory=True, num_workers=workers)
    for (a, b), (c, d) in zip(loader, prefetch(loader, "cuda:1"), strict=True):
        assert a.is_pinned() and b.is_pinned()
        assert c.device.index == 1 and c.cpu().tolist() == a.tolist() and d.cpu().tolist() == b.tolist()
Pair = namedtuple("Pair", "x y")
(got,) = prefetch([{"a": [x, "text"], "b": Pair(x, 3)}], "cuda")
assert got["a"][0].is_cuda and got["a"][1] == "text"
assert type(got["b"]) is Pair and got["b"].x.is_cuda and got["b"].y == 3
assert list(prefetch([], "cuda")) == []

# Casts on one kind of device leave the other alone.
from clew import amp
w = clew.nn.Parameter(clew.ones(3, 3, device="cuda"))
with amp.autocast("cuda", dtype=clew.bfloat16):
    assert amp.is_autocast_enabled("cuda") and not amp.is_autocast_enabled("cpu")
    y = w @ w
    assert y.dtype is clew.bfloat16 and (clew.ones(2, 2) @ clew.ones(2, 2)).dtype is clew.float32
    with amp.autocast("cpu"):
        assert (clew.ones(2, 2) @ clew.ones(2, 2)).dtype is clew.bfloat16 and (w @ w).dtype is clew.bfloat16
        with amp.autocast("cuda", enabled=False):
            assert (w @ w).dtype is clew.float32
    assert clew.nn.functional.softmax(y, 0).dtype is clew.float32
y.float().sum().backward()
assert w.grad.dtype is clew.float32 and w.grad.is_cuda
with amp.autocast("cuda"):
    assert (w @ w).dtype is clew.float16
print("done")
"""


@needs_emulator
def test_data_path_and_autocast() -> None:
    assert python(DATA, EMULATED) == "done\n"


OPTIMIZERS = """
from clew import nn

def train(device, dtype, make, clip):
    clew.manual_seed(0)
    shapes = [(3, 5), (1,), (0, 4), (4100,), (), (2, 9000)] + [(7,)] * 400
    params = [nn.Parameter(clew.randn(s).to(dtype).to(device)) for s in shapes]
    params.append(nn.Parameter(clew.randn(5, 4).to(dtype).to(device).t()))
    optimizer = make(params)
    norms = []
    for step in range(3):
        for i, p in enumerate(params):
            p.grad = clew.randn(p.shape).to(dtype).to(device) if i % 5 != step else None
        if clip is not None:
            norms.append(nn.utils.clip_grad_norm_(params, 3.0, clip).cpu())
            assert norms[-1].dtype == dtype
        optimizer.step()
    return [p.detach().cpu() for p in params] + norms

optim = clew.optim
cases = [
    (lambda p: optim.SGD(p, lr=0.1), 2.0),
    (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1), None),
    (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5, maximize=True), float("inf")),
    (lambda p: optim.Adam(p, lr=0.1, weight_decay=0.1), 1.0),
    (lambda p: optim.Adam(p, lr=0.1, amsgrad=True), 3.0),
    (lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.1), 0.0),
]
tolerances = {clew.float32: 1e-5, clew.float64: 1e-12, clew.bfloat16: 2e-2, clew.float16: 2e-3}
for dtype, tolerance in tolerances.items():
    for case, (make, clip) in enumerate(cases):
        if dtype is not clew.float32 and case not in (1, 4):
            continue
        for i, (a, b) in enumerate(zip(train("cpu", dtype, make, clip), train("cuda", dtype, make, clip))):
            assert clew.allclose(a, b, rtol=tolerance, atol=tolerance), (case, dtype, i)

# Parameters on several devices, and writes that the tape must notice.
here, there = nn.Parameter(clew.ones(3)), nn.Parameter(clew.ones(3, device="cuda:1"))
for p in (here, there):
    p.grad = clew.ones(3, device=p.device)
before = there._version
optim.SGD([here, there], lr=0.5).step()
assert here.tolist() == there.tolist() == [0.5] * 3 and there._version > before
there.grad.fill_(float("nan"))
assert clew.isnan(nn.utils.clip_grad_norm_([there], 1.0)).item() and clew.isnan(there.grad).all().item()

try:
    bad = nn.Parameter(clew.ones(3, device="cuda"))
    bad.grad = clew.ones(3, device="cuda")
    state = clew.zeros(3)
    clew._C._sgd_step([bad], [state], None, 0.1, 0.9, 0.0, 0.0, False, False)
except clew.DeviceError as e:
    assert "expected state on cuda:0, got cpu" in str(e)
else:
    raise AssertionError("expected DeviceError")

# One look at all gradients.
scaler = clew.amp.GradScaler("cuda", init_scale=4.0)
p, q = nn.Parameter(clew.ones(2, device="cuda")), nn.Parameter(clew.ones(2, device="cuda"))
optimizer = optim.SGD([p, q], lr=1.0)
p.grad, q.grad = clew.full((2,), 4.0, device="cuda"), clew.full((2,), 8.0, device="cuda")
scaler.step(optimizer)
scaler.update()
assert p.tolist() == [0.0, 0.0] and q.tolist() == [-1.0, -1.0] and scaler.get_scale() == 4.0
q.grad[1] = float("inf")
scaler.step(optimizer)
scaler.update()
assert p.tolist() == [0.0, 0.0] and scaler.get_scale() == 2.0
print("done")
"""


@needs_emulator
def test_optimizers_over_lists() -> None:
    """Steps, norms and factors over lists equal the CPU's, for more tensors than one launch takes."""
    assert python(OPTIMIZERS, EMULATED) == "done\n"


@needs_emulator
@orders
def test_emulator_gives_what_the_cpu_gives(seed: str) -> None:
    """All ops, dtypes and derivatives; ops that end at a kernel that is not written yet are skipped."""
    passed, _ = emulated(seed, str(ROOT / "tests/python/test_cuda_like_cpu.py"))
    assert passed > 3000
