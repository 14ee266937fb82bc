"""Schedules that multiply the rate by a factor of the epoch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from clew.optim.lr_scheduler._base import (
    LRScheduler,
    _check_optimizer,
    _per_group,
    _restore_functions,
    _saved_functions,
)
from clew.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


class LambdaLR(LRScheduler):
    """Sets lr = initial_lr * f(epoch).

    Args:
        optimizer: whose groups are changed.
        lr_lambda: one function of the epoch, or one for each group.
        last_epoch: see `LRScheduler`.
    Example:
        >>> opt = clew.optim.SGD([clew.nn.Parameter(clew.ones(1))], lr=1.0)
        >>> schedule = clew.optim.lr_scheduler.LambdaLR(opt, lambda epoch: 0.5 ** epoch)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(type(self).__name__, optimizer)
        self.lr_lambdas = _per_group(type(self).__name__, "functions", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            lr * function(self.last_epoch)
            for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": _saved_functions(self.lr_lambdas)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        saved = state.pop("lr_lambdas", None)
        super().load_state_dict(state)
        if saved is not None:
            _restore_functions(self.lr_lambdas, saved)


class MultiplicativeLR(LambdaLR):
    """Multiplies lr by f(epoch) at each epoch after the first.

    Args:
        optimizer: whose groups are changed.
        lr_lambda: one function of the epoch, or one for each group.
        last_epoch: see `LRScheduler`.
    """

    def get_lr(self) -> list[float]:
        if self.last_epoch <= 0:
            return self._current()
        return [
            lr * function(self.last_epoch)
            for lr, function in zip(self._current(), self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Multiplies lr by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose groups are changed.
        step_size: epochs between the drops.
        gamma: the factor.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0
        return [lr * factor for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        return [lr * self.gamma ** (epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiplies lr by `gamma` at each of the given epochs.

    Args:
        optimizer: whose groups are changed.
        milestones: epochs; one that is given twice counts twice.
        gamma: the factor.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
        return [lr * factor for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiplies lr by `gamma` every epoch.

    Args:
        optimizer: whose groups are changed.
        gamma: the factor.
        last_epoch: see `LRScheduler`.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma if self.last_epoch > 0 else 1.0
        return [lr * factor for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        return [lr * self.gamma**epoch for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """Keeps lr at initial_lr * `factor` for the first epochs, then at initial_lr.

    Args:
        optimizer: whose groups are changed.
        factor: in [0, 1].
        total_iters: how many epochs.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: `factor` out of range.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"ConstantLR: expected factor in [0, 1], got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = self._current()
        if self.last_epoch == 0:
            return [lr * self.factor for lr in rates]
        if self.last_epoch == self.total_iters:
            return [lr * (1.0 / self.factor) for lr in rates]
        return rates

    def _lr_at(self, epoch: float) -> list[float]:
        return [lr * (self.factor if epoch < self.total_iters else 1.0) for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """Moves the factor of lr in a straight line from one value to another.

    Args:
        optimizer: whose groups are changed.
        start_factor: factor at epoch 0, in (0, 1].
        end_factor: factor from epoch `total_iters` on, in [0, 1].
        total_iters: length of the line.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0:
            raise ValueError(f"LinearLR: expected start_factor in (0, 1], got {start_factor}")
        if not 0.0 <= end_factor <= 1.0:
            raise ValueError(f"LinearLR: expected end_factor in [0, 1], got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: float) -> float:
        done = min(epoch, self.total_iters) / self.total_iters if self.total_iters else 1.0
        return self.start_factor + (self.end_factor - self.start_factor) * done

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self.last_epoch > self.total_iters:
            return self._current()
        # Relative to the rate now, so that schedules can be combined.
        ratio = self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)
        return [lr * ratio for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        return [lr * self._factor(epoch) for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Lets lr fall to zero as (1 - epoch / total_iters)^power.

    Args:
        optimizer: whose groups are changed.
        total_iters: when zero is reached.
        power: of the polynomial.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, total = self.last_epoch, self.total_iters
        if epoch == 0 or epoch > total:
            return self._current()
        ratio = ((1 - epoch / total) / (1 - (epoch - 1) / total)) ** self.power
        return [lr * ratio for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        left = 1 - min(epoch, self.total_iters) / self.total_iters
        return [lr * left**self.power for lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Lets lr fall along half a cosine from its start to `eta_min` in `T_max` epochs.

        lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Args:
        optimizer: whose groups are changed.
        T_max: epochs of the half wave.
        eta_min: the lowest rate.
        last_epoch: see `LRScheduler`.
    Reference:
        Loshchilov, Hutter. SGDR. 2016. arXiv:1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, period, low = self.last_epoch, self.T_max, self.eta_min
        if epoch == 0:
            return self._current()
        if self._step_count == 1 and epoch > 0:
            return self._lr_at(epoch)  # resumed
        if (epoch - 1 - period) % (2 * period) == 0:
            # At the bottom of the wave the ratio has no value; start the next rise from the formula.
            return [
                lr + (base - low) * (1 - math.cos(math.pi / period)) / 2
                for lr, base in zip(self._current(), self.base_lrs, strict=True)
            ]
        # Relative to the rate now, so that schedules can be combined.
        ratio = (1 + math.cos(math.pi * epoch / period)) / (1 + math.cos(math.pi * (epoch - 1) / period))
        return [low + (lr - low) * ratio for lr in self._current()]

    def _lr_at(self, epoch: float) -> list[float]:
        wave = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * wave for lr in self.base_lrs]
