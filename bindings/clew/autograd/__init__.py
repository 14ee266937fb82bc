"""Walking the tape: backward, grad, custom functions, gradient checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew import _C
from clew.autograd import graph
from clew.autograd.function import Function, once_differentiable
from clew.autograd.grad_mode import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "functional",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]

Tensor = _C.Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """The old spelling of a tensor on the tape: a call gives a leaf that shares memory with `data`.

    Args:
        data: a tensor.
        requires_grad: whether backward accumulates into `.grad`.
        volatile: accepted, without effect.
    Returns:
        A Tensor.
    Example:
        >>> clew.autograd.Variable(clew.ones(2), requires_grad=True).requires_grad
        True
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        if data is None:
            from clew import empty

            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable: expected a Tensor, got {type(data).__name__} (argument 'data')")
        return data.detach().requires_grad_(requires_grad)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None) -> None:
    """Adds the gradient of the sum of `tensors` into the `.grad` of every leaf behind them.

    Args:
        tensors: a tensor or a sequence of tensors.
        grad_tensors: one gradient per tensor, of its shape; None means 1 for one-element tensors.
        retain_graph: keep the graph for a second backward; default `create_graph`.
        create_graph: record the backward itself.
        inputs: only these leaves get gradients.
    Raises:
        clew.AutogradError: a tensor without history, or a graph that was freed.
    Example:
        >>> x = clew.tensor([3.0], requires_grad=True)
        >>> clew.autograd.backward(x * x)
        >>> x.grad.tolist()
        [6.0]
    """
    _C._backward(
        tensors, grad_tensors, create_graph if retain_graph is None else retain_graph, create_graph, inputs
    )


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """Returns the gradients of `outputs` with respect to `inputs`; `.grad` stays as it is.

    Args:
        outputs, inputs: tensors or sequences of tensors.
        grad_outputs: one gradient per output; None means 1 for one-element outputs.
        retain_graph: keep the graph for a second backward; default `create_graph`.
        create_graph: record the backward itself, for higher derivatives.
        only_inputs: accepted for existing code when it is True.
        allow_unused: give None for inputs that the outputs do not depend on.
        materialize_grads: give zeros for them.
    Returns:
        One tensor (or None) per input.
    Raises:
        clew.AutogradError: an input was not used, or requires no grad.
    Example:
        >>> x = clew.tensor(2.0, requires_grad=True)
        >>> (g,) = clew.autograd.grad(x**3, x, create_graph=True)
        >>> clew.autograd.grad(g, x)[0].item()
        12.0
    """
    if not only_inputs:
        raise ValueError("grad: expected only_inputs=True, got False (use backward for all leaves)")
    if is_grads_batched:
        raise NotImplementedError("grad: expected is_grads_batched=False, got True (call grad once per row)")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: expected allow_unused to be unset or True with materialize_grads, got False")
    single = isinstance(inputs, Tensor)
    wanted = (inputs,) if single else tuple(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    result = _C._grad(
        outputs, wanted, grad_outputs, keep, create_graph, bool(allow_unused or materialize_grads)
    )
    if materialize_grads:
        from clew import zeros_like

        result = tuple(zeros_like(x) if g is None else g for g, x in zip(result, wanted, strict=True))
    return result


def _check(second, fn, inputs, eps, atol, rtol, raise_exception, seed) -> bool:
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor)]
    tensors = [inputs[i] for i in places]

    def call(*xs):
        args = list(inputs)
        for i, x in zip(places, xs, strict=True):
            args[i] = x
        out = fn(*args)
        return [out] if isinstance(out, Tensor) else [t for t in out if isinstance(t, Tensor)]

    message = _C._gradcheck(call, tensors, eps, atol, rtol, second, seed)
    if message and raise_exception:
        raise GradcheckError(message)
    return not message


class GradcheckError(RuntimeError):
    """Analytic and numerical gradients differ."""


def gradcheck(
    func,
    inputs: Sequence[Tensor] | Tensor,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    seed: int = 0,
    **_ignored,
) -> bool:
    """Compares backward with central differences, along a random cotangent.

    Args:
        func: function of tensors that returns a tensor or several.
        inputs: its arguments; float64 tensors that require grad are checked.
        eps: step of the finite difference.
        atol, rtol: tolerances against the numerical gradient.
        raise_exception: raise on a difference instead of returning False.
        seed: of the cotangent.
    Returns:
        True when all gradients agree.
    Raises:
        GradcheckError: names the input, the element and both values.
    Example:
        >>> x = clew.rand(3, dtype=clew.float64, requires_grad=True)
        >>> clew.autograd.gradcheck(clew.tanh, x)
        True
    """
    return _check(False, func, inputs, eps, atol, rtol, raise_exception, seed)


def gradgradcheck(
    func,
    inputs: Sequence[Tensor] | Tensor,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    seed: int = 0,
    **_ignored,
) -> bool:
    """As `gradcheck`, and then the same for the gradient itself: second derivatives."""
    return _check(True, func, inputs, eps, atol, rtol, raise_exception, seed)


def __getattr__(name: str) -> Any:
    if name in ("functional", "profiler"):
        import importlib

        return importlib.import_module(f"clew.autograd.{name}")
    from clew._missing import missing

    raise missing("autograd", name)
