"""Operators of one's own: called, traced and differentiated like the built-in ones."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import clew
from clew import Tensor

__all__ = [
    "CustomOpDef",
    "custom_op",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_vmap",
]

# Ops by their full name, "namespace::name".
_OPS: dict[str, CustomOpDef] = {}
_PLAIN = (int, float, bool, str, clew.dtype, clew.device)


def _schema_type(annotation: Any) -> str:
    """The word of a schema for a type, or an empty string for types that an op cannot take."""
    words = {int: "SymInt", float: "float", bool: "bool", str: "str", Tensor: "Tensor"}
    words |= {clew.dtype: "ScalarType", clew.device: "Device"}
    if annotation in words:
        return words[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        rest = [a for a in args if a is not type(None)]
        if len(rest) == 1 and len(args) == 2:
            word = _schema_type(rest[0])
            return f"{word}?" if word else ""
        return "Scalar" if set(rest) <= {int, float, bool} and len(rest) == len(args) else ""
    if origin in (list, Sequence) and len(args) == 1:
        word = _schema_type(args[0])
        return f"{word}[]" if word else ""
    return ""


def _infer_schema(name: str, function: Callable, mutates: set[str]) -> str:
    """The signature as text; raises where the annotations do not say it."""
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters
    unknown = mutates - set(parameters)
    if unknown:
        raise ValueError(
            f"custom_op {name}: expected names of parameters in mutates_args, got {sorted(unknown)}"
        )
    parts, keyword_only = [], False
    for key, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(f"custom_op {name}: expected named parameters only, got *{key}")
        word = _schema_type(hints.get(key))
        if not word:
            raise ValueError(
                f"custom_op {name}: expected a type for parameter {key!r} among Tensor, int, float, bool, "
                f"str, dtype, device, their Optionals and Sequences, got {hints.get(key, 'none')}"
            )
        if key in mutates:
            if not word.startswith("Tensor"):
                raise ValueError(f"custom_op {name}: expected tensors in mutates_args, got {key!r} ({word})")
            word = word.replace("Tensor", f"Tensor(a{len(parts)}!)", 1)
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        parts.append(f"{word} {key}{default}")
    if "return" not in hints:
        raise ValueError(f"custom_op {name}: expected a type of the result, got none (-> Tensor, or -> None)")
    result = hints["return"]
    if result is type(None):
        returns = "()"
    elif typing.get_origin(result) is tuple:
        returns = f"({', '.join(_schema_type(a) for a in typing.get_args(result))})"
    else:
        returns = _schema_type(result)
    if not returns:
        raise ValueError(f"custom_op {name}: expected Tensor, tuple, list or None as result, got {result}")
    return f"({', '.join(parts)}) -> {returns}"


def _tensors_in(values: Iterable[Any]) -> list[Tensor]:
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [item for item in value if isinstance(item, Tensor)]
    return found


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach() if value.requires_grad else value
    if isinstance(value, (list, tuple)):
        return type(value)(_detached(item) for item in value)
    return value


class _Context:
    """What `setup_context` and `backward` are given: the tape's context, with inputs as they were passed."""

    def __init__(self, inner: Any, op: CustomOpDef) -> None:
        self.__dict__["_inner"] = inner
        self.__dict__["_op"] = op

    @property
    def needs_input_grad(self) -> tuple:
        return self._op._join(self._inner.layout, [bool(n) for n in self._inner.needs_input_grad[2:]])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)


class CustomOpDef:
    """An operator made by `custom_op`; call it, or reach it as `clew.ops.<namespace>.<name>`."""

    def __init__(
        self, name: str, function: Callable, mutates: set[str], device_types: Any, schema: str | None
    ) -> None:
        namespace, _, short = name.partition("::")
        if not namespace.isidentifier() or not short.isidentifier():
            raise ValueError(f"custom_op: expected a name 'namespace::name', got {name!r}")
        self._qualname, self._name, self._namespace = name, short, namespace
        self._schema = f"{name}{schema or _infer_schema(name, function, mutates)}"
        self._signature = inspect.signature(function)
        self._mutates = mutates
        self._kernels: dict[str | None, Callable] = {}
        self._fake: Callable | None = None
        self._backward: Callable | None = None
        self._setup_context: Callable | None = None
        self._vmap: Callable | None = None
        self._function_class: Any = None
        self.__name__ = self.__qualname__ = short
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.register_kernel(device_types)(function)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    # -- registering -----------------------------------------------------------------------------

    def register_kernel(
        self, device_types: str | Sequence[str] | None, func: Callable | None = None, /
    ) -> Any:
        """Sets the implementation for the given device types ("cpu", "cuda"); None means all others.

        Args:
            device_types: one, several, or None.
            func: the implementation; None returns a decorator.
        """

        kinds = [device_types] if isinstance(device_types, str) or device_types is None else device_types
        for kind in kinds:
            if kind not in (None, "cpu", "cuda"):
                raise ValueError(f"{self._qualname}: expected device type 'cpu' or 'cuda', got {kind!r}")

        def register(function: Callable) -> Callable:
            self._kernels.update(dict.fromkeys(kinds, function))
            return function

        return register if func is None else register(func)

    def register_fake(self, func: Callable | None = None, /) -> Any:
        """Sets the function that makes results of the right shape and dtype on the meta device."""

        def register(function: Callable) -> Callable:
            self._fake = function
            return function

        return register if func is None else register(func)

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Sets the gradient.

        Args:
            backward: (ctx, *grads) -> one gradient for each input, None where there is none.
            setup_context: (ctx, inputs, output) -> None; saves what `backward` reads.
        Raises:
            RuntimeError: the op changes its inputs.
        """
        if self._mutates:
            raise RuntimeError(
                f"{self._qualname}: expected an op without mutates_args, got {sorted(self._mutates)}"
            )
        self._backward, self._setup_context = backward, setup_context
        self._function_class = self._make_function()

    def register_vmap(self, func: Callable | None = None, /) -> Any:
        """Keeps a rule for `vmap`: (info, in_dims, *args) -> (output, out_dims)."""

        def register(function: Callable) -> Callable:
            self._vmap = function
            return function

        return register if func is None else register(func)

    # -- calling ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._qualname}: {error} (signature {self._schema})") from None
        bound.apply_defaults()
        values = list(bound.arguments.values())
        with clew.profiler.record_function(self._qualname):
            tensors = _tensors_in(values)
            recorded = clew.is_grad_enabled() and any(t.requires_grad for t in tensors)
            if not recorded or self._mutates:
                return self._run(values)
            if self._function_class is None:
                return self._without_gradient(values)
            flat, layout = self._split(values)
            return self._function_class.apply(layout, values, *flat)

    def _run(self, values: list[Any]) -> Any:
        tensors = _tensors_in(values)
        if any(t.is_meta for t in tensors):
            if self._fake is None:
                raise NotImplementedError(
                    f"{self._qualname}: expected register_fake for tensors of the meta device, got none"
                )
            return self._call(self._fake, values)
        device = tensors[0].device.type if tensors else "cpu"
        kernel = self._kernels.get(device) or self._kernels.get(None)
        if kernel is None:
            raise NotImplementedError(f"{self._qualname}: expected a kernel for device {device!r}, got none")
        versions = [(t, t._version) for t in self._unchanging(values)]
        result = self._call(kernel, values)
        for t, version in versions:
            if t._version != version:
                raise RuntimeError(
                    f"{self._qualname}: expected inputs that stay as they are, got one of shape "
                    f"{tuple(t.shape)} that was changed (name it in mutates_args)"
                )
        for out in _tensors_in(result if isinstance(result, (tuple, list)) else [result]):
            if any(
                out is t or (t.numel() and out.data_ptr() == t.data_ptr()) for t in tensors if out.numel()
            ):
                raise RuntimeError(
                    f"{self._qualname}: expected a result of its own, got an input or a view (clone it)"
                )
        return result

    def _call(self, function: Callable, values: list[Any]) -> Any:
        # The function computes values only; the tape is our concern.
        named = {
            key: value if key in self._mutates else _detached(value)
            for key, value in zip(self._signature.parameters, values, strict=True)
        }
        arguments = inspect.BoundArguments(self._signature, named)
        with clew.no_grad():
            return function(*arguments.args, **arguments.kwargs)

    def _unchanging(self, values: list[Any]) -> list[Tensor]:
        named = zip(self._signature.parameters, values, strict=True)
        return _tensors_in(value for key, value in named if key not in self._mutates)

    def _without_gradient(self, values: list[Any]) -> Any:
        """The result, whose backward raises: a history that ends in silence would train on nothing."""
        op = self

        class NoGradient(clew.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Tensor) -> Any:
                return op._run(values)

            @staticmethod
            def backward(ctx: Any, *grads: Tensor) -> Any:
                raise RuntimeError(f"{op._qualname}: expected register_autograd before a backward, got none")

        NoGradient.__name__ = self._name
        return NoGradient.apply(*_tensors_in(values))

    # Tensors within lists are inputs of their own on the tape, and are put together again for the formula.
    @staticmethod
    def _split(values: list[Any]) -> tuple[list[Any], list[int | None]]:
        flat: list[Any] = []
        layout: list[int | None] = []
        for value in values:
            if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
                layout.append(len(value))
                flat += value
            else:
                layout.append(None)
                flat.append(value)
        return flat, layout

    @staticmethod
    def _join(layout: list[int | None], flat: list[Any]) -> tuple:
        joined: list[Any] = []
        at = 0
        for count in layout:
            if count is None:
                joined.append(flat[at])
                at += 1
            else:
                joined.append(list(flat[at : at + count]))
                at += count
        return tuple(joined)

    def _make_function(self) -> Any:
        op = self

        class Op(clew.autograd.Function):
            @staticmethod
            def forward(ctx: Any, layout: list, values: list, *flat: Any) -> Any:
                ctx.layout = layout
                output = op._run(values)
                if op._setup_context is not None:
                    inputs = op._join(layout, list(flat))
                    if any(p.kind is p.KEYWORD_ONLY for p in op._signature.parameters.values()):
                        names = list(op._signature.parameters.items())
                        keywords = {
                            key: v
                            for (key, p), v in zip(names, inputs, strict=True)
                            if p.kind is p.KEYWORD_ONLY
                        }
                        inputs = inputs[: len(inputs) - len(keywords)]
                        op._setup_context(
                            _Context(ctx, op), inputs=inputs, keyword_only_inputs=keywords, output=output
                        )
                    else:
                        op._setup_context(_Context(ctx, op), inputs, output)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                result = op._backward(_Context(ctx, op), *grads)
                result = result if isinstance(result, tuple) else (result,)
                if len(result) != len(ctx.layout):
                    raise RuntimeError(
                        f"{op._qualname}: expected {len(ctx.layout)} gradients, one for each input, "
                        f"got {len(result)}"
                    )
                flat: list[Any] = [None, None]
                for count, grad in zip(ctx.layout, result, strict=True):
                    if count is None:
                        flat.append(grad)
                    else:
                        flat += [None] * count if grad is None else list(grad)
                return tuple(flat)

        Op.__name__ = self._name
        return Op


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Makes an operator of a Python function.

    The operator checks that inputs stay as they are and that the result is no input, shows in profiles by its
    name, and is found as `clew.ops.<namespace>.<name>`. Its gradient comes from `register_autograd`.

    Args:
        name: "namespace::name".
        fn: a function whose parameters and result have types; None returns a decorator.
        mutates_args: names of the tensors that the function changes; "unknown" means any.
        device_types: where `fn` runs; None means everywhere.
        schema: the signature as text, for functions without types.
        tags: accepted, without effect.
    Returns:
        CustomOpDef, with `register_fake`, `register_autograd`, `register_kernel`, `register_vmap`.
    Raises:
        ValueError: a name without namespace, a parameter without type, a wrong name in `mutates_args`.
    Example:
        >>> @clew.library.custom_op("example::twice", mutates_args=())
        ... def twice(x: clew.Tensor) -> clew.Tensor:
        ...     return x * 2
        >>> twice.register_autograd(lambda ctx, g: g * 2)
        >>> x = clew.ones(2, requires_grad=True)
        >>> clew.ops.example.twice(x).sum().backward()
        >>> x.grad.tolist()
        [2.0, 2.0]
    """

    def make(function: Callable) -> CustomOpDef:
        names = {mutates_args} if isinstance(mutates_args, str) else set(mutates_args)
        if mutates_args == "unknown":
            names = {
                key
                for key, hint in typing.get_type_hints(function).items()
                if key != "return" and "Tensor" in _schema_type(hint)
            }
        op = CustomOpDef(name, function, names, device_types, schema)
        _OPS[name] = op
        clew.ops._add(op._namespace, op._name, op)
        return op

    return make if fn is None else make(fn)


def _find(op: str | CustomOpDef) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPS:
        raise ValueError(f"library: expected the name of a custom op, got {op!r} (known: {sorted(_OPS)})")
    return _OPS[op]


def register_fake(op: str | CustomOpDef, func: Callable | None = None, /, **_ignored: Any) -> Any:
    """`CustomOpDef.register_fake` of the op with this name."""
    return _find(op).register_fake(func)


def register_kernel(
    op: str | CustomOpDef, device_types: Any, func: Callable | None = None, /, **_: Any
) -> Any:
    """`CustomOpDef.register_kernel` of the op with this name."""
    return _find(op).register_kernel(device_types, func)


def register_autograd(
    op: str | CustomOpDef, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:
    """`CustomOpDef.register_autograd` of the op with this name."""
    _find(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: str | CustomOpDef, func: Callable | None = None, /, **_ignored: Any) -> Any:
    """`CustomOpDef.register_vmap` of the op with this name."""
    return _find(op).register_vmap(func)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("library", name)
