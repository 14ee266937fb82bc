"""Random calls of registered ops, valid and not, and what must hold of each of them.

    python tests/python/fuzz.py --calls 100000          in processes of their own, so that crashes are seen
    python tests/python/fuzz.py --replay 4711           one call, by its seed

A call is a sample of the op suite with some of its arguments exchanged, or arguments made from the signature.
It must return or raise a documented class, and never end or hang the process. Where it returns, other
layouts of the inputs, the meta device, the method, the in-place form and float64 must agree with it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from op_samples import SAMPLES
from op_samples.core import (
    FLOATING,
    INTEGER,
    Maker,
    assert_array_close,
    assert_same,
    dtype_name,
    flat,
    is_tensor,
    map_tensors,
    stepped,
    tensors_in,
    to_array,
    transposed,
)

import clew

TABLE = {entry["name"]: entry for entry in clew._C.op_table()}
NAMES = sorted(name for name in TABLE if name in SAMPLES)
ALL = ("bool", *INTEGER, *FLOATING)
# What a call may raise: Clew's classes, except the one that means a fault of Clew's own, and Python's.
ALLOWED = (clew.Error, TypeError, ValueError, IndexError, OverflowError, NotImplementedError)
LIMIT_BYTES = 1 << 28
# Results with more elements (views of few) are not looked through.
LARGEST = 1_000_000
# These read the storage, so the layout of the input is part of what they mean.
STORAGE = ("as_strided", "as_strided_scatter")
HANG_SECONDS = 60

INTS = (
    -1, 0, 1, 2, 3, 4, 5, -2, -3, -7, 7, 17, 100, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1,
    -(2**63), 2**63, 2**64, 10**30,
)  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, -1e30, math.inf, -math.inf, math.nan, 3, -2, True)
STRINGS = ("", "mean", "sum", "none", "trunc", "floor", "tanh", "zeros", "reflect", "cpu", "\0", "x" * 100)
OTHERS = (None, "x", 1.5, 3, (), [], {}, object, b"x", 1j, [None], [[1, 2], [3]], float("nan"), True)


class Draws:
    """Where choices come from; a test may let hypothesis make them."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self.below = below

    def choice(self, values: Any) -> Any:
        return values[self.below(len(values))]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


def seeded(seed: int) -> Draws:
    return Draws(random.Random(seed).randrange)


# --- making calls ----------------------------------------------------------------------------------


class Samples:
    """The suite's samples by op and dtype, made once."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list] = {}

    def of(self, name: str, dtype: str) -> list:
        key = (name, dtype)
        if key not in self.kept:
            found = []
            try:
                spec = SAMPLES[name]
                found += [(s.args, s.kwargs) for s in spec.each(Maker(name, dtype))]
                found += [(s.args, s.kwargs) for s in spec.errors(Maker(name, dtype))]
            except ALLOWED:
                pass  # samples of a dtype that the op does not have
            self.kept[key] = found
        return self.kept[key]


KEPT = Samples()


def random_shape(d: Draws) -> tuple[int, ...]:
    rank = d.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 8))
    return tuple(d.choice((0, 1, 1, 2, 3, 4, 5)) for _ in range(rank))


def random_tensor(d: Draws, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> Any:
    dtype = d.choice(ALL) if dtype is None else dtype
    shape = random_shape(d) if shape is None else shape
    make = Maker("fuzz", dtype)
    make.random = np.random.RandomState(d.below(2**31))
    t = make(*shape)
    return special(d, t) if d.chance(15) else t


def special(d: Draws, t: Any) -> Any:
    """Some values replaced by extreme ones."""
    if t.numel() == 0 or t.device.type != "cpu":
        return t
    name = dtype_name(t.dtype)
    array = to_array(t).reshape(-1)
    for _ in range(1 + d.below(3)):
        at = d.below(array.size)
        if name in FLOATING:
            value = d.choice((math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-42, 6e4, 1e38, -1e38, 1e-8))
        elif name == "bool":
            value = True
        else:
            info = np.iinfo(array.dtype)
            value = d.choice((info.min, info.max, 0, 1, info.max - 1))
        array[at] = value
    with np.errstate(all="ignore"):
        return clew.tensor(array).to(t.dtype).reshape(tuple(t.shape))


def changed_tensor(d: Draws, t: Any) -> Any:
    kind = d.below(14)
    if t.device.type != "cpu" and kind < 11:
        return random_tensor(d)
    if kind == 0:
        return t.detach().to(getattr(clew, d.choice(ALL)))
    if kind == 1:
        return random_tensor(d)
    if kind == 2:
        return random_tensor(d, dtype_name(t.dtype))
    if kind == 3:
        return special(d, t.detach())
    if kind == 4:
        return t.detach().unsqueeze(d.below(t.dim() + 1))
    if kind == 5 and t.dim():
        return t.detach().narrow(dim := d.below(t.dim()), 0, d.below(t.shape[dim] + 1))
    if kind == 6 and t.dim():
        return t.detach().transpose(d.below(t.dim()), d.below(t.dim()))
    if kind == 7:
        return t.detach().unsqueeze(0).expand(d.choice((1, 2, 3)), *t.shape)
    if kind == 8 and d.chance(30):
        return t.detach().to("meta")
    if kind == 9 and t.dim():
        return t.detach().select(d.below(t.dim()), 0) if 0 not in t.shape else t
    if kind == 10:
        return random_tensor(d, None, tuple(t.shape))
    if kind == 11:
        return d.choice(OTHERS)
    if kind == 12:
        return d.choice(FLOATS)
    if t.dim():
        dim = d.below(t.dim())
        return clew.cat([t.detach()] * 2, dim)
    return t


def changed(d: Draws, value: Any) -> Any:
    """Another value in the place of this one, often of the same kind."""
    if is_tensor(value):
        return changed_tensor(d, value)
    if d.chance(12):
        return d.choice(OTHERS)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return d.choice(INTS)
    if isinstance(value, float):
        return d.choice(FLOATS)
    if isinstance(value, str):
        return d.choice(STRINGS)
    if isinstance(value, clew.dtype):
        return getattr(clew, d.choice(ALL))
    if isinstance(value, (list, tuple)):
        items = list(value)
        kind = d.below(4)
        if kind == 0 and items:
            items.pop(d.below(len(items)))
        elif kind == 1 and items:
            items.append(d.choice(items))
        elif items:
            at = d.below(len(items))
            items[at] = changed(d, items[at])
        return type(value)(items) if type(value) in (list, tuple) else tuple(items)
    return d.choice((*INTS[:9], *FLOATS[:6], None, random_tensor(d)))


def parameters(name: str) -> list[tuple[str, str, bool, bool]]:
    """Name, type, whether it has a default, whether it is keyword-only, of each parameter."""
    text = TABLE[name]["signature"]
    inner = text[text.index("(") + 1 : text.rindex(") ->")]
    parts, depth, start = [], 0, 0
    for i, c in enumerate(inner):
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            parts.append(inner[start:i])
            start = i + 1
    parts.append(inner[start:])
    found, keyword = [], False
    for part in (p.strip() for p in parts):
        if part == "*":
            keyword = True
        elif part:
            label, _, kind = part.partition(":")
            kind, equals, _ = kind.partition("=")
            found.append((label.strip(), kind.strip(), bool(equals), keyword))
    return found


def made(d: Draws, kind: str, dtype: str, shape: tuple[int, ...]) -> Any:
    """A value of a parameter's type."""
    if kind.endswith("| None") and d.chance(30):
        return None
    if kind.startswith("Tensor"):
        return random_tensor(d, dtype if d.chance(70) else None, shape if d.chance(60) else None)
    if kind.startswith("Sequence[Tensor]"):
        return [random_tensor(d, dtype, shape) for _ in range(d.below(4))]
    if kind.startswith("int | Sequence"):
        return d.choice(
            ((), (0,), (1,), (-1,), 0, 1, -1, 2, (0, 1), (2, 3), (1, 0), (3, 2, 2), (2**40, 2**40), shape)
        )
    if kind.startswith("int"):
        return d.choice(INTS[:9]) if d.chance(90) else d.choice(INTS)
    if kind.startswith("bool"):
        return d.chance(50)
    if kind.startswith(("float", "Number")):
        return d.choice(FLOATS)
    if kind.startswith("dtype"):
        return getattr(clew, d.choice(ALL))
    if kind.startswith("device"):
        return d.choice(("cpu", "meta", "cuda", "x"))
    if kind.startswith("str"):
        return d.choice(STRINGS)
    return None


def call_of(d: Draws) -> tuple[str, tuple, dict]:
    """One random call: name of the op, arguments, keyword arguments."""
    name = d.choice(NAMES)
    dtypes = TABLE[name]["dtypes"] or ("float32",)
    dtype = d.choice(dtypes) if d.chance(85) else d.choice(ALL)
    known = KEPT.of(name, dtype)
    if known and d.chance(75):
        args, kwargs = d.choice(known)
        args, kwargs = map_tensors(lambda t: t.detach().clone(), (tuple(args), dict(kwargs)))
        args = list(args)
        for _ in range(d.choice((0, 1, 1, 1, 2, 3))):
            slots = [*range(len(args)), *kwargs]
            if not slots:
                break
            at = d.choice(slots)
            if isinstance(at, int):
                args[at] = changed(d, args[at])
            else:
                kwargs[at] = changed(d, kwargs[at])
        if d.chance(4):
            kwargs[d.choice(("dim", "keepdim", "dtype", "out", "x"))] = d.choice((0, True, None))
        if args and d.chance(2):
            args.pop()
        return name, tuple(args), kwargs
    shape = random_shape(d)
    args, kwargs = [], {}
    for label, kind, default, keyword in parameters(name):
        if default and d.chance(50):
            continue
        value = made(d, kind, dtype, shape)
        if keyword or kwargs or d.chance(10):
            kwargs[label] = value
        else:
            args.append(value)
    return name, tuple(args), kwargs


# --- what must hold --------------------------------------------------------------------------------


class Wrong(AssertionError):
    """A call that did what it must not."""


def spelled(value: Any) -> str:
    if is_tensor(value):
        text = f"{dtype_name(value.dtype)}{list(value.shape)}"
        return text if str(value.device) == "cpu" else f"{text}@{value.device}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(spelled, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return repr(value)[:60]


def text_of(name: str, args: tuple, kwargs: dict) -> str:
    parts = [spelled(a) for a in args] + [f"{k}={spelled(v)}" for k, v in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def attempt(f: Callable, args: tuple, kwargs: dict, what: str) -> tuple[Any, BaseException | None]:
    try:
        clew.manual_seed(7)
        return f(*args, **kwargs), None
    except clew.InternalError as error:
        raise Wrong(f"{what}: InternalError: {error}") from error
    except ALLOWED as error:
        if not str(error):
            raise Wrong(f"{what}: {type(error).__name__} without a message") from error
        return None, error
    except Exception as error:
        raise Wrong(f"{what}: {type(error).__name__}: {error}") from error


def compare(got: Any, want: Any, what: str) -> None:
    got, want = flat(got), flat(want)
    if len(got) != len(want):
        raise Wrong(f"{what}: {len(got)} results, not {len(want)}")
    for g, w in zip(got, want, strict=True):
        if is_tensor(g) != is_tensor(w):
            raise Wrong(f"{what}: {spelled(g)}, not {spelled(w)}")
        if not is_tensor(g):
            if g != w and not (g != g and w != w):
                raise Wrong(f"{what}: {g!r}, not {w!r}")
        elif g.device.type != "cpu" or w.device.type != "cpu" or g.numel() == w.numel() == 0:
            if (tuple(g.shape), g.dtype) != (tuple(w.shape), w.dtype):
                raise Wrong(f"{what}: {spelled(g)}, not {spelled(w)}")
        else:
            try:
                assert_same(g, w, what, ulps=8)
            except AssertionError as error:
                raise Wrong(str(error)) from None


def cancels(value: Any) -> bool:
    """Whether a tensor holds huge values of both signs: what a sum of them is depends on its order."""
    arrays = [to_array(t) for t in tensors_in(value) if dtype_name(t.dtype) in FLOATING]
    return any((a > 1e30).any() and (a < -1e30).any() for a in arrays)


def on_cpu(value: Any) -> bool:
    return all(str(t.device) == "cpu" for t in tensors_in(value))


def check(name: str, args: tuple, kwargs: dict) -> str:
    """Runs a call in all its forms; returns "returned" or "raised", or raises Wrong."""
    what = text_of(name, args, kwargs)
    entry, spec = TABLE[name], SAMPLES[name]
    f = getattr(clew.ops, entry["function"])
    before = [to_array(t) for t in tensors_in((args, kwargs)) if str(t.device) == "cpu"]
    result, error = attempt(f, args, kwargs, what)
    after = [to_array(t) for t in tensors_in((args, kwargs)) if str(t.device) == "cpu"]
    if any(a.tobytes() != b.tobytes() for a, b in zip(before, after, strict=True)):
        raise Wrong(f"{what}: changed its input")
    if any(n > 1 << 40 for r in flat(result) if is_tensor(r) for n in r.shape):
        return "returned"  # an empty view of sizes that no tensor with memory of its own may have
    comparable = (spec.check is None or spec.random) and sum(
        r.numel() for r in flat(result) if is_tensor(r)
    ) < LARGEST

    # Other layouts of the same values.
    for layout in (stepped, transposed):
        if not on_cpu((args, kwargs)) or name in STORAGE:
            break
        other_args, other_kwargs = map_tensors(layout, (args, kwargs))
        other, other_error = attempt(f, other_args, other_kwargs, f"{what}, inputs {layout.__name__}")
        if entry["view"] and isinstance(error or other_error, clew.ShapeError):
            continue  # whether there is a view depends on the layout
        if (other_error is None) != (error is None):
            raise Wrong(f"{what}, inputs {layout.__name__}: {other_error!r}, not {error!r}")
        if error is None and comparable and not cancels((args, kwargs)):
            compare(other, result, f"{what}, inputs {layout.__name__}")

    check_meta(name, args, kwargs, result, error, what)
    if entry["kind"] in ("Op", "Inplace", "Method") and args and is_tensor(args[0]):
        method = getattr(args[0], entry["function"])
        other, other_error = attempt(method, args[1:], kwargs, f"{what} as method")
        if (other_error is None) != (error is None):
            raise Wrong(f"{what} as method: {other_error!r}, not {error!r}")
        if error is None and comparable:
            compare(other, result, f"{what} as method")
    if entry["inplace"] and args and is_tensor(args[0]) and on_cpu(args[0]):
        check_inplace(entry, args, kwargs, result, error, comparable, what)
    if error is None and on_cpu((args, kwargs)):
        check_gradient(f, args, kwargs, what)
        if comparable and not spec.random and entry["kind"] != "Internal" and name not in STORAGE:
            check_float64(f, args, kwargs, result, what)
    return "returned" if error is None else "raised"


def check_meta(
    name: str, args: tuple, kwargs: dict, result: Any, error: BaseException | None, what: str
) -> None:
    if name in STORAGE:
        return  # a copy on meta has a storage of its own
    spec = SAMPLES[name]
    meta_args, meta_kwargs = map_tensors(lambda t: t.to("meta"), (args, kwargs))
    if spec.creation:
        meta_kwargs = {**meta_kwargs, "device": "meta"}
    f = getattr(clew.ops, TABLE[name]["function"])
    inferred, meta_error = attempt(f, meta_args, meta_kwargs, f"{what} on meta")
    if error is None and meta_error is None:
        got, want = map_tensors(lambda t: t.to("meta"), (flat(inferred), flat(result)))
        compare(got, want, f"{what} on meta")
    elif isinstance(meta_error, TypeError) and re.search(r"got (clew\.Tensor|a tensor of)", str(meta_error)):
        return  # a tensor in the place of a number, which has none on meta
    elif error is None and not isinstance(meta_error, clew.DeviceError):
        raise Wrong(f"{what} on meta: {meta_error!r}")


def check_inplace(
    entry: dict,
    args: tuple,
    kwargs: dict,
    result: Any,
    error: BaseException | None,
    comparable: bool,
    what: str,
) -> None:
    x = args[0].detach().clone()
    method = getattr(x, entry["function"] + "_")
    other, other_error = attempt(method, args[1:], kwargs, f"{what} in place")
    if other_error is None and other is not x:
        raise Wrong(f"{what} in place: did not return the tensor")
    if error is None and is_tensor(result) and result.device != x.device:
        # A 0-dim CPU tensor goes along with any device, but cannot hold what comes out there.
        if not isinstance(other_error, clew.DeviceError):
            raise Wrong(f"{what} in place: expected a DeviceError, got {other_error!r}")
        return
    fits = error is None and is_tensor(result) and (result.shape, result.dtype) == (x.shape, x.dtype)
    if fits and comparable:
        if other_error is not None:
            raise Wrong(f"{what} in place: {other_error!r}")
        compare(other, result, f"{what} in place")


def check_gradient(f: Callable, args: tuple, kwargs: dict, what: str) -> None:
    inputs = [t for t in tensors_in((args, kwargs)) if dtype_name(t.dtype) in FLOATING]
    if not inputs:
        return
    leaves = {id(t): t.detach().requires_grad_() for t in inputs}
    grad_args, grad_kwargs = map_tensors(lambda t: leaves.get(id(t), t), (args, kwargs))
    result, error = attempt(f, grad_args, grad_kwargs, f"{what} with gradient")
    if error is not None:
        if not isinstance(error, (clew.Error, NotImplementedError)):
            raise Wrong(f"{what} with gradient: {error!r}")
        return
    outputs = [r for r in flat(result) if is_tensor(r) and r.requires_grad]
    if not outputs or sum(r.numel() for r in outputs) > LARGEST:
        return
    cotangents = [clew.ones(tuple(r.shape), dtype=r.dtype) for r in outputs]

    def backward() -> None:
        clew.autograd.backward(outputs, cotangents)

    _, error = attempt(backward, (), {}, f"{what} backward")
    if error is None:
        for leaf in leaves.values():
            if leaf.grad is not None and tuple(leaf.grad.shape) != tuple(leaf.shape):
                raise Wrong(f"{what} backward: gradient {spelled(leaf.grad)} of {spelled(leaf)}")
    elif not isinstance(error, clew.Error):
        raise Wrong(f"{what} backward: {error!r}")


# Narrower types round on the way: so much of the largest value may be lost.
ROUNDING = {"float16": 1e-2, "bfloat16": 6e-2, "float32": 2e-5}


def check_float64(f: Callable, args: tuple, kwargs: dict, result: Any, what: str) -> None:
    """The same call on the same values in float64 gives the same, up to rounding."""
    tensors = tensors_in((args, kwargs))
    names = {dtype_name(t.dtype) for t in tensors} & set(FLOATING)
    if (
        len(names) != 1
        or names == {"float64"}
        or any(isinstance(v, clew.dtype) for v in (*args, *kwargs.values()))
    ):
        return
    (name,) = names
    arrays = [to_array(t) for t in tensors if dtype_name(t.dtype) in FLOATING]
    if any(np.abs(to_array(t).astype(float)).max(initial=0) > 1000 for t in tensors):
        return  # large integers are rounded before they are used
    finite = all(np.isfinite(a).all() and np.abs(a).max(initial=0) < 100 for a in arrays)
    plain = all(1e-3 < abs(v) < 100 or v == 0 for v in (*args, *kwargs.values()) if isinstance(v, float))
    if not finite or not plain:
        return
    wide_args, wide_kwargs = map_tensors(
        lambda t: t.double() if dtype_name(t.dtype) in FLOATING else t, (args, kwargs)
    )
    wide, error = attempt(f, wide_args, wide_kwargs, f"{what} in float64")
    if error is not None:
        raise Wrong(f"{what} in float64: {error!r}")
    for g, w in zip(flat(result), flat(wide), strict=True):
        if (
            not is_tensor(g)
            or g.device.type != "cpu"
            or dtype_name(g.dtype) != name
            or dtype_name(w.dtype) != "float64"
        ):
            continue
        got, want = to_array(g), to_array(w)
        limit = {"float16": 65504.0}.get(name, 3e38)
        sane = np.isfinite(want) & (np.abs(want) < limit / 4)
        if tuple(got.shape) != tuple(want.shape):
            raise Wrong(f"{what} in float64: shape {want.shape}, not {got.shape}")
        scale = max(
            1.0, float(np.abs(want[sane]).max(initial=0)), *(float(np.abs(a).max(initial=0)) for a in arrays)
        )
        rounding = ROUNDING[name]
        try:
            assert_array_close(
                got[sane], want[sane], "x", f"{what} against float64", {"x": (rounding, rounding * scale)}, 4
            )
        except AssertionError as e:
            raise Wrong(str(e)) from None


# --- many calls ------------------------------------------------------------------------------------


def limit_memory() -> None:
    setter = getattr(clew._C, "set_memory_limit", None) or getattr(clew, "set_memory_limit", None)
    if setter is not None:
        setter(LIMIT_BYTES)
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))


def one(seed: int) -> str:
    return check(*call_of(seeded(seed)))


def serve(first: int, last: int, place: int, report: Any) -> None:
    """Runs calls [first, last) and writes each fault; the seed of the call that runs stands in `place`."""
    counts: Counter[str] = Counter()
    for seed in range(first, last):
        os.pwrite(place, f"{seed:12d}".encode(), 0)
        signal.alarm(HANG_SECONDS)
        try:
            counts[one(seed)] += 1
        except Wrong as error:
            counts["wrong"] += 1
            report.write(json.dumps({"seed": seed, "fault": str(error)}) + "\n")
            report.flush()
    signal.alarm(0)
    report.write(json.dumps({"counts": counts}) + "\n")
    report.flush()


def hunt(
    calls: int, first: int = 0, chunk: int = 1000, tell: Callable[[int, list[dict]], None] | None = None
) -> tuple[Counter, list[dict]]:
    """Runs calls in forked processes; returns how they ended, and every fault with its seed.

    `tell(calls done, faults so far)` is called after each process.
    """
    import tempfile

    counts: Counter[str] = Counter()
    faults: list[dict] = []
    seed, end = first, first + calls
    while seed < end:
        last = min(seed + chunk, end)
        with tempfile.TemporaryFile() as place, tempfile.TemporaryFile("w+") as report:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    limit_memory()
                    serve(seed, last, place.fileno(), report)
                    code = 0
                finally:
                    report.flush()
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            report.seek(0)
            for line in report:
                message = json.loads(line)
                if "counts" in message:
                    counts.update(message["counts"])
                else:
                    faults.append(message)
            if status == 0:
                seed = last
                if tell is not None:
                    tell(seed - first, faults)
                continue
            at = int(os.pread(place.fileno(), 12, 0) or seed)
            counts["crashed"] += 1
            counts["before a crash"] += at - seed
            what = text_of(*call_of(seeded(at)))
            faults.append({"seed": at, "fault": f"{what}: ended the process (status {status})"})
            seed = at + 1
    return counts, faults


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first call")
    parser.add_argument("--replay", type=int, help="run one call and show it")
    options = parser.parse_args()
    if options.replay is not None:
        limit_memory()
        call = call_of(seeded(options.replay))
        print(text_of(*call), flush=True)
        print(check(*call))
        return 0
    start = time.monotonic()
    shown = 0

    def tell(done: int, faults: list[dict]) -> None:
        nonlocal shown
        for fault in faults[shown:]:
            print(fault["seed"], fault["fault"][:400], flush=True)
        shown = len(faults)
        print(f"{done} calls", end="\r", file=sys.stderr, flush=True)

    counts, faults = hunt(options.calls, options.first, tell=tell)
    tell(options.calls, faults)
    print(f"{options.calls} calls in {time.monotonic() - start:.0f} s: {dict(counts)}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
