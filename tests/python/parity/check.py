"""One sample: call both libraries, compare what comes back."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import clew

from . import names
from .exchange import Converter, NotExpressible, array, dtype_name, flat, storage_start

# (relative, absolute) by the dtype of the result.
TOLERANCE = {
    "float64": (1e-7, 1e-7),
    "float32": (1e-4, 1e-5),
    "float16": (2e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-2),
}


class Difference(Exception):
    """What the sample shows; the text begins with the kind of difference."""


def callable_of(name: str, variant: str = "") -> Callable | None:
    """Clew's function for a name of the database, or its method where there is only that."""
    special = _SPECIAL.get(f"{name}.{variant}") or _SPECIAL.get(name)
    if special is not None:
        return special
    target: Any = clew
    for part in name.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            target = None
            break
    if callable(target) and not isinstance(target, (clew.dtype, type)):
        return target
    return None if "." in name else method_of(name)


def method_of(name: str) -> Callable | None:
    """The method of that name as a function of the tensor, or None."""
    short = name.rpartition(".")[2]
    try:
        found = getattr(clew.Tensor, short)
    except AttributeError:
        return None
    if callable(found):
        return lambda x, *args, **kwargs: getattr(x, short)(*args, **kwargs)
    return lambda x: getattr(x, short)


_SPECIAL: dict[str, Callable] = {
    # These the database calls by functions of its own.
    "einsum": lambda tensors, equation: clew.einsum(equation, tensors),
    "uniform": lambda x, *args, **kwargs: x.uniform_(*args, **kwargs),
    "normal.in_place": lambda x, *args, **kwargs: x.normal_(*args, **kwargs),
    "where": lambda x, condition, other: clew.where(condition, x, other),
    "nn.functional.embedding": lambda x, index, **kwargs: clew.nn.functional.embedding(index, x, **kwargs),
    "fill": lambda x, value: x.clone().fill_(value),
    "zero_": lambda x: x.clone().zero_(),
    "item": lambda x: x.item(),
    "__getitem__": lambda x, index: x[index],
    "__rdiv__": lambda x, other: other / x,
}
for _name in (
    "__radd__",
    "__rsub__",
    "__rmul__",
    "__rmod__",
    "__rpow__",
    "__rmatmul__",
    "__rand__",
    "__ror__",
    "__rxor__",
):
    _SPECIAL[_name] = lambda x, other, _name=_name: getattr(clew.Tensor, _name)(x, other)


def _close(got: np.ndarray, want: np.ndarray, dtype: str) -> bool:
    if dtype not in TOLERANCE:
        return bool(np.array_equal(got, want))
    relative, absolute = TOLERANCE[dtype]
    return bool(np.allclose(got, want, rtol=relative, atol=absolute, equal_nan=True))


def _worst(got: np.ndarray, want: np.ndarray) -> str:
    if got.dtype == np.bool_:
        where = np.flatnonzero((got != want).ravel())
    else:
        with np.errstate(all="ignore"):
            gap = np.abs(got.astype(np.float64) - want.astype(np.float64))
            gap[np.isnan(got) & np.isnan(want)] = 0
            gap[got == want] = 0
            gap[np.isnan(gap)] = np.inf
        where = np.array([int(gap.argmax())])
    i = int(where[0])
    return f"expected {want.ravel()[i]!s}, got {got.ravel()[i]!s} at element {i} of shape {want.shape}"


def compare(
    got: Any, want: Any, label: str, reference: Callable[[], Any] | None, values: bool = True
) -> None:
    """Raises Difference unless `got` has the type, dtype, shape and values of `want`.

    A value beyond the tolerance still passes when it is nearer to the float64 `reference` than four times the
    distance of `want`, plus the tolerance.
    """
    if not isinstance(want, torch.Tensor):
        if isinstance(got, clew.Tensor):
            raise Difference(f"{label} type: expected {type(want).__name__}, got a tensor")
        if isinstance(want, torch.Size):
            want, got = tuple(want), tuple(got)
        if type(got) is not type(want):
            raise Difference(f"{label} type: expected {type(want).__name__}, got {type(got).__name__}")
        same = got == want or (isinstance(want, float) and np.allclose(got, want, 1e-4, 1e-5, equal_nan=True))
        if values and not same:
            raise Difference(f"{label} value: expected {want!r}, got {got!r}")
        return
    if not isinstance(got, clew.Tensor):
        raise Difference(f"{label} type: expected a tensor, got {type(got).__name__}")
    if dtype_name(got.dtype) != dtype_name(want.dtype):
        raise Difference(f"{label} dtype: expected {dtype_name(want.dtype)}, got {dtype_name(got.dtype)}")
    if tuple(got.shape) != tuple(want.shape):
        raise Difference(f"{label} shape: expected {tuple(want.shape)}, got {tuple(got.shape)}")
    if not values:
        return
    dtype = dtype_name(want.dtype)
    a, b = array(got), array(want)
    if _close(a, b, dtype):
        return
    if reference is not None and dtype in TOLERANCE:
        exact = reference()
        if isinstance(exact, torch.Tensor):
            c = array(exact)
            relative, absolute = TOLERANCE[dtype]
            with np.errstate(all="ignore"):
                allowed = 4 * np.abs(b - c) + relative * np.abs(c) + absolute
                fine = (np.abs(a - c) <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b))
            if bool(fine.all()):
                return
    raise Difference(f"{label} value: {_worst(a, b)}")


def shares(result: Any, inputs: list[Any], tensor_type: type) -> bool | None:
    """Whether the result lies in the storage of an input; None when there is no memory to look at."""
    if not isinstance(result, tensor_type) or result.numel() == 0 or result.data_ptr() == 0:
        return None
    starts = {
        storage_start(t) for t in inputs if isinstance(t, tensor_type) and t.numel() > 0 and t.data_ptr() != 0
    }
    return storage_start(result) in starts


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:180]}"


def _call(fn: Callable, sample: Any, convert: Converter | None = None) -> Any:
    if convert is None:
        return fn(sample.input, *sample.args, **sample.kwargs)
    return fn(convert(sample.input), *convert(tuple(sample.args)), **convert(dict(sample.kwargs)))


def _double(value: Any, memo: dict[int, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            twin = value.detach().clone()
            if value.is_floating_point():
                twin = twin.double().requires_grad_(value.requires_grad)
            memo[id(value)] = twin
        return memo[id(value)]
    if value is torch.float32 or value is torch.bfloat16 or value is torch.float16:
        return torch.float64
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return type(value)(_double(v, memo) for v in value)
    if isinstance(value, dict):
        return {k: _double(v, memo) for k, v in value.items()}
    return value


class Exact:
    """The sample in float64, computed when first asked for."""

    def __init__(self, fn: Callable, sample: Any) -> None:
        self.fn, self.sample = fn, sample
        self.memo: dict[int, torch.Tensor] = {}
        self._outputs: list[Any] | None = None

    def outputs(self) -> list[Any]:
        if self._outputs is None:
            s = self.sample
            try:
                args = _double(tuple(s.args), self.memo)
                kwargs = _double(dict(s.kwargs), self.memo)
                self._outputs = flat(self.fn(_double(s.input, self.memo), *args, **kwargs))
            except Exception:
                self._outputs = []
        return self._outputs

    def output(self, i: int) -> Callable[[], Any]:
        return lambda: self.outputs()[i] if i < len(self.outputs()) else None

    def gradient(self, leaves: list[torch.Tensor], cotangents: dict[int, torch.Tensor], k: int) -> Any:
        outputs = self.outputs()
        try:
            chosen = [(outputs[i], g.double()) for i, g in cotangents.items() if outputs[i].requires_grad]
            grads = torch.autograd.grad(
                [o for o, _ in chosen],
                [self.memo[id(t)] for t in leaves],
                [g for _, g in chosen],
                allow_unused=True,
                retain_graph=True,
            )
            return grads[k]
        except Exception:
            return None


def check_sample(op: Any, sample: Any, backward: bool) -> bool:
    """Compares one sample. Returns False when PyTorch itself refuses it.

    Raises:
        Difference: with what differs.
    """
    name = op.name
    values = name not in names.VALUES_DIFFER and not names.drops_out(name, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.manual_seed(0)
            want = _call(op.op, sample)
            if name in ("sort", "argsort") and not sample.kwargs.get("stable"):
                # Where equal elements end is open; Clew keeps their order, so it is held to that.
                want = _call(lambda *args, **kwargs: op.op(*args, **(kwargs | {"stable": True})), sample)
        except Exception:
            return False
        convert = Converter(backward)
        fn = callable_of(name, op.variant_test_name)
        try:
            got = _call(fn, sample, convert)
        except NotExpressible as e:
            raise Difference(f"unsupported argument: {e}") from None
        except Exception as e:
            raise Difference(f"raised {_describe(e)}") from None
        exact = Exact(op.op, sample)
        wants, gots = flat(want), flat(got)
        if len(wants) != len(gots):
            raise Difference(f"result: expected {len(wants)} values, got {len(gots)}")
        for i, (w, g) in enumerate(zip(wants, gots, strict=True)):
            if name == "topk" and i == 1:
                _check_places(sample, w, g)
                continue
            compare(g, w, "result" if len(wants) == 1 else f"result {i}", exact.output(i), values)
        _check_sharing(sample, convert, wants, gots)
        if backward:
            _check_backward(convert, wants, gots, exact, values)
        if name in names.FIRST_TIER:
            _check_method(op, sample, wants, exact, values)
            _check_in_place(op, sample, exact, values)
    return True


def _check_places(sample: Any, want: torch.Tensor, got: Any) -> None:
    """Places may differ where elements are equal: the elements there may not."""
    compare(got, want, "result 1", None, values=False)
    dim = sample.kwargs.get("dim", sample.args[1] if len(sample.args) > 1 else -1)
    x, places = sample.input.detach(), torch.from_numpy(array(got).copy())
    if x.dim() == 0:
        x, places, want = x.reshape(1), places.reshape(1), want.reshape(1)
    a, b = x.gather(dim, places), x.gather(dim, want)
    if not bool(((a == b) | (a.isnan() & b.isnan() if a.is_floating_point() else a == b)).all()):
        raise Difference("result 1 value: expected places of the same elements")


def _check_sharing(sample: Any, convert: Converter, wants: list, gots: list) -> None:
    theirs = flat([sample.input, *sample.args, *sample.kwargs.values()])
    ours = [convert(t) for t in theirs if isinstance(t, torch.Tensor)]
    for i, (w, g) in enumerate(zip(wants, gots, strict=True)):
        a, b = shares(w, theirs, torch.Tensor), shares(g, ours, clew.Tensor)
        if a is not None and b is not None and a != b:
            kinds = {True: "a view of its argument", False: "memory of its own"}
            raise Difference(f"memory: expected result {i} to be {kinds[a]}, got {kinds[b]}")


def _check_backward(convert: Converter, wants: list, gots: list, exact: Exact, values: bool) -> None:
    if not convert.leaves:
        return
    cotangents: dict[int, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(1)
    for i, (w, g) in enumerate(zip(wants, gots, strict=True)):
        if not isinstance(w, torch.Tensor):
            continue
        if w.requires_grad != g.requires_grad:
            raise Difference(
                f"requires_grad: expected {w.requires_grad} of result {i}, got {g.requires_grad}"
            )
        if w.requires_grad:
            cotangents[i] = torch.randn(w.shape, generator=generator, dtype=torch.float32).to(w.dtype)
    if not cotangents:
        return
    leaves = [t for t, _ in convert.leaves]
    try:
        want = torch.autograd.grad(
            [wants[i] for i in cotangents], leaves, list(cotangents.values()), allow_unused=True
        )
    except Exception:
        return
    try:
        got = clew.autograd.grad(
            [gots[i] for i in cotangents],
            [c for _, c in convert.leaves],
            [clew.from_dlpack(g.contiguous()) for g in cotangents.values()],
            allow_unused=True,
        )
    except Exception as e:
        raise Difference(f"backward raised {_describe(e)}") from None
    for k, (w, g) in enumerate(zip(want, got, strict=True)):
        if w is None or g is None:
            # An absent gradient and one of zeros mean the same.
            present = w if g is None else g
            if present is not None and bool((array(present) != 0).any()):
                raise Difference(
                    f"gradient {k}: expected {'None' if w is None else 'a tensor'}, got the other"
                )
            continue
        compare(g, w, f"gradient {k}", lambda k=k: exact.gradient(leaves, cotangents, k), values)


def _check_method(op: Any, sample: Any, wants: list, exact: Exact, values: bool) -> None:
    if op.method_variant is None or not isinstance(sample.input, torch.Tensor):
        return
    if op.name in _SPECIAL or op.name == "normal":
        return
    short = getattr(op.method_variant, "__name__", op.name)
    if not short.isidentifier():
        short = op.name.rpartition(".")[2]
    method = method_of(short)
    if method is None:
        raise Difference(f"method: expected Tensor.{short}, which is missing")
    try:
        gots = flat(_call(method, sample, Converter(False)))
    except Exception as e:
        raise Difference(f"method raised {_describe(e)}") from None
    for i, (w, g) in enumerate(zip(wants, gots, strict=True)):
        compare(g, w, "method result", exact.output(i), values and not (op.name == "topk" and i == 1))


def _check_in_place(op: Any, sample: Any, exact: Exact, values: bool) -> None:
    if op.inplace_variant is None or op.name not in names.IN_PLACE or sample.broadcasts_input:
        return
    name = op.inplace_variant.__name__
    try:
        start = sample.input.detach().clone()
        want = op.inplace_variant(start, *sample.args, **sample.kwargs).detach()
    except Exception:
        return
    method = method_of(name)
    if method is None:
        raise Difference(f"in-place: expected Tensor.{name}, which is missing")
    convert = Converter(False)
    x = convert(sample.input.detach()).clone()
    try:
        with clew.no_grad():
            got = method(x, *convert(tuple(sample.args)), **convert(dict(sample.kwargs)))
    except Exception as e:
        raise Difference(f"in-place raised {_describe(e)}") from None
    if got is not x:
        raise Difference("in-place: expected the tensor itself back")
    compare(got, want, "in-place result", exact.output(0), values)


def builtin_class(error: BaseException | type) -> type:
    """The nearest ancestor that Python itself defines."""
    mro = error.__mro__ if isinstance(error, type) else type(error).__mro__
    return next(c for c in mro if getattr(builtins, c.__name__, None) is c)


def check_error(op: Any, item: Any) -> bool:
    """Compares one error input. Returns False when PyTorch accepts it or Clew cannot have its arguments.

    Raises:
        Difference: no error, or one of another built-in class.
    """
    sample = item.sample_input
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _call(op.op, sample)
            return False
        except Exception as e:
            want, text = builtin_class(e), " ".join(str(e).split())[:120]
        try:
            _call(callable_of(op.name, op.variant_test_name), sample, Converter(False))
        except NotExpressible:
            return False
        except Exception as e:
            if isinstance(e, want):
                return True
            raise Difference(
                f"error: expected {want.__name__} ({text}), got {type(e).__name__}: {str(e)[:120]}"
            ) from None
    raise Difference(f"error: expected {want.__name__} ({text}), got none")
