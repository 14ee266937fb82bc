"""The loop that optimizers without a fused step share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import clew
from clew import Tensor
from clew.optim.optimizer import Optimizer, _check_range, _run_closure

__all__ = ["PerParameter"]


class PerParameter(Optimizer):
    """Base of optimizers whose step is written in tensor operations, one parameter at a time.

    A subclass defines `_start`, which fills the state of a new parameter, and `_update`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        options: dict[str, Any],
        *,
        foreach: bool | None,
        maximize: bool,
        differentiable: bool,
        capturable: bool = False,
    ) -> None:
        name = type(self).__name__
        _check_range(name, "lr", options["lr"], 0)
        for key in ("eps", "weight_decay", "momentum", "lr_decay", "momentum_decay"):
            if key in options:
                _check_range(name, key, options[key], 0)
        if "betas" in options:
            betas = options["betas"]
            if len(betas) != 2:
                raise ValueError(f"{name}: expected betas as two numbers, got {betas}")
            _check_range(name, "betas[0]", betas[0], 0, 1)
            _check_range(name, "betas[1]", betas[1], 0, 1)
        if differentiable:
            raise NotImplementedError(f"{name}: expected differentiable=False, got True")
        defaults = {
            **options,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError(f"_start: expected {type(self).__name__} to define it, got none")

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError(f"_update: expected {type(self).__name__} to define it, got none")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = _run_closure(closure)
        with clew.no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is None:
                        continue
                    grad = param.grad.detach()
                    # Written through a view without history, so that a leaf accepts it.
                    data = param.detach()
                    state = self._state[param]
                    if not state:
                        state["step"] = clew.zeros(())
                        self._start(state, data, group)
                    state["step"] = state["step"] + 1
                    self._update(data, -grad if group["maximize"] else grad, state, group)
        return loss
