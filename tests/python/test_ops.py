"""Every registered op, by every dtype that it declares, by every sample.

The op table is the only list of ops: an entry without samples fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_samples import SAMPLES
from op_samples.core import (
    FLOATING,
    GRAD_TOLERANCE,
    INTEGER,
    TOLERANCE,
    Maker,
    OpSamples,
    Sample,
    assert_array_close,
    assert_close,
    assert_same,
    checks,
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
DTYPES = ("bool", *INTEGER, *FLOATING)
checks["ops"] = len(TABLE)


def declared() -> list:
    return [
        pytest.param(name, dtype, id=f"{name}-{dtype}")
        for name, entry in TABLE.items()
        for dtype in entry["dtypes"]
        if name not in SAMPLES or dtype not in SAMPLES[name].dtypes
    ]


def spec_of(name: str) -> OpSamples:
    assert name in SAMPLES, f"{name}: expected samples in tests/python/op_samples, found none"
    return SAMPLES[name]


def function_of(name: str, spec: OpSamples) -> Callable:
    """The op as a function that repeats itself, random ops included."""
    f = getattr(clew.ops, TABLE[name]["function"])

    def call(*args: Any, **kwargs: Any) -> Any:
        if spec.random:
            clew.manual_seed(7)
        return f(*args, **kwargs)

    return call


def public_of(name: str) -> Callable | None:
    entry = TABLE[name]
    if entry["kind"] == "NN":
        return getattr(clew.nn.functional, entry["function"])
    if entry["kind"] in ("Op", "Inplace", "Function"):
        return getattr(clew, entry["function"])
    return None


def bits(t: Any) -> tuple:
    return t.dtype, tuple(t.shape), to_array(t).tobytes()


def tolerance_of(spec: OpSamples) -> tuple[dict, float]:
    return {**TOLERANCE, **spec.tolerance}, 4 if spec.wide else 1


# --- forward ---------------------------------------------------------------------------------------


def test_every_op_has_samples() -> None:
    missing = sorted(set(TABLE) - set(SAMPLES))
    unknown = sorted(set(SAMPLES) - set(TABLE))
    assert not missing, f"ops without samples: {missing}"
    assert not unknown, f"samples without op: {unknown}"


@pytest.mark.parametrize(("name", "dtype"), declared())
def test_forward(name: str, dtype: str, device: str) -> None:
    spec = spec_of(name)
    call = function_of(name, spec)
    seen = 0
    for i, s in enumerate(spec.each(Maker(name, dtype, device))):
        what = f"{name}[{dtype}] sample {i}"
        before = [bits(t) for t in tensors_in((s.args, s.kwargs))]
        versions = [t._version for t in tensors_in((s.args, s.kwargs))]
        result = call(*s.args, **s.kwargs)
        after = [bits(t) for t in tensors_in((s.args, s.kwargs))]
        assert before == after, f"{what}: expected inputs to stay as they are"
        assert versions == [t._version for t in tensors_in((s.args, s.kwargs))], (
            f"{what}: expected no version bump"
        )
        check_reference(spec, s, result, what)
        check_meta(name, spec, s, result, what)
        check_forms(name, spec, s, call, result, what)
        check_strides(spec, s, call, result, what)
        check_inplace(name, spec, s, result, what)
        seen += 1
    assert seen, f"{name}[{dtype}]: expected at least one sample"


def check_reference(spec: OpSamples, s: Sample, result: Any, what: str) -> None:
    if spec.check is not None:
        spec.check(result, *s.args, **s.kwargs)
    elif s.ref:
        assert spec.ref is not None, f"{what}: expected a reference or a check"
        args, kwargs = map_tensors(to_array, (s.args, s.kwargs))
        with np.errstate(all="ignore"):
            want = spec.ref(*args, **kwargs)
        table, factor = tolerance_of(spec)
        assert_close(result, want, what, table, factor)
    checks["reference"] += 1


def check_meta(name: str, spec: OpSamples, s: Sample, result: Any, what: str) -> None:
    """The meta device infers what the kernel returns."""
    f = getattr(clew.ops, TABLE[name]["function"])
    args, kwargs = map_tensors(lambda t: t.to("meta"), (s.args, s.kwargs))
    if spec.creation:
        kwargs = {**kwargs, "device": "meta"}
    if spec.data_dependent or not s.meta:
        with pytest.raises(clew.DeviceError):
            f(*args, **kwargs)
    else:
        inferred = flat(f(*args, **kwargs))
        assert len(inferred) == len(flat(result)), f"{what}: expected as many results on meta"
        for m, r in zip(inferred, flat(result), strict=True):
            assert str(m.device) == "meta", f"{what}: expected a result on meta, got {m.device}"
            assert (tuple(m.shape), m.dtype) == (tuple(r.shape), r.dtype), (
                f"{what}: expected meta to infer {tuple(r.shape)} {r.dtype}, got {tuple(m.shape)} {m.dtype}"
            )
    checks["meta"] += 1


def check_forms(name: str, spec: OpSamples, s: Sample, call: Callable, result: Any, what: str) -> None:
    """Function, method and keyword form are one op."""
    compare = spec.check is None or spec.random
    public = public_of(name)
    if public is not None:
        clew.manual_seed(7)
        other = public(*s.args, **s.kwargs)
        if compare:
            assert_same(other, result, f"{what} as public function")
        checks["form"] += 1
    if TABLE[name]["kind"] in ("Op", "Inplace", "Method") and is_tensor(s.args[0]):
        clew.manual_seed(7)
        other = getattr(s.args[0], TABLE[name]["function"])(*s.args[1:], **s.kwargs)
        if compare:
            assert_same(other, result, f"{what} as method")
        checks["form"] += 1


def check_strides(spec: OpSamples, s: Sample, call: Callable, result: Any, what: str) -> None:
    """The result depends on values, not on how they are laid out."""
    if not s.strides or (spec.check is not None and not spec.random):
        return
    for layout in (stepped, transposed):
        args, kwargs = map_tensors(layout, (s.args, s.kwargs))
        # Another layout may sum in another order.
        assert_same(
            call(*args, **kwargs), result, f"{what}, inputs {layout.__name__}", ulps=spec.wide * 4 + 0.5
        )
        checks["strides"] += 1


def check_inplace(name: str, spec: OpSamples, s: Sample, result: Any, what: str) -> None:
    entry = TABLE[name]
    if not entry["inplace"] or not is_tensor(s.args[0]):
        return
    method = entry["function"] + "_"
    fits = tuple(result.shape) == tuple(s.args[0].shape) and result.dtype == s.args[0].dtype
    for layout in (lambda t: t.clone(), stepped):
        x = layout(s.args[0])
        version = x._version
        clew.manual_seed(7)
        if fits:
            returned = getattr(x, method)(*s.args[1:], **s.kwargs)
            assert returned is x, f"{what} in place: expected the tensor itself back"
            assert_same(x, result, f"{what} in place", ulps=spec.wide * 4 + 0.5)
            assert x._version > version, f"{what} in place: expected the version to move on"
        else:
            kept = bits(x)
            with pytest.raises(RuntimeError, match=f"{entry['function']}_: expected"):
                getattr(x, method)(*s.args[1:], **s.kwargs)
            assert bits(x) == kept, f"{what} in place: expected a refused write to change nothing"
        checks["in-place"] += 1


# --- dtypes that an op does not declare ------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_undeclared_dtypes(name: str, device: str) -> None:
    """An undeclared dtype is promoted to a right result, or refused by DTypeError."""
    spec = spec_of(name)
    if not spec.undeclared:
        return
    call = function_of(name, spec)
    for dtype in DTYPES:
        if dtype in TABLE[name]["dtypes"]:
            continue
        try:
            s = next(spec.each(Maker(name, dtype, device)))
            result = call(*s.args, **s.kwargs)
        except clew.DTypeError as e:
            assert "expected" in str(e) and "got" in str(e), f"{name}[{dtype}]: {e}"
        else:
            check_reference(spec, s, result, f"{name}[{dtype}], undeclared")
        checks["undeclared dtype"] += 1


# --- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_errors(name: str, device: str) -> None:
    spec = spec_of(name)
    dtypes = [d for d in TABLE[name]["dtypes"] if d not in spec.dtypes]
    dtype = "float32" if "float32" in dtypes else dtypes[-1]
    f = getattr(clew.ops, TABLE[name]["function"])
    for i, e in enumerate(spec.errors(Maker(name, dtype, device))):
        what = f"{name} error sample {i}"
        try:
            result = f(*e.args, **e.kwargs)
        except Exception as raised:
            kinds = e.kind if isinstance(e.kind, tuple) else (e.kind,)
            assert isinstance(raised, e.kind), (
                f"{what}: expected {[k.__name__ for k in kinds]}, got {type(raised).__name__}: {raised}"
            )
            assert e.text in str(raised), f"{what}: expected text with {e.text!r}, got {raised}"
            assert "got" in str(raised), f"{what}: expected text that says what came, got {raised}"
        else:
            raise AssertionError(f"{what}: expected {e.kind}, got the result {result!r}")
        checks["error"] += 1


# --- gradients -------------------------------------------------------------------------------------


def leaves_of(spec: OpSamples, s: Sample, dtype: str | None = None) -> tuple[list, Callable]:
    """The arguments that have a gradient, as fresh leaves, and a function that puts others in their place."""
    leaves: list = []

    def take(t: Any) -> Any:
        name = dtype_name(t.dtype)
        if name not in FLOATING:
            return t
        leaves.append((t.detach().to(getattr(clew, dtype)) if dtype else t.detach()).clone().requires_grad_())
        return len(leaves) - 1

    class Slot(int):
        pass

    def mark(key: Any, value: Any) -> Any:
        def replace(t: Any) -> Any:
            got = take(t)
            return Slot(got) if type(got) is int else got

        if key in spec.frozen:
            return map_tensors(
                lambda t: t.to(getattr(clew, dtype)) if dtype and dtype_name(t.dtype) in FLOATING else t,
                value,
            )
        return map_tensors(replace, value)

    args = tuple(mark(i, a) for i, a in enumerate(s.args))
    kwargs = {k: mark(k, v) for k, v in s.kwargs.items()}

    def fill(x: Any, values: Any) -> Any:
        if isinstance(x, Slot):
            return values[x]
        if isinstance(x, list):
            return [fill(y, values) for y in x]
        return x

    def build(values: Any) -> tuple[tuple, dict]:
        return tuple(fill(a, values) for a in args), {k: fill(v, values) for k, v in kwargs.items()}

    return leaves, build


def floating_outputs(result: Any) -> list:
    return [t for t in flat(result) if is_tensor(t) and dtype_name(t.dtype) in FLOATING]


def cotangents(outputs: list, dtype: str | None = None) -> list:
    random = np.random.RandomState(3)
    found = []
    for y in outputs:
        v = clew.tensor(random.uniform(-1, 1, tuple(y.shape)))
        found.append(v.to(y.dtype).to(getattr(clew, dtype)) if dtype else v.to(y.dtype))
    return found


def gradients(
    call: Callable, build: Callable, leaves: list, create_graph: bool = False, seeds: list | None = None
) -> list:
    args, kwargs = build(leaves)
    outputs = [y for y in floating_outputs(call(*args, **kwargs)) if y.requires_grad]
    if not outputs:
        return [None] * len(leaves)
    wanted = [x for x in leaves if x.requires_grad]
    got = iter(
        clew.autograd.grad(
            outputs, wanted, seeds or cotangents(outputs), create_graph=create_graph, allow_unused=True
        )
    )
    return [next(got) if x.requires_grad else None for x in leaves]


def assert_gradients(
    got: list, want: list, what: str, table: dict = GRAD_TOLERANCE, factor: float = 1
) -> None:
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if g is None and w is None:
            continue
        reference = to_array(w) if w is not None else np.zeros(tuple(g.shape))
        value = to_array(g) if g is not None else np.zeros(reference.shape)
        name = dtype_name((g if g is not None else w).dtype)
        # Sums of large and opposite terms: the error goes with the largest of them.
        finite = np.abs(reference[np.isfinite(reference)])
        scale = max(1.0, float(finite.max())) if finite.size else 1.0
        rtol, atol = table[name]
        assert_array_close(
            value, reference, name, f"{what}, gradient {i}", {name: (rtol, atol * scale)}, factor
        )


def differentiable() -> list:
    return [n for n, e in TABLE.items() if e["differentiable"] and "float64" in e["dtypes"]]


@pytest.mark.parametrize("name", differentiable())
def test_gradient(name: str, device: str) -> None:
    """First and second derivatives by finite differences, along random cotangents."""
    spec = spec_of(name)
    call = function_of(name, spec)
    for i, s in enumerate(spec.each(Maker(name, "float64", device))):
        leaves, build = leaves_of(spec, s)
        if not s.grad or not leaves:
            continue
        what = f"{name} sample {i}"

        def f(*values: Any, build: Callable = build) -> list:
            args, kwargs = build(values)
            return floating_outputs(call(*args, **kwargs))

        if s.differences and any(y.requires_grad for y in f(*leaves)):
            clew.autograd.gradcheck(f, tuple(leaves))
            clew.autograd.gradgradcheck(f, tuple(leaves))
            checks["finite difference"] += 2
        check_formulas(call, build, leaves, what)
        check_inplace_gradient(name, s, call, build, leaves, what)
        check_memory(call, build, leaves, what)


def check_formulas(call: Callable, build: Callable, leaves: list, what: str) -> None:
    """A recorded backward takes other code than a plain one; one wanted gradient may skip code of others."""
    plain = gradients(call, build, leaves)
    recorded = gradients(call, build, leaves, create_graph=True)
    assert_gradients([None if g is None else g.detach() for g in recorded], plain, f"{what}, create_graph")
    for i in range(len(leaves)) if len(leaves) > 1 else ():
        alone = [x if j == i else x.detach() for j, x in enumerate(leaves)]
        got = gradients(call, build, alone)
        assert_gradients([got[i]], [plain[i]], f"{what}, only input {i} requires grad")
    checks["formula"] += 1


def check_inplace_gradient(
    name: str, s: Sample, call: Callable, build: Callable, leaves: list, what: str
) -> None:
    entry = TABLE[name]
    if not entry["inplace"] or not is_tensor(s.args[0]):
        return
    args, kwargs = build(leaves)
    result = call(*args, **kwargs)
    if tuple(result.shape) != tuple(args[0].shape) or result.dtype != args[0].dtype:
        return

    def twin(x: Any, *rest: Any, **options: Any) -> Any:
        clew.manual_seed(7)
        return getattr(x * 1, entry["function"] + "_")(*rest, **options)

    assert_gradients(gradients(twin, build, leaves), gradients(call, build, leaves), f"{what} in place")
    checks["in-place gradient"] += 1


def check_memory(call: Callable, build: Callable, leaves: list, what: str) -> None:
    """After backward, live bytes are where they were: no leak, no cycle."""
    gradients(call, build, leaves)
    before = clew._C.memory_stats()["allocated_bytes"]
    gradients(call, build, leaves)
    after = clew._C.memory_stats()["allocated_bytes"]
    assert after == before, f"{what}: expected {before} live bytes after backward, got {after}"
    checks["memory"] += 1


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, t) for n in differentiable() for t in ("float16", "bfloat16", "float32") if t in TABLE[n]["dtypes"]],
)
def test_gradient_in_dtype(name: str, dtype: str, device: str) -> None:
    """Gradients in the narrow dtypes agree with float64 on the same values."""
    spec = spec_of(name)
    call = function_of(name, spec)
    for i, s in enumerate(spec.each(Maker(name, dtype, device))):
        if not s.grad:
            continue
        narrow, build = leaves_of(spec, s)
        if not narrow:
            continue
        args, kwargs = build(narrow)
        outputs = [y for y in floating_outputs(call(*args, **kwargs)) if y.requires_grad]
        if not outputs:
            continue
        got = gradients(call, build, narrow, seeds=cotangents(outputs))
        if any(g is not None and g.dtype != x.dtype for g, x in zip(got, narrow, strict=True)):
            raise AssertionError(
                f"{name}[{dtype}] sample {i}: expected gradients in the dtype of their inputs"
            )
        wide, build = leaves_of(spec, s, "float64")
        args, kwargs = build(wide)
        kinds = [y.dtype for y in outputs]
        outputs = [y for y in floating_outputs(call(*args, **kwargs)) if y.requires_grad]
        seeds = [v.to(k).to(y.dtype) for v, k, y in zip(cotangents(outputs), kinds, outputs, strict=True)]
        want = gradients(call, build, wide, seeds=seeds)
        assert_gradients(got, want, f"{name}[{dtype}] sample {i}", factor=4 if spec.wide else 1)
        checks["gradient in dtype"] += 1


@pytest.mark.parametrize("name", [n for n, e in TABLE.items() if not e["differentiable"]])
def test_not_differentiable(name: str, device: str) -> None:
    """Backward through an op without gradient raises and says why; no history is lost in silence."""
    spec = spec_of(name)
    dtypes = [d for d in TABLE[name]["dtypes"] if d in FLOATING]
    call = function_of(name, spec)
    for s in spec.each(Maker(name, dtypes[-1], device)) if dtypes else ():
        leaves, build = leaves_of(spec, s)
        args, kwargs = build(leaves)
        if TABLE[name]["kind"] == "MethodInplace":
            continue
        for y in floating_outputs(call(*args, **kwargs)) if leaves else ():
            assert y.requires_grad, f"{name}: expected a result that keeps its history"
            with pytest.raises(clew.AutogradError, match=TABLE[name]["function"]):
                y.sum().backward()
            checks["not differentiable"] += 1


# --- documentation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_documented(name: str) -> None:
    """A public op has a line, arguments, a result and an example; its signature is what Python shows."""
    entry = TABLE[name]
    doc = entry["doc"]
    first = doc.strip().splitlines()[0]
    assert first.endswith("."), f"{name}: expected a first line that ends in a period, got {first!r}"
    for section in ("Args:", "Returns:", "Example:"):
        assert section in doc or entry["kind"] == "Internal", f"{name}: expected a section {section!r}"
    f = getattr(clew.ops, entry["function"])
    assert doc.strip().splitlines()[0] in inspect.getdoc(f)
    assert entry["signature"].split("(")[0] in f.__name__


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
    spec = spec_of(name)
    f = torch_function(torch, name, spec)
    if f is None:
        return
    call = function_of(name, spec)
    table, factor = tolerance_of(spec)
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
