"""Limited-memory BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import clew
from clew import Tensor
from clew.optim.optimizer import Optimizer, _check_range

__all__ = ["LBFGS"]


def _cubic_minimum(
    x1: float,
    f1: float,
    g1: float,
    x2: float,
    f2: float,
    g2: float,
    bounds: tuple[float, float] | None = None,
) -> float:
    """The minimum in `bounds` of the cubic with these values and slopes at x1 and x2."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    if x1 <= x2:
        at = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        at = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(at, low), high)


class _Point:
    """A place on the search line: step, loss, gradient, slope along the direction."""

    __slots__ = ("grad", "loss", "slope", "t")

    def __init__(self, t: float, loss: float, grad: Tensor, slope: float) -> None:
        self.t, self.loss, self.grad, self.slope = t, loss, grad, slope


def _strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    direction: Tensor,
    first_step: float,
    start: _Point,
    tolerance_change: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    max_steps: int = 25,
) -> tuple[float, Tensor, float, int]:
    """Looks for a step that fulfils the strong Wolfe conditions: first a bracket, then a zoom into it.

    Returns:
        (loss, gradient, step, number of evaluations).
    """
    scale = float(direction.abs().max())

    def point(t: float) -> _Point:
        loss, grad = evaluate(t)
        return _Point(t, loss, grad, float(grad.dot(direction)))

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    before, here = start, point(first_step)
    evaluations, steps = 1, 0
    bracket: list[_Point] = []
    found = False
    while steps < max_steps:
        if too_high(here) or (steps > 1 and here.loss >= before.loss):
            bracket = [before, here]
            break
        if abs(here.slope) <= -c2 * start.slope:
            bracket, found = [here], True
            break
        if here.slope >= 0:
            bracket = [before, here]
            break
        # Still going down: further out, between a little and ten times the step.
        bounds = (here.t + 0.01 * (here.t - before.t), here.t * 10)
        t = _cubic_minimum(before.t, before.loss, before.slope, here.t, here.loss, here.slope, bounds)
        before, here = here, point(t)
        evaluations += 1
        steps += 1
    if not bracket:
        bracket = [start, here]

    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not found and steps < max_steps:
        if abs(bracket[1].t - bracket[0].t) * scale < tolerance_change:
            break
        a, b = bracket
        t = _cubic_minimum(a.t, a.loss, a.slope, b.t, b.loss, b.slope)
        left, right = min(a.t, b.t), max(a.t, b.t)
        margin = 0.1 * (right - left)
        # A step close to an end is moved inwards when that happens twice or lies outside.
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        here = point(t)
        evaluations += 1
        steps += 1
        if too_high(here) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if abs(here.slope) <= -c2 * start.slope:
                found = True
            elif here.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = here
    best = bracket[low] if len(bracket) > 1 else bracket[0]
    return best.loss, best.grad, best.t, evaluations


class LBFGS(Optimizer):
    """Limited-memory BFGS: a quasi-Newton method, for small problems without noise.

    The product of the inverse Hessian with the gradient is built from the last `history_size` changes of
    gradient and parameters. `step` needs a closure, which it calls several times.

    Args:
        params: tensors; one group only.
        lr: step length; the first one is min(1, 1 / sum |grad|) * lr.
        max_iter: iterations per step.
        max_eval: calls of the closure per step; None means max_iter * 5 / 4.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when loss or parameters change less.
        history_size: how many changes are kept.
        line_search_fn: None, or "strong_wolfe".
    Raises:
        ValueError: several groups, or an unknown line search.
    Reference:
        Nocedal, Wright. Numerical Optimization, chapters 3 and 7. 2006.
    Example:
        >>> p = clew.nn.Parameter(clew.tensor([3.0, -2.0]))
        >>> opt = clew.optim.LBFGS([p], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     opt.zero_grad()
        ...     loss = ((p - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> _ = opt.step(closure)
        >>> [round(v, 4) for v in p.tolist()]
        [1.0, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        _check_range("LBFGS", "lr", lr, 0)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: expected line_search_fn None or 'strong_wolfe', got {line_search_fn!r}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one parameter group, got {len(self.param_groups)}")
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        pieces = [
            clew.zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.detach().reshape(-1)
            for p in self._params
        ]
        return clew.cat(pieces)

    def _move(self, t: float, direction: Tensor) -> None:
        start = 0
        for p in self._params:
            end = start + p.numel()
            p.detach().add_(direction[start:end].reshape(p.shape), alpha=t)
            start = end

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterates up to `max_iter` times.

        Args:
            closure: clears the gradients, computes the loss, calls backward, returns the loss.
        Returns:
            The loss before the step.
        Raises:
            TypeError: no closure.
        """
        if closure is None:
            raise TypeError("LBFGS.step: expected a closure that computes the loss, got None")
        with clew.no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        self._params = group["params"]
        lr, max_iter, max_eval = float(group["lr"]), group["max_iter"], group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]

        def call() -> Any:
            with clew.enable_grad():
                return closure()

        # All state is kept under the first parameter: that is where checkpoints have it.
        state = self._state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = call()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        grad = self._gradient()
        if float(grad.abs().max()) <= tolerance_grad:
            return first_loss

        direction, t = state.get("d"), state.get("t")
        changes, moves, ro = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        scale, previous = state.get("H_diag"), state.get("prev_flat_grad")
        previous_loss = state.get("prev_loss")
        iterations = 0
        while iterations < max_iter:
            iterations += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction, changes, moves, ro, scale = -grad, [], [], [], 1.0
            else:
                y, s = grad - previous, direction * t
                ys = float(y.dot(s))
                if ys > 1e-10:
                    if len(changes) == group["history_size"]:
                        for history in (changes, moves, ro):
                            history.pop(0)
                    changes.append(y)
                    moves.append(s)
                    ro.append(1.0 / ys)
                    scale = ys / float(y.dot(y))
                # The two loops over the history: product of inverse Hessian and gradient.
                q = -grad
                weights = [0.0] * len(changes)
                for i in range(len(changes) - 1, -1, -1):
                    weights[i] = float(moves[i].dot(q)) * float(ro[i])
                    q = q.add(changes[i], alpha=-weights[i])
                direction = q * float(scale)
                for i in range(len(changes)):
                    back = float(changes[i].dot(direction)) * float(ro[i])
                    direction = direction.add(moves[i], alpha=weights[i] - back)
            previous, previous_loss = grad, loss
            t = min(1.0, 1.0 / float(grad.abs().sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(grad.dot(direction))
            if slope > -tolerance_change:
                break
            calls = 0
            if group["line_search_fn"] == "strong_wolfe":
                saved = [p.detach().clone() for p in self._params]

                def evaluate(
                    step: float, saved: list[Tensor] = saved, direction: Tensor = direction
                ) -> tuple[float, Tensor]:
                    self._move(step, direction)
                    value = float(call())
                    gradient = self._gradient()
                    for p, old in zip(self._params, saved, strict=True):
                        p.detach().copy_(old)
                    return value, gradient

                loss, grad, t, calls = _strong_wolfe(
                    evaluate, direction, t, _Point(0.0, loss, grad, slope), tolerance_change
                )
                self._move(t, direction)
                converged = float(grad.abs().max()) <= tolerance_grad
            else:
                self._move(t, direction)
                converged = False
                if iterations != max_iter:
                    # After the last iteration nobody would read the new gradient.
                    loss = float(call())
                    grad = self._gradient()
                    converged = float(grad.abs().max()) <= tolerance_grad
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if iterations == max_iter or evaluations >= max_eval or converged:
                break
            if float((direction * t).abs().max()) <= tolerance_change:
                break
            if abs(loss - previous_loss) < tolerance_change:
                break
        state.update(
            d=direction,
            t=t,
            old_dirs=changes,
            old_stps=moves,
            ro=ro,
            H_diag=scale,
            prev_flat_grad=previous,
            prev_loss=previous_loss,
        )
        return first_loss
