"""Custom differentiable functions in Python."""

from __future__ import annotations

from typing import Any

from clew import _C

__all__ = ["Function", "FunctionContext", "once_differentiable"]

Tensor = _C.Tensor


class FunctionContext:
    """What `forward` hands to `backward`. Attributes of your own may be set on it."""

    def __init__(self) -> None:
        self._to_save: tuple = ()
        self._saved: tuple | None = None
        self._dirty: tuple = ()
        self._non_differentiable: tuple = ()
        self._materialize = True
        self._node: Any = None  # set while backward runs
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs or outputs for backward; their versions are checked when they are read."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward: expected tensors or None, got {type(t).__name__} (set "
                    f"it as an attribute of ctx)"
                )
        self._to_save = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Names inputs that forward wrote in place; each must be among the outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Names outputs that get no gradient."""
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
        if self._saved is None:
            raise _C.AutogradError(
                f"{type(self).__name__}: expected saved tensors, but an earlier backward through "
                f"this graph freed them "
                "(pass retain_graph=True to the first backward if a second one follows)"
            )
        out = []
        for t, version, output in self._saved:
            if t is None:
                out.append(None)
                continue
            if t._version != version:
                line = self._node.forward_line if self._node is not None else ""
                line = f"\nsaved by: {line}" if line else ""
                raise _C.AutogradError(
                    f"{type(self).__name__}: expected a saved tensor of shape {tuple(t.shape)} "
                    f"at version {version}, "
                    f"got version {t._version} (an in-place op changed it after it was saved; "
                    f"clone() it first){line}"
                )
            out.append(self._outputs_by_index(output) if output is not None else t)
        return tuple(out)

    # What the tape calls -------------------------------------------------------------------------

    def _outputs_by_index(self, i: int) -> Tensor:
        # A saved output was kept without history, so that the node does not own itself.
        t = self._saved_outputs[i].detach()
        return _C._set_history(t, self._node, i) if self._output_differentiable[i] else t

    def _finish_saving(self, outputs: tuple) -> None:
        saved = []
        self._saved_outputs = {}
        for t in self._to_save:
            if t is None:
                saved.append((None, 0, None))
                continue
            index = next((i for i, o in enumerate(outputs) if o is t), None)
            if index is not None and not any(t is d for d in self._dirty):
                self._saved_outputs[index] = t.detach()
                saved.append((self._saved_outputs[index], t._version, index))
            else:
                saved.append((t, t._version, None))
        self._saved = tuple(saved)
        self._to_save = ()

    def _release(self) -> None:
        self._saved = None
        self._saved_outputs = {}

    def _run_backward(self, *grads: Tensor | None) -> tuple:
        if self._materialize:
            from clew import zeros

            grads = tuple(
                zeros(meta[0], dtype=meta[1]) if g is None and meta is not None else g
                for g, meta in zip(grads, self._output_meta, strict=True)
            )
        function = self._function
        result = function.backward(self, *grads)
        if not isinstance(result, tuple):
            result = tuple(result) if isinstance(result, list) else (result,)
        n = len(self._input_is_tensor)
        if len(result) > n and all(r is None for r in result[n:]):
            result = result[:n]
        if len(result) != n:
            raise _C.AutogradError(
                f"{function.__name__}.backward: expected {n} gradients, one per input of "
                f"forward, got {len(result)}"
            )
        out = []
        for i, (g, is_tensor) in enumerate(zip(result, self._input_is_tensor, strict=True)):
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(
                    f"{function.__name__}.backward: expected a tensor or None as gradient {i}, "
                    f"got {type(g).__name__}"
                )
            if g is not None and not is_tensor:
                raise _C.AutogradError(
                    f"{function.__name__}.backward: expected None as gradient {i}, whose input "
                    f"is no tensor, got a tensor"
                )
            out.append(g)
        return tuple(out)


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
    def apply(cls, *args: Any) -> Any:
        """Runs forward and records the function on the tape."""
        if cls.__dict__.get("_context_class") is None:
            # The context is the tape's node: it carries the function's name.
            cls._context_class = type(f"{cls.__name__}Backward", (FunctionContext,), {})
        ctx = cls._context_class()
        grad_enabled = _C.is_grad_enabled()
        is_tensor = tuple(isinstance(a, Tensor) for a in args)
        ctx.needs_input_grad = tuple(t and a.requires_grad for a, t in zip(args, is_tensor, strict=True))
        recording = grad_enabled and any(ctx.needs_input_grad)
        _C._set_grad_enabled(False)
        try:
            if cls.setup_context is not Function.setup_context:
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
        if not recording:
            return output
        dirty = [any(o is d for d in ctx._dirty) for o in outputs]
        # An input that is handed back untouched becomes a tensor of its own.
        outputs = tuple(
            o.detach() if isinstance(o, Tensor) and not d and any(o is a for a in args) else o
            for o, d in zip(outputs, dirty, strict=True)
        )
        frozen = [any(o is d for d in ctx._non_differentiable) for o in outputs]
        ctx._function = cls
        ctx._input_is_tensor = is_tensor
        ctx._output_meta = [(tuple(o.shape), o.dtype) if isinstance(o, Tensor) else None for o in outputs]
        ctx._output_differentiable = [
            isinstance(o, Tensor) and o.is_floating_point() and not f
            for o, f in zip(outputs, frozen, strict=True)
        ]
        tracked = [o if d else None for o, d in zip(outputs, ctx._output_differentiable, strict=True)]
        _C._attach_function(f"{cls.__name__}Backward", ctx, list(args), tracked, dirty)
        ctx._finish_saving(outputs)
        return outputs[0] if single else outputs


def once_differentiable(backward: Any) -> Any:
    """Marks a backward whose own gradient is not defined: a second derivative through it raises."""
    import functools

    @functools.wraps(backward)
    def run(ctx, *grads):
        recording = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            result = backward(ctx, *grads)
        finally:
            _C._set_grad_enabled(recording)
        if not recording:
            return result
        single = not isinstance(result, tuple)
        return tuple(
            _Once.apply(g, ctx._function.__name__) if isinstance(g, Tensor) else g
            for g in ((result,) if single else result)
        )

    return run


class _Once(Function):
    @staticmethod
    def forward(ctx, g, name):
        ctx.name = name
        return g.requires_grad_() if g.is_leaf else g

    @staticmethod
    def backward(ctx, g):
        raise _C.AutogradError(
            f"{ctx.name}: expected one derivative, its backward is marked once_differentiable"
        )
