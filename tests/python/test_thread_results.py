"""Results are the same bits for one and two threads and from run to run, for every op.

The samples of the op suite are too small to be split, so every dimension of all their tensors is made longer
by one factor, which most calls allow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from op_samples import SAMPLES
from op_samples.core import FLOATING, Maker, dtype_name, flat, is_tensor, map_tensors, tensors_in

import clew

TABLE = {entry["name"]: entry for entry in clew._C.op_table()}
# Several times what one thread keeps for itself.
TARGET_NUMEL = 150_000
# More than this is left out: products of such tensors take too long.
MOST_NUMEL = 1_000_000

# Calls of ops whose sizes stand in other arguments.
LARGE = {
    "arange": lambda: ((TARGET_NUMEL,), {}),
    "eye": lambda: ((500,), {}),
    "full": lambda: (((TARGET_NUMEL,), 2.5), {}),
    "layer_norm": lambda: ((clew.randn(700, 300), (300,), clew.randn(300), clew.randn(300)), {}),
    "linspace": lambda: ((0.0, 1.0, TARGET_NUMEL), {}),
    "rand": lambda: ((TARGET_NUMEL,), {}),
    "randint": lambda: ((9, (TARGET_NUMEL,)), {}),
    "randn": lambda: ((TARGET_NUMEL,), {}),
    "randperm": lambda: ((TARGET_NUMEL,), {}),
    "split.sizes": lambda: ((clew.randn(600, 300), [100, 500]), {}),
}

compared: dict[str, int] = {}


def enlarged(call: tuple[tuple, dict]) -> tuple[tuple, dict] | None:
    """The call with longer dimensions; None when it has nothing that could become large."""
    tensors = tensors_in(call)
    largest = max(tensors, key=lambda t: t.numel(), default=None)
    if largest is None or largest.numel() < 2:
        return None
    long = sum(n > 1 for n in largest.shape)
    factor = math.ceil((TARGET_NUMEL / largest.numel()) ** (1 / long))

    def grow(t: Any) -> Any:
        times = [factor if n > 1 else 1 for n in t.shape]
        if t.numel() * math.prod(times) > MOST_NUMEL:
            raise ValueError("too large")
        array = t.detach().contiguous()
        if dtype_name(t.dtype) == "bfloat16":
            array = array.float()
        return clew.tensor(np.tile(array.numpy(), times)).to(t.dtype)

    try:
        return map_tensors(grow, call)
    except ValueError:
        return None


def content(t: Any) -> tuple:
    return str(t.dtype), tuple(t.shape), bytes(clew._C._tensor_bytes(t.detach().contiguous()))


def run(f: Any, args: tuple, kwargs: dict) -> list[tuple]:
    """The bits of the results and of the gradients."""
    leaves = {
        id(t): t.detach().requires_grad_()
        for t in tensors_in((args, kwargs))
        if dtype_name(t.dtype) in FLOATING
    }
    clew.manual_seed(3)
    result = f(*args, **kwargs)
    found = [content(r) for r in flat(result) if is_tensor(r)]
    args, kwargs = map_tensors(lambda t: leaves.get(id(t), t), (args, kwargs))
    clew.manual_seed(3)
    try:
        outputs = [r for r in flat(f(*args, **kwargs)) if is_tensor(r) and r.requires_grad]
    except clew.Error:
        return found  # an argument that may not require a gradient
    if outputs:
        clew.manual_seed(5)
        clew.autograd.backward(outputs, [clew.randn(tuple(r.shape)).to(r.dtype) for r in outputs])
        found += [content(leaf.grad) for leaf in leaves.values() if leaf.grad is not None]
    return found


@pytest.mark.parametrize("name", sorted(set(TABLE) & set(SAMPLES)))
def test_bits_do_not_depend_on_threads(name: str) -> None:
    dtypes = TABLE[name]["dtypes"] or ["float32"]
    dtype = "float32" if "float32" in dtypes else dtypes[-1]
    f = getattr(clew.ops, TABLE[name]["function"])
    threads = clew.get_num_threads()
    if not SAMPLES[name].random and SAMPLES[name].check is not None and "empty" in name:
        pytest.skip("its values mean nothing")
    done = 0
    calls = [enlarged((s.args, s.kwargs)) for s in SAMPLES[name].each(Maker(name, dtype))]
    if name in LARGE:
        calls.insert(0, LARGE[name]())
    try:
        for call in calls:
            if call is None or done == 2:
                continue
            clew.set_num_threads(1)
            try:
                want = run(f, *call)
            except (clew.Error, ValueError, IndexError, TypeError):
                assert name not in LARGE or done, f"{name}: expected its large call to be valid"
                continue  # sizes that stand in other arguments
            for n in (2, 2):
                clew.set_num_threads(n)
                assert run(f, *call) == want, f"{name} with {n} threads"
            done += 1
    finally:
        clew.set_num_threads(threads)
    compared[name] = done


def test_most_ops_were_compared() -> None:
    if len(compared) < len(TABLE) / 2:
        pytest.skip("only some ops were run")
    tensors = {name for name in compared if TABLE[name]["signature"].count(": Tensor")}
    without = sorted(name for name in tensors if not compared[name])
    assert len(without) <= len(tensors) / 8, f"no large call of {without}"
