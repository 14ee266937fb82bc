"""Every registered op, by every dtype that it declares, by every sample.

The op table is the only list of ops: an entry without samples fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_samples import SAMPLES

import clew
from clew.testing import op_check
from clew.testing.op_check import DTYPES, OpUnderTest, gradients, leaves_of
from clew.testing.op_samples import (
    FLOATING,
    GRAD_TOLERANCE,
    INTEGER,
    Maker,
    OpSamples,
    Sample,
    assert_array_close,
    checks,
    dtype_name,
    flat,
    is_tensor,
    to_array,
)

TABLE = {entry["name"]: entry for entry in clew._C.op_table()}
checks["ops"] = len(TABLE)


def declared() -> list:
    return [
        pytest.param(name, dtype, id=f"{name}-{dtype}")
        for name, entry in TABLE.items()
        for dtype in entry["dtypes"]
        if name not in SAMPLES or dtype not in SAMPLES[name].dtypes
    ]


def under_test(name: str, device: str) -> OpUnderTest:
    assert name in SAMPLES, f"{name}: expected samples in tests/python/op_samples, found none"
    return OpUnderTest(TABLE[name], SAMPLES[name], device)


def test_every_op_has_samples() -> None:
    missing = sorted(set(TABLE) - set(SAMPLES))
    unknown = sorted(set(SAMPLES) - set(TABLE))
    assert not missing, f"ops without samples: {missing}"
    assert not unknown, f"samples without op: {unknown}"


@pytest.mark.parametrize(("name", "dtype"), declared())
def test_forward(name: str, dtype: str, device: str) -> None:
    op_check.check_forward(under_test(name, device), dtype)


@pytest.mark.parametrize("name", TABLE)
def test_undeclared_dtypes(name: str, device: str) -> None:
    op_check.check_undeclared_dtypes(under_test(name, device))


@pytest.mark.parametrize("name", TABLE)
def test_errors(name: str, device: str) -> None:
    op_check.check_errors(under_test(name, device))


def differentiable() -> list:
    return [n for n, e in TABLE.items() if e["differentiable"] and "float64" in e["dtypes"]]


@pytest.mark.parametrize("name", differentiable())
def test_gradient(name: str, device: str) -> None:
    op_check.check_gradient(under_test(name, device))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, t) for n in differentiable() for t in ("float16", "bfloat16", "float32") if t in TABLE[n]["dtypes"]],
)
def test_gradient_in_dtype(name: str, dtype: str, device: str) -> None:
    op_check.check_gradient_in_dtype(under_test(name, device), dtype)


@pytest.mark.parametrize("name", [n for n, e in TABLE.items() if not e["differentiable"]])
def test_not_differentiable(name: str, device: str) -> None:
    op_check.check_not_differentiable(under_test(name, device))


@pytest.mark.parametrize("name", TABLE)
def test_documented(name: str) -> None:
    op_check.check_documented(under_test(name, "cpu"))


# --- promotion -------------------------------------------------------------------------------------

RANK = {"bool": 0, **dict.fromkeys(INTEGER, 1), **dict.fromkeys(FLOATING, 2)}


def promoted(a: str, b: str) -> str:
    """The rule, in its own words: category first, then width; odd pairs meet one level up."""
    if RANK[a] != RANK[b]:
        return a if RANK[a] > RANK[b] else b
    if {a, b} == {"float16", "bfloat16"}:
        return "float32"
    if "uint8" in (a, b) and a != b:
        other = b if a == "uint8" else a
        return "int16" if other == "int8" else other
    order = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
    return max(a, b, key=order.index)


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion(a: str, b: str) -> None:
    x, y = clew.ones(2, dtype=getattr(clew, a)), clew.ones(2, dtype=getattr(clew, b))
    assert dtype_name((x + y).dtype) == promoted(a, b)
    assert dtype_name(clew.promote_types(x.dtype, y.dtype)) == promoted(a, b)
    quotient = promoted(a, b)
    assert dtype_name((x / y).dtype) == (quotient if quotient in FLOATING else "float32")
    # A 0-dim tensor is weaker than one with dimensions, of the same category.
    zero_dim = y[0]
    assert dtype_name((x + zero_dim).dtype) == (a if RANK[a] >= RANK[b] else promoted(a, b))
    assert dtype_name(clew.where(x.to(clew.bool), x, y).dtype) == promoted(a, b)
    checks["promotion"] += 1


@pytest.mark.parametrize("a", DTYPES)
def test_promotion_with_numbers(a: str) -> None:
    """A Python number never widens a tensor of its category."""
    x = clew.ones(2, dtype=getattr(clew, a))
    for value, rank, default in ((True, 0, "bool"), (2, 1, "int64"), (2.0, 2, "float32")):
        want = a if RANK[a] >= rank else default
        assert dtype_name((x + value).dtype) == want, f"{a} + {value!r}"
        assert dtype_name((value + x).dtype) == want, f"{value!r} + {a}"
        checks["promotion"] += 1


# --- the same calls in PyTorch ---------------------------------------------------------------------


def torch_function(torch: Any, name: str, spec: OpSamples) -> Callable | None:
    if spec.torch is False or spec.random:
        return None
    path = spec.torch or TABLE[name]["function"]
    if TABLE[name]["kind"] == "MethodInplace":
        return lambda x, *a, **k: getattr(x.clone(), path + "_")(*a, **k)
    places = (torch, torch.nn.functional, torch.Tensor)
    for place in places[1:] if TABLE[name]["kind"] == "NN" else places:
        f = place
        for part in path.split("."):
            f = getattr(f, part, None)
        if f is not None:
            return f
    return None


def to_torch(torch: Any, x: Any) -> Any:
    if isinstance(x, clew.dtype):
        return getattr(torch, dtype_name(x))
    if is_tensor(x):
        t = torch.from_numpy(to_array(x)).to(getattr(torch, dtype_name(x.dtype)))
        return t.requires_grad_(x.requires_grad) if x.requires_grad else t
    if isinstance(x, tuple | list):
        return type(x)(to_torch(torch, y) for y in x)
    if isinstance(x, dict):
        return {k: to_torch(torch, v) for k, v in x.items()}
    return x


def torch_arrays(torch: Any, result: Any) -> list:
    out = list(result) if isinstance(result, tuple | list) else [result]
    return [
        (dtype_name(t.dtype), (t.detach().double() if t.is_floating_point() else t.detach()).numpy())
        for t in out
    ]


@pytest.mark.parametrize(("name", "dtype"), declared())
def test_like_torch(name: str, dtype: str, device: str) -> None:
    """Results, their dtypes and (in float64) gradients are PyTorch's, where it has op and dtype."""
    torch = pytest.importorskip("torch")
    op = under_test(name, device)
    spec, call = op.spec, op.call
    f = torch_function(torch, name, spec)
    if f is None:
        return
    table, factor = op.tolerance()
    for i, s in enumerate(spec.each(Maker(name, dtype, device))):
        if not s.torch or (spec.check is not None):
            continue
        what = f"{name}[{dtype}] sample {i} against PyTorch"
        try:
            want = torch_arrays(torch, f(*to_torch(torch, s.args), **to_torch(torch, s.kwargs)))
        except (RuntimeError, TypeError, IndexError):  # a dtype that it lacks
            continue
        got = flat(call(*s.args, **s.kwargs))
        assert [dtype_name(t.dtype) for t in got] == [d for d, _ in want], f"{what}: expected its dtypes"
        for g, (_, w) in zip(got, want, strict=True):
            assert_array_close(to_array(g), w, dtype_name(g.dtype), what, table, factor * 2)
        checks["like PyTorch"] += 1
        if dtype == "float64" and TABLE[name]["differentiable"]:
            check_torch_gradient(torch, f, call, spec, s, what)


def check_torch_gradient(
    torch: Any, f: Callable, call: Callable, spec: OpSamples, s: Sample, what: str
) -> None:
    leaves, build = leaves_of(spec, s)
    if not leaves:
        return
    theirs = [to_torch(torch, x) for x in leaves]
    args, kwargs = build(theirs)
    try:
        result = f(*to_torch(torch, args), **to_torch(torch, kwargs))
    except (RuntimeError, TypeError):
        return
    outputs = [y for y in (result if isinstance(result, tuple | list) else [result]) if y.is_floating_point()]
    outputs = [y for y in outputs if y.requires_grad]
    if not outputs:
        return
    random = np.random.RandomState(3)
    seeds = [torch.from_numpy(np.asarray(random.uniform(-1, 1, tuple(y.shape)))).to(y.dtype) for y in outputs]
    try:
        want = torch.autograd.grad(outputs, theirs, seeds, allow_unused=True)
    except RuntimeError:  # a formula that it lacks
        return
    got = gradients(call, build, leaves)
    for j, (g, w) in enumerate(zip(got, want, strict=True)):
        value = np.zeros(tuple(leaves[j].shape)) if g is None else to_array(g)
        reference = np.zeros(value.shape) if w is None else w.numpy()
        value = np.where(np.isnan(reference), reference, value)
        assert_array_close(value, reference, "float64", f"{what}, gradient {j}", GRAD_TOLERANCE)
    checks["like PyTorch"] += 1
