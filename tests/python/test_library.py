"""Operators made in Python: checks, gradients, fakes, kernels, names; the same source under PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

import clew
from clew import Tensor

_number = itertools.count()


def fresh(prefix: str = "tests") -> str:
    return f"{prefix}::op{next(_number)}"


def scaled(name: str) -> Any:
    @clew.library.custom_op(name, mutates_args=())
    def op(x: Tensor, factor: float = 2.0) -> Tensor:
        """Multiplies."""
        return clew.from_numpy(x.numpy() * factor)

    return op


def test_call_and_names() -> None:
    name = fresh()
    op = scaled(name)
    assert op(clew.ones(2)).tolist() == [2.0, 2.0]
    assert op(clew.ones(1), factor=3.0).item() == 3.0
    assert getattr(clew.ops.tests, name.split("::")[1]) is op
    assert op.__doc__ == "Multiplies." and name in repr(op)
    assert op._schema == f"{name}(Tensor x, float factor=2.0) -> Tensor"
    with clew.profiler.profile() as prof:
        op(clew.ones(2))
    assert any(e.name == name for e in prof.events())
    with pytest.raises(TypeError, match="Tensor x, float factor"):
        op()
    with pytest.raises(AttributeError, match="no op or library"):
        clew.ops.no_such_library


def test_gradient() -> None:
    op = scaled(fresh())

    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.factor = inputs
        ctx.save_for_backward(x)

    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        assert ctx.needs_input_grad[0] and x.shape == grad.shape
        return grad * ctx.factor, None

    x = clew.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="register_autograd"):
        op(x).sum().backward()
    op.register_autograd(backward, setup_context=setup_context)
    op(x, 5.0).sum().backward()
    assert x.grad.tolist() == [5.0] * 3
    double = clew.rand(3, dtype=clew.float64, requires_grad=True)
    assert clew.autograd.gradcheck(op, (double, 1.5))
    with clew.no_grad():
        assert not op(x).requires_grad


def test_lists_and_several_results() -> None:
    @clew.library.custom_op(fresh(), mutates_args=())
    def total(xs: Sequence[Tensor], scale: float) -> tuple[Tensor, Tensor]:
        result = xs[0] * scale
        for x in xs[1:]:
            result = result + x * scale
        return result, result * 2

    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        xs, ctx.scale = inputs
        ctx.count = len(xs)
        assert len(output) == 2

    def backward(ctx: Any, first: Tensor, second: Tensor) -> Any:
        g = (first + 2 * second) * ctx.scale
        return [g] * ctx.count, None

    total.register_autograd(backward, setup_context=setup_context)
    a, b = clew.ones(2, requires_grad=True), clew.ones(2, requires_grad=True)
    first, second = total([a, b], 3.0)
    (first + second).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [9.0, 9.0]


def test_mutation() -> None:
    @clew.library.custom_op(fresh(), mutates_args={"x"})
    def add_one(x: Tensor, y: int) -> None:
        x.add_(y)

    x = clew.zeros(2)
    assert add_one(x, 1) is None
    assert x.tolist() == [1.0, 1.0] and x._version == 1
    assert "Tensor(a0!) x" in add_one._schema
    with pytest.raises(RuntimeError, match="without mutates_args"):
        add_one.register_autograd(lambda ctx, g: g)

    @clew.library.custom_op(fresh(), mutates_args=())
    def sly(x: Tensor) -> Tensor:
        x.add_(1)
        return x.clone()

    with pytest.raises(RuntimeError, match="mutates_args"):
        sly(clew.zeros(2))

    @clew.library.custom_op(fresh(), mutates_args=())
    def alias(x: Tensor) -> Tensor:
        return x.view(-1)

    with pytest.raises(RuntimeError, match="clone it"):
        alias(clew.zeros(2))


def test_fake_and_kernels() -> None:
    name = fresh()
    op = scaled(name)
    with pytest.raises(NotImplementedError, match="register_fake"):
        op(clew.ones(2, device="meta"))

    @clew.library.register_fake(name)
    def _(x: Tensor, factor: float = 2.0) -> Tensor:
        return clew.empty_like(x)

    assert tuple(op(clew.ones(2, 3, device="meta")).shape) == (2, 3)

    @op.register_kernel("cpu")
    def _(x: Tensor, factor: float = 2.0) -> Tensor:
        return x + factor

    assert op(clew.ones(1)).item() == 3.0

    @clew.library.custom_op(fresh(), mutates_args=(), device_types="cuda")
    def elsewhere(x: Tensor) -> Tensor:
        return x.clone()

    with pytest.raises(NotImplementedError, match="kernel for device 'cpu'"):
        elsewhere(clew.ones(1))
    with pytest.raises(ValueError, match="device type"):
        op.register_kernel("abacus")
    op.register_vmap(lambda info, in_dims, *args: None)
    with pytest.raises(ValueError, match="custom op"):
        clew.library.register_fake("tests::nothing")


def test_bad_definitions() -> None:
    def untyped(x):
        return x

    def unknown(x: dict) -> Tensor:
        return clew.ones(1)

    def no_result(x: Tensor):
        return x

    def many(*xs: Tensor) -> Tensor:
        return xs[0]

    def fine(x: Tensor) -> Tensor:
        return x

    for function, text in (
        (untyped, "type for parameter"),
        (unknown, "type for parameter"),
        (no_result, "type of the result"),
        (many, "named parameters"),
    ):
        with pytest.raises(ValueError, match=text):
            clew.library.custom_op(fresh(), function, mutates_args=())
    with pytest.raises(ValueError, match="namespace::name"):
        clew.library.custom_op("name", fine, mutates_args=())
    with pytest.raises(ValueError, match="mutates_args"):
        clew.library.custom_op(fresh(), fine, mutates_args={"z"})
    with pytest.raises(ValueError, match="that is no op"):
        clew.library.custom_op("exp::own", fine, mutates_args=())


SOURCE = """
@torch.library.custom_op("both{lib}::cube", mutates_args=())
def cube(x: torch.Tensor, bias: Optional[torch.Tensor] = None) -> torch.Tensor:
    y = torch.from_numpy(x.detach().numpy() ** 3)
    return y if bias is None else y + bias

@cube.register_fake
def _(x, bias=None):
    return torch.empty_like(x)

def setup(ctx, inputs, output):
    x, bias = inputs
    ctx.save_for_backward(x)
    ctx.has_bias = bias is not None

def backward(ctx, g):
    x, = ctx.saved_tensors
    return 3 * x * x * g, g if ctx.has_bias else None

cube.register_autograd(backward, setup_context=setup)
x = torch.tensor([1.0, 2.0], requires_grad=True)
b = torch.tensor([1.0, 1.0], requires_grad=True)
(torch.ops.both{lib}.cube(x, b) + cube(x)).sum().backward()
result = (x.grad.tolist(), b.grad.tolist(), cube(x).tolist(), tuple(cube(x.to("meta")).shape))
"""


def test_same_source_in_both_libraries() -> None:
    torch = pytest.importorskip("torch")
    from typing import Optional

    found = []
    for name, lib in (("clew", clew), ("torch", torch)):
        scope: dict[str, Any] = {"torch": lib, "Optional": Optional}
        exec(SOURCE.replace("{lib}", name), scope)
        found.append(scope["result"])
    assert found[0] == found[1]
