"""What only a GPU can show; skipped without one. `scripts/test.sh --device cuda` runs it.

Over the emulator (CLEW_CUDA_LIBRARY) the same tests run with own kernels on both sides, at small sizes.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import clew
from clew import nn
from clew.nn import functional as F

pytestmark = pytest.mark.skipif(not clew.cuda.is_available(), reason="no CUDA device")

EMULATED = "emulated" in os.environ.get("CLEW_CUDA_LIBRARY", "")
TOLERANCE = {clew.float32: 2e-5, clew.float64: 1e-11, clew.bfloat16: 2e-2, clew.float16: 3e-3}
dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)


@pytest.fixture(autouse=True)
def _switches():
    yield
    clew.backends.cuda.matmul.enabled = True
    clew.backends.cuda.matmul.allow_tf32 = False
    for name, value in (
        ("enabled", True),
        ("benchmark", False),
        ("deterministic", False),
        ("allow_tf32", True),
    ):
        setattr(clew.backends.cudnn, name, value)


def assert_near(got, want, dtype, what: str) -> None:
    scale = max(want.abs().max().item(), 1e-30) if want.numel() else 1.0
    worst = (got.double() - want.double()).abs().max().item() / scale if want.numel() else 0.0
    assert worst <= TOLERANCE[dtype], f"{what}: {worst:.3g} of the largest value"


@pytest.mark.parametrize("enabled", [True, False], ids=["cuBLASLt", "own kernel"])
@dtypes
def test_products(dtype, enabled: bool) -> None:
    clew.backends.cuda.matmul.enabled = enabled
    random.seed(1)
    sizes = [(1, 1, 1), (7, 5, 3), (64, 64, 64), (33, 130, 65)]
    sizes += [] if EMULATED else [(512, 512, 512), (1000, 257, 129), (1, 4096, 300)]
    for m, n, k in sizes:
        a, b = clew.randn(m, k).to(dtype), clew.randn(k, n).to(dtype)
        bias = clew.randn(n).to(dtype)
        want = a.double() @ b.double()
        for left, right in (
            (a.cuda(), b.cuda()),
            (a.t().contiguous().cuda().t(), b.cuda()),
            (a.cuda(), b.t().contiguous().cuda().t()),
        ):
            assert_near((left @ right).cpu(), want, dtype, f"{m} x {k} x {n}")
        y = F.linear(a.cuda(), b.t().contiguous().cuda(), bias.cuda())
        assert_near(y.cpu(), want + bias.double(), dtype, f"linear {m} x {k} x {n}")
        batched = clew.matmul(clew.stack([a, a + a]).cuda(), b.cuda())
        assert_near(batched.cpu(), clew.stack([want, want + want]), dtype, "batched")


CONVOLUTIONS = [  # input, weight, stride, padding, dilation, groups
    ((2, 3, 19, 17), (8, 3, 3, 3), 1, 1, 1, 1),
    ((2, 16, 12, 12), (32, 16, 1, 1), 1, 0, 1, 1),
    ((3, 8, 15, 15), (16, 8, 3, 3), 2, 1, 1, 1),
    ((2, 8, 14, 13), (8, 4, 3, 3), 1, 2, 2, 2),
    ((2, 6, 11, 11), (6, 1, 5, 5), 1, 2, 1, 6),
    ((2, 3, 32, 32), (4, 3, 7, 7), 2, 3, 1, 1),
]


@pytest.mark.parametrize("path", ["cudnn", "deterministic", "benchmark", "own kernels"])
@dtypes
def test_convolutions(dtype, path: str) -> None:
    cudnn = clew.backends.cudnn
    cudnn.enabled, cudnn.allow_tf32 = path != "own kernels", False
    cudnn.deterministic, cudnn.benchmark = path == "deterministic", path == "benchmark"
    for x_size, w_size, *options in CONVOLUTIONS:
        x, w, b = (
            clew.randn(*x_size).to(dtype),
            clew.randn(*w_size).to(dtype),
            clew.randn(w_size[0]).to(dtype),
        )
        leaves = [t.double().requires_grad_() for t in (x, w, b)]
        want = F.conv2d(*leaves, *options)
        seed = clew.randn(want.shape).to(dtype)
        grads = clew.autograd.grad(want, leaves, seed.double())
        device = [t.cuda().requires_grad_() for t in (x, w, b)]
        got = F.conv2d(*device, *options)
        assert_near(got.detach().cpu(), want.detach(), dtype, f"forward {w_size}")
        results = clew.autograd.grad(got, device, seed.cuda())
        for name, g, h in zip("xwb", results, grads, strict=True):
            assert_near(g.cpu(), h, dtype, f"gradient {name} {w_size}")
        if path in ("deterministic", "own kernels"):
            again = clew.autograd.grad(F.conv2d(*device, *options), device, seed.cuda())
            assert all((g.cpu() == h.cpu()).all().item() for g, h in zip(results, again, strict=True))


def test_tf32_switch() -> None:
    """Products of float32 keep 24 bits unless the switch says otherwise."""
    a = clew.full((64, 64), 1 + 2**-20, device="cuda")
    one = clew.eye(64, device="cuda")
    exact = (a @ one)[0, 0].item()
    assert exact == np.float32(1 + 2**-20)
    if not EMULATED and clew._C._cuda_library_version("cublasLt")[0]:
        clew.backends.cuda.matmul.allow_tf32 = True
        assert (a @ one)[0, 0].item() == 1.0


def test_allocator_stress() -> None:
    """Blocks come and go on several streams; none is written by another's owner."""
    random.seed(2)
    streams = [clew.cuda.default_stream(), *(clew.cuda.Stream() for _ in range(3))]
    kept: list[tuple] = []
    clew.cuda.synchronize()
    before = clew.cuda.memory_allocated()
    for round_ in range(200 if EMULATED else 5000):
        with clew.cuda.stream(random.choice(streams)) as stream:
            n = random.choice([1, 100, 5000, 300_000] if EMULATED else [1, 100, 5000, 300_000, 8_000_000])
            t = clew.full((n,), float(round_), device="cuda")
            kept.append((t, float(round_), stream))
        if len(kept) > 40:
            t, value, stream = kept.pop(random.randrange(len(kept)))
            with clew.cuda.stream(stream):
                low, high = t.min().item(), t.max().item()
            assert low == high == value, (low, high, value)
    del t
    kept.clear()
    clew.cuda.synchronize()
    assert clew.cuda.memory_allocated() == before
    assert clew.cuda.memory_stats()["num_ooms"] == 0


def test_out_of_memory_is_survived() -> None:
    if EMULATED:
        pytest.skip("the emulator has the host's memory")
    free, _ = clew.cuda.mem_get_info()
    with pytest.raises(clew.cuda.OutOfMemoryError, match="allocate"):
        clew.empty(2 * free, dtype=clew.uint8, device="cuda")
    assert (clew.ones(1000, device="cuda").sum()).item() == 1000


@pytest.mark.parametrize("amp", [False, True], ids=["float32", "float16"])
def test_training_is_stable(amp: bool) -> None:
    """1000 steps: the loss falls, nothing is nan, and memory stays where it was after the first steps."""
    steps = 20 if EMULATED else 1000
    clew.manual_seed(0)
    x = clew.randn(64, 16)
    y = (x @ clew.randn(16, 4)).tanh()
    x, y = x.cuda(), y.cuda()
    net = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4)).cuda()
    optimizer = clew.optim.AdamW(net.parameters(), lr=3e-3)
    scaler = clew.amp.GradScaler("cuda", enabled=amp)
    losses, memory = [], []
    for step in range(steps):
        optimizer.zero_grad()
        with clew.amp.autocast("cuda", enabled=amp):
            out = net(x)
        loss = (out.float() - y).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        if step % (steps // 10) == 0:
            losses.append(loss.item())
            memory.append((clew.cuda.memory_allocated(), clew.cuda.max_memory_allocated()))
    assert np.isfinite(losses).all() and losses[-1] < (0.9 if EMULATED else 0.2) * losses[0], losses
    assert len(set(memory[2:])) == 1, memory


def test_large_tensors() -> None:
    """Elements beyond 2^31 are reached."""
    if EMULATED:
        pytest.skip("needs a large device")
    n = 2**31 + 1000
    x = clew.zeros(n, dtype=clew.uint8, device="cuda")
    x[-1] = 7
    assert (x + 1)[-1].item() == 8 and x.max().item() == 7
    big = clew.ones(n, dtype=clew.bfloat16, device="cuda")
    assert big.sum(dtype=clew.float64).item() == n
