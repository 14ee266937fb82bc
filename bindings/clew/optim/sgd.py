"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import clew
from clew import _C
from clew.optim.optimizer import Optimizer, _check_range, _Plan, _run_closure

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

        g = grad + weight_decay * p
        v = g at the first step, then momentum * v + (1 - dampening) * g
        p = p - lr * v                       (nesterov: p - lr * (g + momentum * v))

    One fused call updates all parameters of a group.

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        momentum: 0 keeps no buffer.
        dampening: see the formula.
        weight_decay: L2 penalty.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: go up the gradient.
        foreach, differentiable, fused: accepted for existing code; True is an error for `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Sutskever, Martens, Dahl, Hinton. On the importance of initialization and momentum. 2013.
    Example:
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> p.grad = clew.ones(1)
        >>> clew.optim.SGD([p], lr=0.5).step()
        >>> p.tolist()
        [0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_range("SGD", "lr", lr, 0)
        _check_range("SGD", "momentum", momentum, 0)
        _check_range("SGD", "weight_decay", weight_decay, 0)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "SGD: expected momentum > 0 and dampening = 0 with nesterov, "
                f"got momentum {momentum} and dampening {dampening}"
            )
        if differentiable:
            raise NotImplementedError("SGD: expected differentiable=False, got True")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _make_plan(self, group: dict[str, Any]) -> _Plan:
        plan = _Plan(group["params"], self._state)
        buffers = []
        if group["momentum"] != 0:
            fresh = []
            for p in plan.params:
                state = self._state[p]
                buffer = state.get("momentum_buffer")
                fresh.append(buffer is None)
                if buffer is None:
                    buffer = state["momentum_buffer"] = clew.zeros_like(p.detach())
                buffers.append(buffer)
            plan.fresh = fresh if any(fresh) else None
        plan.lists = (buffers,)
        return plan

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = _run_closure(closure)
        for group, plan in zip(self.param_groups, self._group_plans(self._make_plan), strict=True):
            momentum = float(group["momentum"])
            if momentum != 0 and len(plan.lists[0]) != len(plan.params):
                plan = self._replan(group)
            _C._sgd_step(
                plan.params,
                plan.lists[0] if momentum != 0 else [],
                plan.fresh,
                float(group["lr"]),
                momentum,
                float(group["dampening"]),
                float(group["weight_decay"]),
                group["nesterov"],
                group["maximize"],
            )
            plan.fresh = None
        return loss

    def _replan(self, group: dict[str, Any]) -> _Plan:
        # Momentum was switched on after the lists had been made without it.
        plan = self._make_plan(group)
        self._plans[self.param_groups.index(group)] = plan
        return plan
