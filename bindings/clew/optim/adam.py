"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import clew
from clew import _C, Tensor
from clew.optim.optimizer import Optimizer, _check_range, _Plan, _run_closure

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps scaled by running moments of the gradient.

        g = grad + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    With `amsgrad` the largest v so far takes the place of v. One fused call updates a whole group.

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: added to the denominator.
        weight_decay: L2 penalty, or with `decoupled_weight_decay` the factor of AdamW.
        amsgrad: see above.
        maximize: go up the gradient.
        decoupled_weight_decay: decay as AdamW does.
        foreach, capturable, differentiable, fused: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Kingma, Ba. Adam: A Method for Stochastic Optimization. 2014. arXiv:1412.6980.
    Example:
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> p.grad = clew.ones(1)
        >>> clew.optim.Adam([p], lr=0.5).step()
        >>> round(p.item(), 4)
        0.5
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        _check_range(name, "lr", lr, 0)
        _check_range(name, "eps", eps, 0)
        if len(betas) != 2:
            raise ValueError(f"{name}: expected betas as two numbers, got {betas}")
        _check_range(name, "betas[0]", betas[0], 0, 1)
        _check_range(name, "betas[1]", betas[1], 0, 1)
        _check_range(name, "weight_decay", weight_decay, 0)
        if differentiable:
            raise NotImplementedError(f"{name}: expected differentiable=False, got True")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _make_plan(self, group: dict[str, Any]) -> _Plan:
        plan = _Plan(group["params"], self._state)
        moments: list[Tensor] = []
        squares: list[Tensor] = []
        largest: list[Tensor] = []
        counts: list[float] = []
        for p in plan.params:
            state = self._state[p]
            if "exp_avg" not in state:
                state["step"] = 0
                state["exp_avg"] = clew.zeros_like(p.detach())
                state["exp_avg_sq"] = clew.zeros_like(p.detach())
            if group["amsgrad"] and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = clew.zeros_like(p.detach())
            moments.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            if group["amsgrad"]:
                largest.append(state["max_exp_avg_sq"])
            counts.append(float(state["step"]))
        plan.lists = (moments, squares, largest)
        # The counts stand in one tensor, of which each parameter's `step` is a view.
        plan.steps = clew.tensor(counts, dtype=clew.float32)
        for p, step in zip(plan.params, plan.steps.unbind(0), strict=True):
            self._state[p]["step"] = step
        return plan

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = _run_closure(closure)
        for group, plan in zip(self.param_groups, self._group_plans(self._make_plan), strict=True):
            if group["amsgrad"] and len(plan.lists[2]) != len(plan.params):
                plan = self._replan(group)
            moments, squares, largest = plan.lists
            beta1, beta2 = group["betas"]
            _C._adam_step(
                plan.params,
                moments,
                squares,
                largest if group["amsgrad"] else [],
                plan.steps,
                float(group["lr"]),
                float(beta1),
                float(beta2),
                float(group["eps"]),
                float(group["weight_decay"]),
                self._decoupled or group.get("decoupled_weight_decay", False),
                group["maximize"],
            )
        return loss

    def _replan(self, group: dict[str, Any]) -> _Plan:
        # amsgrad was switched on after the lists had been made without it.
        plan = self._make_plan(group)
        self._plans[self.param_groups.index(group)] = plan
        return plan


class AdamW(Adam):
    """Adam with decoupled weight decay.

        p = p * (1 - lr * weight_decay), then the step of Adam without its L2 penalty

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: added to the denominator.
        weight_decay: see the formula.
        amsgrad, maximize, foreach, capturable, differentiable, fused: see `Adam`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Loshchilov, Hutter. Decoupled Weight Decay Regularization. 2017. arXiv:1711.05101.
    Example:
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> p.grad = clew.zeros(1)
        >>> clew.optim.AdamW([p], lr=0.5, weight_decay=0.5).step()
        >>> p.tolist()
        [0.75]
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
