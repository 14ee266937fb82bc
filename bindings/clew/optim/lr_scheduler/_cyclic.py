"""Schedules that rise and fall, some of them with the momentum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from clew.optim.lr_scheduler._base import (
    LRScheduler,
    _check_optimizer,
    _per_group,
    _restore_functions,
    _saved_functions,
)
from clew.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


def _momentum_key(name: str, optimizer: Optimizer) -> str:
    """The option that plays the part of momentum: "momentum", or "betas" for the first of them."""
    for key in ("betas", "momentum"):
        if key in optimizer.defaults:
            return key
    raise ValueError(
        f"{name}: expected an optimizer with momentum or betas, got {type(optimizer).__name__} "
        "(cycle_momentum=False leaves momentum alone)"
    )


def _get_momentum(group: dict[str, Any], key: str) -> float:
    return float(group["betas"][0] if key == "betas" else group["momentum"])


def _set_momentum(group: dict[str, Any], key: str, value: float) -> None:
    if key == "betas":
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class OneCycleLR(LRScheduler):
    """One rise of lr to `max_lr` and one fall far below the start; momentum the other way round.

    Call `step()` after every batch.

    Args:
        optimizer: whose groups are changed.
        max_lr: the highest rate, one for all groups or one for each.
        total_steps: number of steps; or give `epochs` and `steps_per_epoch`.
        pct_start: part of the steps that the rise takes.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move momentum (or the first beta) between `max_momentum` and `base_momentum`.
        base_momentum, max_momentum: one for all groups or one for each.
        div_factor: initial rate = max_lr / div_factor.
        final_div_factor: last rate = initial rate / final_div_factor.
        three_phase: fall to the initial rate as long as the rise took, then to the last one.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: no number of steps, or an option out of range; from `step`, one step too many.
    Reference:
        Smith, Topin. Super-Convergence. 2017. arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("OneCycleLR", optimizer)
        if total_steps is not None:
            steps = total_steps
        elif epochs is not None and steps_per_epoch is not None:
            steps = epochs * steps_per_epoch
        else:
            raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch, got neither")
        if not isinstance(steps, int) or steps <= 0:
            raise ValueError(f"OneCycleLR: expected a positive int as number of steps, got {steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: expected pct_start in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self.total_steps = steps
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        up = float(pct_start * steps) - 1
        # Each phase: its last step, and between which options of the group rate and momentum move.
        phases = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            phases += [
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            phases.append((steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases = [dict(zip(keys, phase, strict=True)) for phase in phases]
        highest = _per_group("OneCycleLR", "max_lr", optimizer, max_lr)
        self._momentum_key = _momentum_key("OneCycleLR", optimizer) if cycle_momentum else None
        if last_epoch == -1:
            lows = _per_group("OneCycleLR", "base_momentum", optimizer, base_momentum)
            highs = _per_group("OneCycleLR", "max_momentum", optimizer, max_momentum)
            for group, peak, low, high in zip(optimizer.param_groups, highest, lows, highs, strict=True):
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if self._momentum_key is not None:
                    _set_momentum(group, self._momentum_key, high)
                    group["base_momentum"] = low
                    group["max_momentum"] = high
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: expected at most {self.total_steps} steps, got {step}")
        rates = []
        for group in self.optimizer.param_groups:
            start_step = 0.0
            for i, phase in enumerate(self._schedule_phases):
                end_step = phase["end_step"]
                if step <= end_step or i == len(self._schedule_phases) - 1:
                    part = (step - start_step) / (end_step - start_step)
                    rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
                    if self._momentum_key is not None:
                        first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                        _set_momentum(group, self._momentum_key, self._between(first, last, part))
                    break
                start_step = end_step
        return rates


class CyclicLR(LRScheduler):
    """Moves lr up and down between two bounds in straight lines.

    The height of cycle c is 1 ("triangular"), 1 / 2^(c - 1) ("triangular2") or gamma^step ("exp_range").

    Args:
        optimizer: whose groups are changed.
        base_lr, max_lr: the bounds, one for all groups or one for each.
        step_size_up, step_size_down: steps of the rise and of the fall; None means the same.
        mode: see above.
        gamma: for "exp_range".
        scale_fn: the height as a function of your own; `mode` is then not looked at.
        scale_mode: whether it gets the number of the "cycle" or of the step ("iterations").
        cycle_momentum: move momentum (or the first beta) the other way round.
        base_momentum, max_momentum: bounds of momentum.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: an unknown mode, or an optimizer without momentum and `cycle_momentum`.
    Reference:
        Smith. Cyclical Learning Rates for Training Neural Networks. 2015. arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("CyclicLR", optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(
                f"CyclicLR: expected mode 'triangular', 'triangular2' or 'exp_range', got {mode!r}"
            )
        bases = _per_group("CyclicLR", "base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, bases, strict=True):
                group["lr"] = lr
                group["initial_lr"] = lr
        self.max_lrs = _per_group("CyclicLR", "max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        self._scale_fn = scale_fn
        self.scale_mode = (
            scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        )
        self._momentum_key = _momentum_key("CyclicLR", optimizer) if cycle_momentum else None
        if self._momentum_key is not None:
            self.base_momentums = _per_group("CyclicLR", "base_momentum", optimizer, base_momentum)
            self.max_momentums = _per_group("CyclicLR", "max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                for group, low, high in zip(
                    optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
                ):
                    _set_momentum(group, self._momentum_key, high)
                    group["base_momentum"] = low
                    group["max_momentum"] = high
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def scale_fn(self, x: float) -> float:
        """The height at cycle or step `x`."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / (2.0 ** (x - 1)) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self._momentum_key is not None:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, self._momentum_key, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        function = state.pop("_scale_fn")
        state["_scale_fn_custom"] = None if function is None else _saved_functions([function])[0]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        saved = state.pop("_scale_fn_custom", None)
        state.pop("_scale_fn_ref", None)  # what PyTorch keeps in its place
        super().load_state_dict(state)
        if saved is not None and self._scale_fn is not None:
            _restore_functions([self._scale_fn], [saved])


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines from the initial rate down to `eta_min`, each `T_mult` times as long as the one before.

        lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2

    `step(epoch)` takes fractions, for steps within an epoch.

    Args:
        optimizer: whose groups are changed.
        T_0: epochs of the first half wave.
        T_mult: growth of the length, an int of 1 or more.
        eta_min: the lowest rate.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: T_0 or T_mult is no positive int, or a negative epoch.
    Reference:
        Loshchilov, Hutter. SGDR. 2016. arXiv:1608.03983.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for key, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: expected a positive int as {key}, got {value}"
                )
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        wave = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * wave for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Moves on by one epoch, or to the given one, which may be a fraction."""
        self._step_count += 1
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            if epoch < 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: expected epoch >= 0, got {epoch}")
            if epoch < self.T_0:
                self.T_i, self.T_cur = self.T_0, epoch
            elif self.T_mult == 1:
                self.T_i, self.T_cur = self.T_0, epoch % self.T_0
            else:
                ratio = epoch / self.T_0 * (self.T_mult - 1) + 1
                n = int(math.log(ratio, self.T_mult))
                self.T_i = self.T_0 * self.T_mult**n
                self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())
