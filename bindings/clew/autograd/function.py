"""Custom differentiable functions in Python."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from clew import _C

__all__ = ["Function", "FunctionContext", "once_differentiable"]

Tensor = _C.Tensor


class FunctionContext:
    """What `forward` hands to `backward`. Attributes of your own may be set on it.

    A tensor that is set as an attribute, alone or in a tuple, is compared with its version when backward
    reads it; `save_for_backward` also frees it with the graph.
    """

    def __init__(self) -> None:
        self._to_save: tuple = ()
        self._dirty: tuple = ()
        self._non_differentiable: tuple = ()
        self._materialize = True
        self._kept: dict[str, tuple] = {}
        self._node: Any = None  # set while backward runs
        self._argument_count = 0
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs or outputs for backward; their versions are checked when they are read.

        Raises:
            TypeError: something that is neither a tensor nor None.
        """
        _check_tensors("save_for_backward", tensors, optional=True)
        self._to_save = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Names inputs that forward wrote in place; each must be among the outputs."""
        _check_tensors("mark_dirty", tensors)
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Names outputs that get no gradient."""
        _check_tensors("mark_non_differentiable", tensors)
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for outputs without gradient."""
        self._materialize = bool(value)

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to save_for_backward.

        Raises:
            clew.AutogradError: an earlier backward freed them, or one was changed in place since.
        """
        return tuple(self._saved()[: self._saved_count])

    def __getattr__(self, name: str) -> Any:
        # Reached for what forward set and _keep took over: tensors.
        kept = self.__dict__.get("_kept", {}).get(name)
        if kept is None:
            raise AttributeError(
                f"{type(self).__name__}: expected an attribute that forward set, got {name!r}"
            )
        value, versions, output = kept
        if output is not None:
            return self._saved()[output]
        for t, version in versions:
            if t._version != version:
                line = self._node.forward_line if self._node is not None else ""
                raise _C.AutogradError(
                    f"{type(self).__name__}: expected ctx.{name} as forward left it, a tensor of shape "
                    f"{tuple(t.shape)} at version {version}, got version {t._version} (an in-place op "
                    f"changed it; clone() it first)" + (f"\nkept by: {line}" if line else "")
                )
        return value

    # What the tape calls -------------------------------------------------------------------------

    def _saved(self) -> list:
        if self._node is None:
            raise _C.AutogradError(
                f"{type(self).__name__}: expected saved tensors to be read in backward, got a context that "
                f"is not on its way back"
            )
        return self._node._saved_tensors

    def _keep(self, outputs: tuple) -> None:
        """Takes over the attributes that hold tensors, so that reading them can check their versions."""
        self._saved_count = len(self._to_save)
        for name, value in list(self.__dict__.items()):
            if name.startswith("_") or not (isinstance(value, Tensor) or type(value) is tuple):
                continue
            tensors = _tensors_in(value)
            if not tensors:
                continue
            del self.__dict__[name]
            output = None
            if any(value is o for o in outputs):
                # Held here, it would own the node that owns this context.
                output = len(self._to_save)
                self._to_save = (*self._to_save, value)
                value = None
            self._kept[name] = (value, [(t, t._version) for t in tensors] if output is None else [], output)

    def _argument_name(self, i: int) -> str:
        """How messages call argument `i` of forward: its name, with an index in *args."""
        skip = 0 if self._function._has_setup_context() else 1
        parameters = list(inspect.signature(self._function.forward).parameters.values())[skip:]
        named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if i < len(named):
            return repr(named[i].name)
        rest = next(p.name for p in parameters if p.kind is p.VAR_POSITIONAL)
        return repr(f"{rest}[{i - len(named)}]")

    def _run_backward(self, *grads: Tensor | None) -> Any:
        return self._function.backward(self, *grads)


def _check_tensors(what: str, tensors: tuple, optional: bool = False) -> None:
    for t in tensors:
        if not isinstance(t, Tensor) and not (optional and t is None):
            raise TypeError(
                f"{what}: expected tensors{' or None' if optional else ''}, got {type(t).__name__}"
                + (" (set it as an attribute of ctx)" if optional else "")
            )


def _tensors_in(value: Any) -> list:
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _tensors_in(v)] if type(value) is tuple else []


class Function:
    """A differentiable function with a backward of your own.

    Write `forward(ctx, *args)` and `backward(ctx, *grad_outputs)` as static methods and call `apply(*args)`.
    With a `setup_context(ctx, inputs, output)` static method, `forward` takes no ctx.

    Example:
        >>> class Double(clew.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return g * 2
        >>> x = clew.ones(1, requires_grad=True)
        >>> Double.apply(x).backward()
        >>> x.grad.tolist()
        [2.0]
    """

    _context_class: type[FunctionContext] | None = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs; ops in here are not recorded."""
        raise NotImplementedError("Function.forward: expected a subclass to define it")

    @staticmethod
    def backward(ctx: FunctionContext, *grad_outputs: Tensor | None) -> Any:
        """Returns one gradient per input of forward, None where there is none."""
        raise NotImplementedError("Function.backward: expected a subclass to define it")

    @staticmethod
    def setup_context(ctx: FunctionContext, inputs: tuple, output: Any) -> None:
        """Saves what backward needs, where forward takes no ctx."""
        raise NotImplementedError("Function.setup_context: expected a subclass to define it")

    @classmethod
    def _has_setup_context(cls) -> bool:
        return cls.setup_context is not Function.setup_context

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Runs forward and records the function on the tape.

        Args:
            args: what forward takes: tensors, which may get gradients, and anything else.
        Returns:
            What forward returns: a tensor, or a tuple that may hold other things beside tensors.
        Raises:
            TypeError: forward returned no tensor.
            ValueError: mark_dirty named a tensor that is no argument, or is not returned.
            clew.AutogradError: forward wrote in place into a leaf that requires grad.
        """
        if cls.__dict__.get("_context_class") is None:
            # The context is the tape's node: it carries the function's name.
            cls._context_class = type(f"{cls.__name__}Backward", (FunctionContext,), {})
        ctx = cls._context_class()
        grad_enabled = _C.is_grad_enabled()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        _C._set_grad_enabled(False)
        try:
            if cls._has_setup_context():
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            _C._set_grad_enabled(grad_enabled)
        single = not isinstance(output, tuple)
        outputs = (output,) if single else output
        if not any(isinstance(o, Tensor) for o in outputs):
            raise TypeError(
                f"{cls.__name__}.forward: expected a tensor or a tuple with tensors, got "
                f"{type(output).__name__}"
            )
        if not (grad_enabled and any(ctx.needs_input_grad)):
            return output
        ctx._function = cls
        ctx._argument_count = len(args)
        ctx._keep(outputs)
        once = getattr(cls.backward, "once_differentiable", False)
        outputs = _C._attach_function(cls.__name__, ctx, args, outputs, once)
        ctx._to_save = ctx._dirty = ctx._non_differentiable = ()
        return outputs[0] if single else outputs


def once_differentiable(backward: Callable) -> Callable:
    """Marks a backward whose own gradient is not defined: a second derivative through it raises.

    Raises:
        clew.AutogradError: on the way back through the marked backward.
    Example:
        >>> class Square(clew.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     @clew.autograd.function.once_differentiable
        ...     def backward(ctx, g):
        ...         return 2 * g * ctx.saved_tensors[0]
        >>> x = clew.tensor([3.0], requires_grad=True)
        >>> clew.autograd.grad(Square.apply(x), x)[0].tolist()
        [6.0]
    """

    @functools.wraps(backward)
    def run(ctx: FunctionContext, *grads: Tensor | None) -> Any:
        return backward(ctx, *grads)

    run.once_differentiable = True
    return run
