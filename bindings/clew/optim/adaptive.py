"""Optimizers that scale the step of each element by the history of its gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import clew
from clew import _C, Tensor
from clew.optim._adaptive_base import PerParameter
from clew.optim.optimizer import _check_range

__all__ = ["Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop"]


class RMSprop(PerParameter):
    """RMSprop: divides the gradient by a running root mean square of it.

        g = grad + weight_decay * p
        s = alpha * s + (1 - alpha) * g^2
        p = p - lr * g / (sqrt(s) + eps)

    `centered` takes the square of the running mean of g from s. With momentum the quotient goes into a buffer
    b = momentum * b + g / (sqrt(s) + eps), which then makes the step.

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        alpha: how slowly the mean moves.
        eps: added to the denominator.
        weight_decay: L2 penalty.
        momentum: 0 keeps no buffer.
        centered: see above.
        maximize: go up the gradient.
        capturable, foreach, differentiable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Hinton. Neural Networks for Machine Learning, lecture 6e. 2012.
    Example:
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> p.grad = clew.ones(1)
        >>> clew.optim.RMSprop([p], lr=0.05, alpha=0.75).step()
        >>> round(p.item(), 4)
        0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_range("RMSprop", "alpha", alpha, 0)
        options = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
        }
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["square_avg"] = clew.zeros_like(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = clew.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = clew.zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "RMSprop",
            param,
            grad,
            float(state["step"]),
            (state["square_avg"], state.get("momentum_buffer"), state.get("grad_avg")),
            float(group["lr"]),
            float(group["alpha"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            float(group["momentum"]),
            bool(group["centered"]),
        )


class Adagrad(PerParameter):
    """Adagrad: divides the gradient by the root of the sum of all its squares.

        g = grad + weight_decay * p
        s = s + g^2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        lr_decay: how fast the rate falls with the step t.
        weight_decay: L2 penalty.
        initial_accumulator_value: what s starts from.
        eps: added to the denominator.
        maximize: go up the gradient.
        foreach, differentiable, fused: accepted for existing code; True is an error for `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Duchi, Hazan, Singer. Adaptive Subgradient Methods. 2011.
    Example:
        >>> p = clew.nn.Parameter(clew.ones(1))
        >>> p.grad = clew.full((1,), 2.0)
        >>> clew.optim.Adagrad([p], lr=0.5).step()
        >>> p.item()
        0.5
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_range("Adagrad", "initial_accumulator_value", initial_accumulator_value, 0)
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "fused": fused,
        }
        super().__init__(params, options, foreach=foreach, maximize=maximize, differentiable=differentiable)
        # Here the state is there from the start, for programs that look at it or share it.
        for group in self.param_groups:
            for param in group["params"]:
                state = self._state[param]
                state["step"] = clew.zeros(())
                self._start(state, param.detach(), group)

    def share_memory(self) -> None:
        """Does nothing: the threads of a process share the state as it is."""

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["sum"] = clew.full_like(param, float(group["initial_accumulator_value"]))

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "Adagrad",
            param,
            grad,
            float(state["step"]),
            (state["sum"],),
            float(group["lr"]),
            float(group["lr_decay"]),
            float(group["weight_decay"]),
            float(group["eps"]),
        )


class Adadelta(PerParameter):
    """Adadelta: steps in the unit of the parameter, by the ratio of two running root mean squares.

        g = grad + weight_decay * p
        s = rho * s + (1 - rho) * g^2
        d = sqrt(u + eps) / sqrt(s + eps) * g
        u = rho * u + (1 - rho) * d^2
        p = p - lr * d

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: factor of the step.
        rho: how slowly the means move, in [0, 1].
        eps: added under the roots.
        weight_decay: L2 penalty.
        maximize: go up the gradient.
        foreach, capturable, differentiable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Zeiler. ADADELTA: An Adaptive Learning Rate Method. 2012. arXiv:1212.5701.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Adadelta: expected rho in [0, 1], got {rho}")
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["square_avg"] = clew.zeros_like(param)
        state["acc_delta"] = clew.zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "Adadelta",
            param,
            grad,
            float(state["step"]),
            (state["square_avg"], state["acc_delta"]),
            float(group["lr"]),
            float(group["rho"]),
            float(group["eps"]),
            float(group["weight_decay"]),
        )


class Adamax(PerParameter):
    """Adamax: Adam with the largest magnitude in place of the root mean square.

        g = grad + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1^t) * m / u

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: see the formula.
        weight_decay: L2 penalty.
        maximize: go up the gradient.
        foreach, differentiable, capturable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Kingma, Ba. Adam: A Method for Stochastic Optimization. 2014. arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["exp_avg"] = clew.zeros_like(param)
        state["exp_inf"] = clew.zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "Adamax",
            param,
            grad,
            float(state["step"]),
            (state["exp_avg"], state["exp_inf"]),
            float(group["lr"]),
            *map(float, group["betas"]),
            float(group["eps"]),
            float(group["weight_decay"]),
        )


class NAdam(PerParameter):
    """NAdam: Adam with Nesterov's momentum.

        mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        m and v as in Adam; M = product of mu_1 ... mu_t
        d = sqrt(v / (1 - beta2^t)) + eps
        p = p - lr * ((1 - mu_t) / (1 - M) * g + mu_(t+1) / (1 - M * mu_(t+1)) * m) / d

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: added to the denominator.
        weight_decay: L2 penalty, or the factor of AdamW with `decoupled_weight_decay`.
        momentum_decay: see the formula.
        decoupled_weight_decay: decay as AdamW does.
        maximize: go up the gradient.
        foreach, capturable, differentiable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Dozat. Incorporating Nesterov Momentum into Adam. 2016.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["mu_product"] = clew.ones(())
        state["exp_avg"] = clew.zeros_like(param)
        state["exp_avg_sq"] = clew.zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "NAdam",
            param,
            grad,
            float(state["step"]),
            (state["mu_product"], state["exp_avg"], state["exp_avg_sq"]),
            float(group["lr"]),
            *map(float, group["betas"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            float(group["momentum_decay"]),
            bool(group["decoupled_weight_decay"]),
        )


class RAdam(PerParameter):
    """RAdam: Adam that steps without the denominator until the variance of it is under control.

        r_inf = 2 / (1 - beta2) - 1
        r = r_inf - 2 * t * beta2^t / (1 - beta2^t)
        m and v as in Adam, m' = m / (1 - beta1^t)
        r > 5:  p = p - lr * m' * c * sqrt(1 - beta2^t) / (sqrt(v) + eps)
        else:   p = p - lr * m'

    with c = sqrt((r - 4) * (r - 2) * r_inf / ((r_inf - 4) * (r_inf - 2) * r)).

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: added to the denominator.
        weight_decay: L2 penalty, or the factor of AdamW with `decoupled_weight_decay`.
        decoupled_weight_decay: decay as AdamW does.
        maximize: go up the gradient.
        foreach, capturable, differentiable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Liu et al. On the Variance of the Adaptive Learning Rate and Beyond. 2019. arXiv:1908.03265.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["exp_avg"] = clew.zeros_like(param)
        state["exp_avg_sq"] = clew.zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "RAdam",
            param,
            grad,
            float(state["step"]),
            (state["exp_avg"], state["exp_avg_sq"]),
            float(group["lr"]),
            *map(float, group["betas"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            bool(group["decoupled_weight_decay"]),
        )


class Rprop(PerParameter):
    """Rprop: each element has its own step size, which grows while the sign of its gradient stays.

    The size is multiplied by etas[1] where the sign stayed and by etas[0] where it changed, and kept within
    `step_sizes`; after a change of sign the element rests for one step.

    Args:
        params: tensors, pairs (name, tensor), or dicts with "params" and options.
        lr: first step size.
        etas: (decrease, increase), 0 < decrease < 1 < increase.
        step_sizes: (smallest, largest).
        maximize: go up the gradient.
        capturable, foreach, differentiable: accepted for existing code; True is an error for
            `differentiable`.
    Raises:
        ValueError: an option out of range.
    Reference:
        Riedmiller, Braun. A direct adaptive method for faster backpropagation learning. 1993.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Rprop: expected 0 < etas[0] < 1 < etas[1], got {etas}")
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes}
        super().__init__(
            params,
            options,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["prev"] = clew.zeros_like(param)
        state["step_size"] = clew.full_like(param, float(group["lr"]))

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        _C._adaptive_step(
            "Rprop",
            param,
            grad,
            float(state["step"]),
            (state["prev"], state["step_size"]),
            float(group["lr"]),
            *map(float, group["etas"]),
            *map(float, group["step_sizes"]),
        )
