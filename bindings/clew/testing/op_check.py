"""The properties that every op has to show, as functions of one op and its samples.

The suite of the built-in ops and `clew.testing.check_op` run the same ones.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import clew
from clew.testing.op_samples import (
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

__all__ = ["DTYPES", "OpUnderTest", "check_op"]

DTYPES = ("bool", *INTEGER, *FLOATING)


@dataclass
class OpUnderTest:
    """An op, what the op table says of it, and its samples."""

    entry: dict
    spec: OpSamples
    device: str = "cpu"

    @property
    def name(self) -> str:
        return self.entry["name"]

    @property
    def namespace(self) -> Any:
        return getattr(clew.ops, self.entry.get("library")) if self.entry.get("library") else clew.ops

    @property
    def function(self) -> Callable:
        return getattr(self.namespace, self.entry["function"])

    @property
    def inplace(self) -> Callable | None:
        """The twin that writes into its first argument."""
        if not self.entry["inplace"]:
            return None
        if self.entry.get("library"):
            return getattr(self.namespace, self.entry["function"] + "_")
        return lambda x, *args, **kwargs: getattr(x, self.entry["function"] + "_")(*args, **kwargs)

    @property
    def public(self) -> Callable | None:
        """The name under which programs call it."""
        if self.entry.get("library"):
            return None
        if self.entry["kind"] == "NN":
            return getattr(clew.nn.functional, self.entry["function"])
        if self.entry["kind"] in ("Op", "Inplace", "Function"):
            # An overload of its own parameters may be reached by a function of Python's.
            return getattr(clew._C.functions if self.entry["overload"] else clew, self.entry["function"])
        return None

    @property
    def has_method(self) -> bool:
        return not self.entry.get("library") and self.entry["kind"] in ("Op", "Inplace", "Method")

    @property
    def dtypes(self) -> list[str]:
        """The declared dtypes for which a call makes sense."""
        return [d for d in self.entry["dtypes"] if d not in self.spec.dtypes]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The op as a function that repeats itself, random ops included."""
        if self.spec.random:
            clew.manual_seed(7)
        return self.function(*args, **kwargs)

    def samples(self, dtype: str) -> Iterator[Sample]:
        for s in self.spec.each(Maker(self.name, dtype, self.device)):
            if self.spec.creation and self.device != "cpu":
                s.kwargs.setdefault("device", self.device)
            yield s

    def tolerance(self) -> tuple[dict, float]:
        return {**TOLERANCE, **self.spec.tolerance}, 4 if self.spec.wide else 1


@contextmanager
def raising(kind: type, what: str, text: str = "") -> Iterator[None]:
    """The body must raise `kind`, with `text` in the message."""
    try:
        yield
    except kind as e:
        assert text in str(e), f"{what}: expected a message with {text!r}, got {e}"
    else:
        raise AssertionError(f"{what}: expected {kind.__name__}, got a result")


def bits(t: Any) -> tuple:
    return t.dtype, tuple(t.shape), to_array(t).tobytes()


# --- forward ---------------------------------------------------------------------------------------


def category(dtype: Any) -> int:
    """0 for bool, 1 for integers, 2 for floating point: promotion never leads down."""
    name = dtype_name(dtype)
    return 0 if name == "bool" else 1 if "int" in name else 2


def check_forward(op: OpUnderTest, dtype: str) -> None:
    """Reference, meta device, other forms, strides and the in-place twin, for each sample."""
    seen = 0
    for i, s in enumerate(op.samples(dtype)):
        what = f"{op.name}[{dtype}] sample {i}"
        before = [bits(t) for t in tensors_in((s.args, s.kwargs))]
        versions = [t._version for t in tensors_in((s.args, s.kwargs))]
        result = op.call(*s.args, **s.kwargs)
        after = [bits(t) for t in tensors_in((s.args, s.kwargs))]
        assert before == after, f"{what}: expected inputs to stay as they are"
        assert versions == [t._version for t in tensors_in((s.args, s.kwargs))], (
            f"{what}: expected no version bump"
        )
        check_reference(op, s, result, what)
        check_meta(op, s, result, what)
        check_forms(op, s, result, what)
        check_strides(op, s, result, what)
        check_inplace(op, s, result, what)
        seen += 1
    assert seen, f"{op.name}[{dtype}]: expected at least one sample"


def check_reference(op: OpUnderTest, s: Sample, result: Any, what: str) -> None:
    if op.spec.check is not None:
        op.spec.check(result, *s.args, **s.kwargs)
    elif s.ref:
        assert op.spec.ref is not None, f"{what}: expected a reference or a check"
        args, kwargs = map_tensors(to_array, (s.args, s.kwargs))
        if op.spec.creation:
            kwargs.pop("device", None)
        with np.errstate(all="ignore"):
            want = op.spec.ref(*args, **kwargs)
        table, factor = op.tolerance()
        assert_close(result, want, what, table, factor)
    checks["reference"] += 1


def check_meta(op: OpUnderTest, s: Sample, result: Any, what: str) -> None:
    """The meta device infers what the kernel returns."""
    f = op.function
    args, kwargs = map_tensors(lambda t: t.to("meta"), (s.args, s.kwargs))
    if op.spec.creation:
        kwargs = {**kwargs, "device": "meta"}
    if op.spec.data_dependent or not s.meta:
        with raising(clew.DeviceError, f"{what} on meta"):
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


def check_forms(op: OpUnderTest, s: Sample, result: Any, what: str) -> None:
    """Function, method and keyword form are one op."""
    compare = op.spec.check is None or op.spec.random
    public = op.public
    if public is not None:
        clew.manual_seed(7)
        other = public(*s.args, **s.kwargs)
        if compare:
            assert_same(other, result, f"{what} as public function")
        checks["form"] += 1
    if op.has_method and is_tensor(s.args[0]):
        clew.manual_seed(7)
        other = getattr(s.args[0], op.entry["function"])(*s.args[1:], **s.kwargs)
        if compare:
            assert_same(other, result, f"{what} as method")
        checks["form"] += 1


def check_strides(op: OpUnderTest, s: Sample, result: Any, what: str) -> None:
    """The result depends on values, not on how they are laid out."""
    if not s.strides or (op.spec.check is not None and not op.spec.random):
        return
    for layout in (stepped, transposed):
        args, kwargs = map_tensors(layout, (s.args, s.kwargs))
        # Another layout may sum in another order.
        assert_same(
            op.call(*args, **kwargs), result, f"{what}, inputs {layout.__name__}", ulps=op.spec.wide * 4 + 0.5
        )
        checks["strides"] += 1


def check_inplace(op: OpUnderTest, s: Sample, result: Any, what: str) -> None:
    twin = op.inplace
    if twin is None or not is_tensor(s.args[0]):
        return
    # A view in place gives its sizes to the tensor.
    same_shape = op.entry["view"] or tuple(result.shape) == tuple(s.args[0].shape)
    fits = same_shape and result.dtype == s.args[0].dtype
    for layout in (lambda t: t.clone(), stepped):
        x = layout(s.args[0])
        version = x._version
        clew.manual_seed(7)
        if fits:
            returned = twin(x, *s.args[1:], **s.kwargs)
            assert returned is x, f"{what} in place: expected the tensor itself back"
            assert_same(x, result, f"{what} in place", ulps=op.spec.wide * 4 + 0.5)
            assert x._version > version, f"{what} in place: expected the version to move on"
        else:
            kept = bits(x)
            try:
                twin(x, *s.args[1:], **s.kwargs)
            except RuntimeError as e:
                assert f"{op.entry['function']}_: expected" in str(e), f"{what} in place: {e}"
            else:
                # A result of the shape may be cast into the tensor; one of another shape must be refused.
                narrows = category(result.dtype) > category(x.dtype)
                assert same_shape and not narrows, f"{what} in place: expected RuntimeError, got a result"
                assert_same(x, result.to(x.dtype), f"{what} in place", ulps=op.spec.wide * 4 + 0.5)
                checks["in-place"] += 1
                continue
            assert bits(x) == kept, f"{what} in place: expected a refused write to change nothing"
        checks["in-place"] += 1


# --- dtypes that an op does not declare ------------------------------------------------------------


def check_undeclared_dtypes(op: OpUnderTest) -> None:
    """An undeclared dtype is promoted to a right result, or refused by DTypeError."""
    if not op.spec.undeclared:
        return
    for dtype in DTYPES:
        if dtype in op.entry["dtypes"]:
            continue
        try:
            s = next(op.samples(dtype))
            result = op.call(*s.args, **s.kwargs)
        except clew.DTypeError as e:
            assert "expected" in str(e) and "got" in str(e), f"{op.name}[{dtype}]: {e}"
        else:
            check_reference(op, s, result, f"{op.name}[{dtype}], undeclared")
        checks["undeclared dtype"] += 1


# --- bad input -------------------------------------------------------------------------------------


def check_errors(op: OpUnderTest) -> None:
    """Bad input raises what the samples say, with what was expected and what came."""
    dtype = "float32" if "float32" in op.dtypes else op.dtypes[-1]
    for i, e in enumerate(op.spec.errors(Maker(op.name, dtype, op.device))):
        what = f"{op.name} error sample {i}"
        try:
            result = op.function(*e.args, **e.kwargs)
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
        v = clew.tensor(random.uniform(-1, 1, tuple(y.shape)), device=y.device)
        found.append(v.to(y.dtype).to(getattr(clew, dtype)) if dtype else v.to(y.dtype))
    return found


def gradients(
    call: Callable, build: Callable, leaves: list, create_graph: bool = False, seeds: list | None = None
) -> list:
    args, kwargs = build(leaves)
    results = floating_outputs(call(*args, **kwargs))
    outputs = [y for y in results if y.requires_grad]
    if not outputs:
        return [None] * len(leaves)
    if seeds is None:
        # A result keeps its cotangent when others depend on nothing that requires grad.
        seeds = [v for y, v in zip(results, cotangents(results), strict=True) if y.requires_grad]
    wanted = [x for x in leaves if x.requires_grad]
    got = iter(clew.autograd.grad(outputs, wanted, seeds, create_graph=create_graph, allow_unused=True))
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


def check_gradient(op: OpUnderTest) -> None:
    """First and second derivatives by finite differences, along random cotangents."""
    for i, s in enumerate(op.samples("float64")):
        leaves, build = leaves_of(op.spec, s)
        if not s.grad or not leaves:
            continue
        what = f"{op.name} sample {i}"

        def f(*values: Any, build: Callable = build) -> list:
            args, kwargs = build(values)
            return floating_outputs(op.call(*args, **kwargs))

        if s.differences and any(y.requires_grad for y in f(*leaves)):
            clew.autograd.gradcheck(f, tuple(leaves))
            clew.autograd.gradgradcheck(f, tuple(leaves))
            checks["finite difference"] += 2
        check_formulas(op.call, build, leaves, what)
        check_inplace_gradient(op, s, build, leaves, what)
        check_memory(op.call, build, leaves, what)


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


def check_inplace_gradient(op: OpUnderTest, s: Sample, build: Callable, leaves: list, what: str) -> None:
    inplace = op.inplace
    if inplace is None or not is_tensor(s.args[0]):
        return
    args, kwargs = build(leaves)
    result = op.call(*args, **kwargs)
    if tuple(result.shape) != tuple(args[0].shape) or result.dtype != args[0].dtype:
        return

    def twin(x: Any, *rest: Any, **options: Any) -> Any:
        clew.manual_seed(7)
        return inplace(x * 1, *rest, **options)

    assert_gradients(gradients(twin, build, leaves), gradients(op.call, build, leaves), f"{what} in place")
    checks["in-place gradient"] += 1


def check_memory(call: Callable, build: Callable, leaves: list, what: str) -> None:
    """After backward, live bytes are where they were: no leak, no cycle."""
    gradients(call, build, leaves)
    before = clew._C.memory_stats()["allocated_bytes"]
    gradients(call, build, leaves)
    after = clew._C.memory_stats()["allocated_bytes"]
    assert after == before, f"{what}: expected {before} live bytes after backward, got {after}"
    checks["memory"] += 1


def check_gradient_in_dtype(op: OpUnderTest, dtype: str) -> None:
    """Gradients in the narrow dtypes agree with float64 on the same values."""
    for i, s in enumerate(op.samples(dtype)):
        if not s.grad:
            continue
        narrow, build = leaves_of(op.spec, s)
        if not narrow:
            continue
        args, kwargs = build(narrow)
        outputs = [y for y in floating_outputs(op.call(*args, **kwargs)) if y.requires_grad]
        if not outputs:
            continue
        got = gradients(op.call, build, narrow, seeds=cotangents(outputs))
        if any(g is not None and g.dtype != x.dtype for g, x in zip(got, narrow, strict=True)):
            raise AssertionError(
                f"{op.name}[{dtype}] sample {i}: expected gradients in the dtype of their inputs"
            )
        wide, build = leaves_of(op.spec, s, "float64")
        args, kwargs = build(wide)
        kinds = [y.dtype for y in outputs]
        outputs = [y for y in floating_outputs(op.call(*args, **kwargs)) if y.requires_grad]
        seeds = [v.to(k).to(y.dtype) for v, k, y in zip(cotangents(outputs), kinds, outputs, strict=True)]
        want = gradients(op.call, build, wide, seeds=seeds)
        assert_gradients(got, want, f"{op.name}[{dtype}] sample {i}", factor=4 if op.spec.wide else 1)
        checks["gradient in dtype"] += 1


def check_not_differentiable(op: OpUnderTest) -> None:
    """Backward through an op without gradient raises and says why; no history is lost in silence."""
    dtypes = [d for d in op.entry["dtypes"] if d in FLOATING]
    for s in op.samples(dtypes[-1]) if dtypes else ():
        leaves, build = leaves_of(op.spec, s)
        args, kwargs = build(leaves)
        if op.entry["kind"] == "MethodInplace":
            continue
        for y in floating_outputs(op.call(*args, **kwargs)) if leaves else ():
            assert y.requires_grad, f"{op.name}: expected a result that keeps its history"
            with raising(clew.AutogradError, f"{op.name}, backward", op.entry["function"]):
                y.sum().backward()
            checks["not differentiable"] += 1


# --- documentation ---------------------------------------------------------------------------------


def check_documented(op: OpUnderTest) -> None:
    """A public op has a line, arguments, a result and an example; its signature is what Python shows."""
    doc = op.entry["doc"]
    first = doc.strip().splitlines()[0]
    assert first.endswith("."), f"{op.name}: expected a first line that ends in a period, got {first!r}"
    for section in ("Args:", "Returns:", "Example:"):
        assert section in doc or op.entry["kind"] == "Internal", f"{op.name}: expected a section {section!r}"
    f = op.function
    assert first in inspect.getdoc(f), f"{op.name}: expected its page as __doc__"
    assert op.entry["signature"].split("(")[0] in (f.__name__, f"{op.entry.get('library')}.{f.__name__}")


# --- all of it -------------------------------------------------------------------------------------


def entry_of(op: Any) -> dict:
    """The row of the op table of an op object, or of a name such as "mylib.squareplus"."""
    if isinstance(op, str):
        library, _, function = op.rpartition(".")
    else:
        module = getattr(op, "__module__", "")
        library, function = module.removeprefix("clew.ops.") if module != "clew" else "", op.__name__
    known = not library or library in clew.ops.loaded_libraries()
    for row in clew._C.op_table(library or None) if known else ():
        if row["function"] == function and not row["overload"]:
            return row
    raise ValueError(f"check_op: expected an op, got {op!r}")


def check_op(
    op: Any,
    samples: Callable[[Maker], Iterable],
    *,
    ref: Callable | None = None,
    check: Callable | None = None,
    device: str = "cpu",
    frozen: tuple = (),
    skip_dtypes: tuple = (),
    random: bool = False,
    creation: bool = False,
    data_dependent: bool = False,
    undeclared: bool = True,
    wide: bool = False,
    tolerance: dict | None = None,
) -> Counter[str]:
    """Runs the property suite of the built-in ops on an op, an extension's for example.

    For each sample and each dtype that the op declares: the forward result against `ref`, inputs left as they
    are, the meta device, other strides, the in-place twin; first and second derivatives by finite differences
    along random cotangents, gradients in narrow dtypes, the recorded backward, memory after backward; dtypes
    that it does not declare, errors, documentation.

    Args:
        op: an op object such as `clew.ops.mylib.squareplus`, or its name.
        samples: `samples(make)` yields calls `(args, kwargs)` or, see clew.testing.op_samples, `case(...)`,
            `plain(...)` and `error(args, kwargs, kind, text)`; `make(3, 5)` draws a tensor of the dtype under
            test.
        ref: NumPy function of the same arguments; floating tensors come as float64 arrays.
        check: `check(result, *args, **kwargs)` instead of `ref`, for results that no formula predicts.
        device: where the samples live.
        frozen: positions and keywords of floating arguments that have no gradient.
        skip_dtypes: dtypes for which a call makes no sense although they are declared.
        random, creation, data_dependent: the op draws random numbers, takes no tensor, or has a result whose
            shape depends on values.
        undeclared: try dtypes that the op does not declare.
        wide: sums over many products: tolerances looser by 4.
        tolerance: (rtol, atol) by dtype name, where the usual ones do not do.
    Returns:
        How many checks of each kind ran.
    Raises:
        AssertionError: a property does not hold; the message names op, dtype and sample.
        clew.autograd.GradcheckError: a derivative is wrong; the message names input and element.
        ValueError: `op` is no op.
    Example:
        >>> import numpy
        >>> def samples(make):
        ...     yield make(3, 4), {}
        >>> clew.testing.check_op(clew.sin, samples, ref=lambda x: numpy.sin(1.0 * x))["finite difference"]
        2
    """
    entry = entry_of(op)
    spec = OpSamples(
        entry["name"],
        samples,
        ref,
        check,
        None,
        frozen,
        skip_dtypes,
        random,
        creation,
        data_dependent,
        undeclared,
        wide,
        tolerance or {},
    )
    before = Counter(checks)
    under_test = OpUnderTest(entry, spec, device)
    check_documented(under_test)
    for dtype in under_test.dtypes:
        check_forward(under_test, dtype)
    check_undeclared_dtypes(under_test)
    check_errors(under_test)
    if not entry["differentiable"]:
        check_not_differentiable(under_test)
    elif "float64" in entry["dtypes"]:
        check_gradient(under_test)
        for dtype in ("float16", "bfloat16", "float32"):
            if dtype in under_test.dtypes:
                check_gradient_in_dtype(under_test, dtype)
    return Counter(checks) - before
