"""A CUDA device gives what the CPU gives: every op, in every dtype that it declares.

Collected where pytest is given `--device cuda`: on a GPU, or over the emulator (test_cuda.py).
"""

from __future__ import annotations

import pytest
from op_samples import SAMPLES

import clew
from clew.testing.op_check import (
    OpUnderTest,
    assert_gradients,
    cotangents,
    floating_outputs,
    gradients,
    leaves_of,
)
from clew.testing.op_samples import GRAD_TOLERANCE, assert_array_close, dtype_name, flat, to_array

TABLE = {entry["name"]: entry for entry in clew._C.op_table()}


def declared() -> list:
    return [
        pytest.param(name, dtype, id=f"{name}-{dtype}")
        for name, entry in TABLE.items()
        for dtype in entry["dtypes"]
        if dtype not in SAMPLES[name].dtypes
    ]


@pytest.fixture(autouse=True)
def _needs_a_device(device: str) -> None:
    if device == "cpu":
        pytest.skip("compares a device with the CPU")


def pairs(name: str, dtype: str, device: str) -> tuple[OpUnderTest, OpUnderTest, list]:
    """An op on the CPU and on the device, and its samples on both; some draw random numbers."""
    ops = OpUnderTest(TABLE[name], SAMPLES[name]), OpUnderTest(TABLE[name], SAMPLES[name], device)
    found = []
    for op in ops:
        clew.manual_seed(0)
        found.append(list(op.samples(dtype)))
    return *ops, list(zip(*found, strict=True))


@pytest.mark.parametrize(("name", "dtype"), declared())
def test_results(name: str, dtype: str, device: str) -> None:
    spec = SAMPLES[name]
    here, there, samples = pairs(name, dtype, device)
    table, factor = here.tolerance()
    for i, (s, t) in enumerate(samples):
        what = f"{name}[{dtype}] sample {i}"
        want, got = flat(here.call(*s.args, **s.kwargs)), flat(there.call(*t.args, **t.kwargs))
        assert [x.dtype for x in got] == [x.dtype for x in want], f"{what}: expected the CPU's dtypes"
        if spec.check is not None and not spec.random:  # several results are right
            spec.check(got if len(got) > 1 else got[0], *t.args, **t.kwargs)
            continue
        if TABLE[name]["function"].startswith("empty"):
            continue
        for g, w in zip(got, want, strict=True):
            assert g.is_cuda or spec.creation or w.numel() == 0, f"{what}: expected a result on {device}"
            assert_array_close(to_array(g), to_array(w), dtype_name(g.dtype), what, table, factor * 2)


def second(call, build, leaves: list) -> list:
    """Derivatives of the gradients along fixed directions."""
    first = [
        g for g in gradients(call, build, leaves, create_graph=True) if g is not None and g.requires_grad
    ]
    if not first:
        return [None] * len(leaves)
    return list(clew.autograd.grad(first, leaves, cotangents(first), allow_unused=True))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, id=f"{name}-{dtype}")
        for name, entry in TABLE.items()
        for dtype in ("float32", "bfloat16")
        if entry["differentiable"] and dtype in entry["dtypes"]
    ],
)
def test_gradients(name: str, dtype: str, device: str) -> None:
    spec = SAMPLES[name]
    here, there, samples = pairs(name, dtype, device)
    for i, (s, t) in enumerate(samples):
        if not s.grad or not leaves_of(spec, s)[0]:
            continue
        found = []
        for op, sample in ((here, s), (there, t)):
            leaves, build = leaves_of(spec, sample)
            args, kwargs = build(leaves)
            if not any(y.requires_grad for y in floating_outputs(op.call(*args, **kwargs))):
                break
            found.append((gradients(op.call, build, leaves), second(op.call, build, leaves)))
        if len(found) < 2:
            continue
        what = f"{name}[{dtype}] sample {i}"
        factor = (4 if spec.wide else 1) * 2
        assert_gradients(found[1][0], found[0][0], f"{what}, first derivative", GRAD_TOLERANCE, factor)
        assert_gradients(found[1][1], found[0][1], f"{what}, second derivative", GRAD_TOLERANCE, factor * 2)
