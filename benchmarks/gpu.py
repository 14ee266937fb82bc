"""Clew beside PyTorch eager on one GPU: the same code, the same settings, one process.

Rounds alternate between the libraries, so that both see the same clocks; a row shows the medians. Times are
of work that has finished: events on the device, or a synchronised host clock where host time is meant.

    python benchmarks/gpu.py                  a table
    python benchmarks/gpu.py --out FOLDER     also <date>-<gpu>.json and .md there
    python benchmarks/gpu.py --only gemm      cases whose name contains the text
    python benchmarks/gpu.py --tiny           small sizes, to see that it runs
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.models.gpt import gpt


@dataclass
class Case:
    name: str
    make: Callable[[ModuleType], Callable[[], object]]
    target: float  # of Clew's time by PyTorch's
    host: bool = False  # time of the host for many calls, not of the device
    work: float = 0.0  # bytes or operations of one call
    unit: str = ""
    settings: dict[str, bool] = field(default_factory=dict)


@dataclass
class Row:
    name: str
    clew_us: float | None
    torch_us: float | None
    target: float
    clew_rate: str = ""
    note: str = ""


def cases(tiny: bool) -> list[Case]:
    all_cases: list[Case] = []

    def case(name: str, target: float, **options: object) -> Callable:
        return lambda make: all_cases.append(Case(name, make, target, **options))  # type: ignore[arg-type]

    @case("a + b, one element, host time", 0.6, host=True)
    def _(lib):
        a, b = (lib.ones(1, device="cuda") for _ in range(2))
        return lambda: a + b

    @case("two-layer net, SGD step, host time", 0.4, host=True)
    def _(lib):
        net = lib.nn.Sequential(lib.nn.Linear(100, 100), lib.nn.Sigmoid(), lib.nn.Linear(100, 10)).to("cuda")
        optimizer = lib.optim.SGD(net.parameters(), lr=0.1)
        x = lib.ones(4, 100, device="cuda")

        def step():
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()

        return step

    n = 1 << (12 if tiny else 28)  # 1 GiB of float32

    def memory_bound(name: str, passes: int, f: Callable) -> None:
        @case(f"{name}, 1 GiB", 1.0, work=4.0 * n * passes, unit="GB/s")
        def _(lib):
            x = lib.ones(n // 1024, 1024, device="cuda")
            return lambda: f(lib, x)

    memory_bound("copy", 2, lambda lib, x: x.clone())
    memory_bound("relu", 2, lambda lib, x: lib.relu(x))
    memory_bound("exp", 2, lambda lib, x: lib.exp(x))
    memory_bound("add", 3, lambda lib, x: x + x)
    memory_bound("sum", 1, lambda lib, x: x.sum())
    memory_bound("softmax", 2, lambda lib, x: lib.softmax(x, 1))
    memory_bound("layer norm", 2, lambda lib, x: lib.nn.functional.layer_norm(x, (1024,)))

    for size in (64,) if tiny else (512, 1024, 2048, 4096, 8192):
        for dtype, tf32 in (("float32", False), ("float32", True), ("bfloat16", False)):
            kind = "TF32" if tf32 else dtype

            @case(
                f"gemm {size}, {kind}", 1 / 0.97, work=2.0 * size**3, unit="TFLOP/s", settings={"tf32": tf32}
            )
            def _(lib, size=size, dtype=dtype):
                a = lib.ones(size, size, device="cuda").to(getattr(lib, dtype))
                return lambda: a @ a

    for dtype in ("bfloat16", "float32"):

        @case(f"attention 8 x 12 x 1024 x 64, forward and backward, {dtype}", 1.0)
        def _(lib, dtype=dtype):
            shape = (1, 2, 32, 16) if tiny else (8, 12, 1024, 64)
            q, k, v = (
                lib.randn(*shape, device="cuda").to(getattr(lib, dtype)).requires_grad_() for _ in range(3)
            )

            def step():
                y = lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                y.sum().backward()

            return step

    convs = [(64, 64, 56, 3, 1), (128, 128, 28, 3, 1), (256, 64, 56, 1, 1), (3, 64, 224, 7, 2)]
    for c_in, c_out, size, kernel, stride in convs[:1] if tiny else convs:
        for cudnn in (True, False):
            what = "with cuDNN" if cudnn else "without"

            @case(
                f"conv {c_in}-{c_out}, {size}, {kernel} x {kernel} / {stride}, batch 16, {what}",
                1.0,
                settings={"cudnn": cudnn},
            )
            def _(lib, c_in=c_in, c_out=c_out, size=size, kernel=kernel, stride=stride):
                batch, side = (2, 8) if tiny else (16, size)
                layer = lib.nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2).to("cuda")
                x = lib.randn(batch, c_in, side, side, device="cuda").requires_grad_()
                return lambda: layer(x).sum().backward()

    @case("LSTM 2 x 512, 35 steps of 20, forward and backward", 1.0)
    def _(lib):
        width, steps = (8, 3) if tiny else (512, 35)
        net = lib.nn.LSTM(width, width, 2).to("cuda")
        x = lib.randn(steps, 20, width, device="cuda")
        return lambda: net(x)[0].sum().backward()

    @case("Adam step, 12 layers of 12 x 768 x 768", 1.0)
    def _(lib):
        width = 8 if tiny else 768
        params = [lib.nn.Parameter(lib.zeros(width, width, device="cuda")) for _ in range(144)]
        for p in params:
            p.grad = lib.ones(width, width, device="cuda")
        return lib.optim.AdamW(params, lr=1e-3).step

    @case("GPT-2 small, training step, 8 x 1024, bfloat16", 0.85)
    def _(lib):
        sizes = (65, 16, 16, 2, 1) if tiny else (50257, 1024, 768, 12, 12)
        net = gpt(lib, *sizes).to("cuda")
        optimizer = lib.optim.AdamW(net.parameters(), lr=1e-4)
        batch, block = (2 if tiny else 8), sizes[1]
        tokens = lib.zeros(batch, block, dtype=lib.int64, device="cuda")
        flat = tokens.view(-1)

        def step():
            optimizer.zero_grad()
            with lib.autocast("cuda", dtype=lib.bfloat16):
                loss = lib.nn.functional.cross_entropy(net(tokens), flat)
            loss.backward()
            optimizer.step()

        return step

    return all_cases


def apply(lib: ModuleType, settings: dict[str, bool]) -> None:
    lib.backends.cuda.matmul.allow_tf32 = settings.get("tf32", False)
    lib.backends.cudnn.allow_tf32 = settings.get("tf32", True)
    lib.backends.cudnn.enabled = settings.get("cudnn", True)


def seconds(lib: ModuleType, f: Callable, host: bool, calls: int) -> float:
    """Of one call, over `calls` of them."""
    lib.cuda.synchronize()
    if host:
        start = time.perf_counter()
        for _ in range(calls):
            f()
        elapsed = time.perf_counter() - start
        lib.cuda.synchronize()
        return elapsed / calls
    start, end = (lib.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        f()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / calls


def measure(case: Case, libs: dict[str, ModuleType], rounds: int, tiny: bool) -> Row:
    functions: dict[str, Callable] = {}
    notes: list[str] = []
    for name, lib in libs.items():
        apply(lib, case.settings)
        try:
            functions[name] = case.make(lib)
            functions[name]()
            lib.cuda.synchronize()
        except Exception as error:
            functions.pop(name, None)
            notes.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
    times: dict[str, list[float]] = {name: [] for name in functions}
    calls = 1
    if functions and not tiny:
        name, f = next(iter(functions.items()))
        apply(libs[name], case.settings)
        once = max(seconds(libs[name], f, case.host, 3), 1e-7)
        # Short calls many times, but no more work in flight than the device's queue holds.
        calls = max(1, min(500, int(0.02 / once)))
    for _ in range(rounds):
        for name, f in functions.items():
            apply(libs[name], case.settings)
            times[name].append(seconds(libs[name], f, case.host, calls))
    median = {name: statistics.median(t) * 1e6 for name, t in times.items()}
    rate = ""
    if case.work and "clew" in median:
        scale = 1e12 if case.unit == "TFLOP/s" else 1e9
        rate = f"{case.work / (median['clew'] * 1e-6) / scale:.4g} {case.unit}"
    return Row(case.name, median.get("clew"), median.get("torch"), case.target, rate, "; ".join(notes))


def table(rows: list[Row]) -> str:
    lines = [
        "| | Clew, us | PyTorch, us | ratio | target | Clew's rate | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for r in rows:
        ratio = f"{r.clew_us / r.torch_us:.3f}" if r.clew_us and r.torch_us else ""
        shown = [f"{t:.4g}" if t else "" for t in (r.clew_us, r.torch_us)]
        lines.append(
            f"| {r.name} | {shown[0]} | {shown[1]} | {ratio} | {r.target:.3g} | {r.clew_rate} | {r.note} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--tiny", action="store_true", help="small sizes")
    parser.add_argument("--seconds", type=float, default=300, help="start no case after this (default: 300)")
    args = parser.parse_args()
    start = time.monotonic()
    libs: dict[str, ModuleType] = {"clew": importlib.import_module("clew")}
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            libs["torch"] = torch
    except ImportError:
        pass
    clew = libs["clew"]
    clew.cuda.init()
    rows: list[Row] = []
    for case in cases(args.tiny):
        if args.only not in case.name:
            continue
        if time.monotonic() - start > args.seconds:
            rows.append(Row(case.name, None, None, case.target, note="left out: no time left"))
            continue
        rows.append(measure(case, libs, 2 if args.tiny else 7, args.tiny))
        for lib in libs.values():
            lib.cuda.empty_cache()
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    device = clew.cuda.get_device_properties(0).name
    facts = {
        "device": device,
        "clew": clew.__version__,
        "torch": libs["torch"].__version__ if "torch" in libs else None,
        "cuBLASLt": clew._C._cuda_library_version("cublasLt")[0],
        "cuDNN": clew._C._cuda_library_version("cudnn")[0],
        "defaults": "no TF32 in products, TF32 in convolutions; NCHW; no autocast but where named",
    }
    text = "\n".join(f"{k}: {v}" for k, v in facts.items()) + "\n\n" + table(rows)
    print(f"\n{text}")
    if args.out is not None:
        name = f"{datetime.date.today()}-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}"
        args.out.mkdir(parents=True, exist_ok=True)
        data = {"facts": facts, "rows": [asdict(r) for r in rows]}
        (args.out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
        (args.out / f"{name}.md").write_text(f"# Clew beside PyTorch on {device}\n\n{text}")


if __name__ == "__main__":
    main()
