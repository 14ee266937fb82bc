"""Derivatives of functions as functions: Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import clew
from clew import _C

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensor = _C.Tensor


def _check(op: str, strategy: str = "reverse-mode", vectorize: bool = False) -> None:
    if strategy != "reverse-mode":
        raise NotImplementedError(f"{op}: expected strategy 'reverse-mode', got {strategy!r}")
    if vectorize:
        raise NotImplementedError(f"{op}: expected vectorize=False, got True (rows are computed one by one)")


def _inputs(op: str, inputs: Any, create_graph: bool) -> tuple[bool, tuple[Tensor, ...]]:
    single = isinstance(inputs, Tensor)
    listed = (inputs,) if single else tuple(inputs)
    for i, x in enumerate(listed):
        if not isinstance(x, Tensor):
            raise TypeError(f"{op}: expected Tensors as inputs, got {type(x).__name__} (position {i})")
    # Tensors of their own: the caller's stay as they are, and are reached with create_graph only.
    fresh = tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in listed
    )
    return single, fresh


def _outputs(op: str, outputs: Any) -> tuple[bool, tuple[Tensor, ...]]:
    single = isinstance(outputs, Tensor)
    listed = (outputs,) if single else tuple(outputs)
    for i, y in enumerate(listed):
        if not isinstance(y, Tensor):
            raise TypeError(f"{op}: expected Tensors from func, got {type(y).__name__} (position {i})")
    return single, listed


def _vectors(op: str, v: Any, like: tuple[Tensor, ...], what: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{op}: expected v, since {what} is not a single number, got None")
        return (clew.ones_like(like[0]),)
    listed = (v,) if isinstance(v, Tensor) else tuple(v)
    if len(listed) != len(like):
        raise RuntimeError(f"{op}: expected {len(like)} tensors in v, one for each {what}, got {len(listed)}")
    for a, b in zip(listed, like, strict=True):
        if a.shape != b.shape:
            raise RuntimeError(f"{op}: expected v of shape {tuple(b.shape)}, got {tuple(a.shape)}")
    return listed


def _grad(op: str, outputs: Any, inputs: Any, vectors: Any, create_graph: bool, strict: bool) -> tuple:
    reached = [i for i, y in enumerate(outputs) if y.requires_grad]
    if not reached:
        grads: tuple = (None,) * len(inputs)
    else:
        grads = clew.autograd.grad(
            [outputs[i] for i in reached],
            inputs,
            [vectors[i] for i in reached],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and any(g is None for g in grads):
        raise RuntimeError(
            f"{op}: expected outputs that depend on all inputs (strict=True), got one that does not"
        )
    return tuple(clew.zeros_like(x) if g is None else g for g, x in zip(grads, inputs, strict=True))


def _finish(values: tuple, single: bool, create_graph: bool) -> Any:
    if not create_graph:
        values = tuple(v.detach() for v in values)
    return values[0] if single else values


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All first derivatives of `func` at `inputs`, one backward for each element of the output.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise when an output does not depend on an input.
        vectorize, strategy: only False and "reverse-mode".
    Returns:
        For one input and one output a tensor of shape (*output.shape, *input.shape); tuples of outputs give
        tuples, and within them tuples of inputs too.
    Example:
        >>> clew.autograd.functional.jacobian(lambda x: x**2, clew.tensor([1.0, 3.0])).tolist()
        [[2.0, 0.0], [0.0, 6.0]]
    """
    _check("jacobian", strategy, vectorize)
    with clew.enable_grad():
        one_input, xs = _inputs("jacobian", inputs, create_graph)
        one_output, ys = _outputs("jacobian", func(*xs))
        table = []
        for y in ys:
            flat = y.reshape(-1)
            rows = []
            for j in range(y.numel()):
                unit = clew.zeros_like(flat.detach())
                unit[j] = 1
                rows.append(_grad("jacobian", (flat,), xs, (unit,), create_graph, strict))
            blocks = []
            for i, x in enumerate(xs):
                shape = (*y.shape, *x.shape)
                block = clew.stack([row[i] for row in rows]) if rows else clew.zeros(shape, dtype=x.dtype)
                blocks.append(block.reshape(shape))
            table.append(_finish(tuple(blocks), one_input, create_graph))
        return table[0] if one_output else tuple(table)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of `func`, which returns one number, at `inputs`.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: a tensor or a tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise when the output does not depend on an input.
        vectorize, outer_jacobian_strategy: only False and "reverse-mode".
    Returns:
        For one input a tensor of shape (*input.shape, *input.shape), else a tuple of tuples of blocks.
    Example:
        >>> clew.autograd.functional.hessian(lambda x: (x**3).sum(), clew.tensor([1.0, 2.0])).tolist()
        [[6.0, 0.0], [0.0, 12.0]]
    """
    _check("hessian", outer_jacobian_strategy, vectorize)
    single = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        one, ys = _outputs("hessian", func(*xs))
        if len(ys) != 1 or ys[0].numel() != 1:
            raise RuntimeError("hessian: expected one number from func, got something else")
        grads = _grad("hessian", (ys[0].reshape(()),), xs, (clew.ones_like(ys[0].reshape(())),), True, strict)
        return grads[0] if single else grads

    return jacobian(gradient, inputs, create_graph=create_graph, strict=strict)


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The product of a vector with the Jacobian.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: as the outputs; None where there is one output of one element.
        create_graph: make the result differentiable.
        strict: raise when the outputs do not depend on an input.
    Returns:
        A pair: the outputs, and the product in the form of the inputs.
    Example:
        >>> y, g = clew.autograd.functional.vjp(lambda x: x**2, clew.tensor([1.0, 3.0]), clew.ones(2))
        >>> g.tolist()
        [2.0, 6.0]
    """
    with clew.enable_grad():
        one_input, xs = _inputs("vjp", inputs, create_graph)
        one_output, ys = _outputs("vjp", func(*xs))
        vs = _vectors("vjp", v, ys, "output")
        grads = _grad("vjp", ys, xs, vs, create_graph, strict)
    return _finish(ys, one_output, create_graph), _finish(grads, one_input, create_graph)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The product of the Jacobian with a vector, by two backwards.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: as the inputs; None where there is one input of one element.
        create_graph: make the result differentiable.
        strict: raise when the outputs do not depend on an input.
    Returns:
        A pair: the outputs, and the product in the form of the outputs.
    Example:
        >>> y, t = clew.autograd.functional.jvp(lambda x: x**2, clew.tensor([1.0, 3.0]), clew.ones(2))
        >>> t.tolist()
        [2.0, 6.0]
    """
    with clew.enable_grad():
        _, xs = _inputs("jvp", inputs, create_graph)
        vs = _vectors("jvp", v, xs, "input")
        one_output, ys = _outputs("jvp", func(*xs))
        # The gradient is linear in these, so its derivative by them is the product that is asked for.
        seeds = tuple(clew.zeros_like(y.detach()).requires_grad_() for y in ys)
        grads = _grad("jvp", ys, xs, seeds, True, strict)
        products = _grad("jvp", grads, seeds, vs, create_graph, False)
    return _finish(ys, one_output, create_graph), _finish(products, one_output, create_graph)


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The product of a vector with the Hessian of `func`, which returns one number.

    Returns:
        A pair: the output, and the product in the form of the inputs.
    Example:
        >>> y, p = clew.autograd.functional.vhp(lambda x: (x**3).sum(), clew.tensor([1.0, 2.0]), clew.ones(2))
        >>> p.tolist()
        [6.0, 12.0]
    """
    with clew.enable_grad():
        one_input, xs = _inputs("vhp", inputs, create_graph)
        vs = _vectors("vhp", v, xs, "input")
        one_output, ys = _outputs("vhp", func(*xs))
        if len(ys) != 1 or ys[0].numel() != 1:
            raise RuntimeError("vhp: expected one number from func, got something else")
        grads = _grad("vhp", ys, xs, (clew.ones_like(ys[0].detach()),), True, strict)
        products = _grad("vhp", grads, xs, vs, create_graph, False)
    return _finish(ys, one_output, create_graph), _finish(products, one_input, create_graph)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The product of the Hessian with a vector; the same as `vhp`, since the Hessian is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("autograd.functional", name)
