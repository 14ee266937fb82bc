"""Memory for time: parts of a model that are computed again on the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import clew
from clew import Tensor
from clew.autograd import Function

__all__ = ["checkpoint", "checkpoint_sequential"]


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    if isinstance(value, (tuple, list)):
        return type(value)(_detached(item) for item in value)
    if isinstance(value, dict):
        return {key: _detached(item) for key, item in value.items()}
    return value


class _Checkpoint(Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor, run: Callable, args: tuple, kwargs: dict, *tensors: Tensor) -> Any:
        ctx.run, ctx.args, ctx.kwargs = run, args, kwargs
        # The version check of saved tensors catches inputs that are changed meanwhile.
        ctx.save_for_backward(*tensors)
        return run(args, kwargs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        tensors = ctx.saved_tensors
        fresh = [t.detach().requires_grad_(t.requires_grad) for t in tensors]
        replaced = {id(old): new for old, new in zip(tensors, fresh, strict=True)}
        args = tuple(replaced.get(id(a), a) for a in ctx.args)
        with clew.enable_grad():
            outputs = ctx.run(args, _detached(ctx.kwargs), again=True)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g)
            for y, g in zip(outputs, grads, strict=True)
            if isinstance(y, Tensor) and y.requires_grad and g is not None
        ]
        if pairs:
            clew.autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, None, None, *(t.grad if t.requires_grad else None for t in fresh))


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Calls `function(*args, **kwargs)` without keeping what its gradient needs; backward calls it again.

    Gradients reach the arguments and, by `backward()`, every parameter that the function uses.
    `autograd.grad` with respect to such parameters does not see them.

    Args:
        function: any function of tensors, such as a module.
        preserve_rng_state: draw the same random numbers in the second call.
        use_reentrant, determinism_check, debug, early_stop: accepted, without effect.
        context_fn: only None.
    Returns:
        What the function returns, a tensor or a tuple.
    Reference:
        Chen, Xu, Zhang, Guestrin. Training Deep Nets with Sublinear Memory Cost. 2016. arXiv:1604.06174.
    Example:
        >>> x = clew.ones(2, requires_grad=True)
        >>> clew.utils.checkpoint.checkpoint(lambda t: t.exp().log(), x).sum().backward()
        >>> [round(g, 4) for g in x.grad.tolist()]
        [1.0, 1.0]
    """
    if context_fn is not None:
        raise NotImplementedError(
            "checkpoint: expected context_fn=None, got a function (keep or recompute all)"
        )
    if not clew.is_grad_enabled():
        return function(*args, **kwargs)
    state = clew.get_rng_state() if preserve_rng_state else None

    def run(args: tuple, kwargs: dict, again: bool = False) -> Any:
        if not again or state is None:
            return function(*args, **kwargs)
        with clew.random.fork_rng():
            clew.set_rng_state(state)
            return function(*args, **kwargs)

    tensors = [a for a in args if isinstance(a, Tensor)]
    # A leaf of its own, so that the call is recorded also where only parameters ask for gradients.
    anchor = clew.empty(0, requires_grad=True)
    return _Checkpoint.apply(anchor, run, args, kwargs, *tensors)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs a Sequential, or a list of functions, in segments of which all but the last are checkpointed.

    Args:
        functions: each is called with the result of the one before.
        segments: number of pieces.
        input: of the first function.
        use_reentrant: see `checkpoint`.
        kwargs: `preserve_rng_state`.
    Raises:
        ValueError: more segments than functions, or none.
    """
    listed: Sequence[Callable] = list(
        functions.children() if isinstance(functions, clew.nn.Module) else functions
    )
    if not 1 <= segments <= max(1, len(listed)):
        raise ValueError(f"checkpoint_sequential: expected segments in [1, {len(listed)}], got {segments}")
    size = len(listed) // segments

    def piece(start: int, end: int) -> Callable:
        def forward(x: Any) -> Any:
            for f in listed[start:end]:
                x = f(x)
            return x

        return forward

    end = 0
    for i in range(segments - 1):
        input = checkpoint(piece(end, end + size), input, use_reentrant=use_reentrant, **kwargs)
        end = (i + 1) * size
    return piece(end, len(listed))(input)


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("utils.checkpoint", name)
