"""Learning-rate schedules: call `step()` after each epoch, or after each batch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from clew.optim.optimizer import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "StepLR",
]


class LRScheduler:
    """Base class: sets the learning rate of every parameter group by `get_lr()`.

    Args:
        optimizer: whose `param_groups` are changed.
        last_epoch: number of the last step done; -1 starts anew, another value resumes and
            needs "initial_lr" in the groups.
    Raises:
        TypeError: `optimizer` is no Optimizer.
        KeyError: resumed without "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = float(group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: expected 'initial_lr' in parameter group {i} when resuming, "
                    f"got last_epoch {last_epoch} without it"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        self.step()

    def get_lr(self) -> list[float]:
        """Returns the new learning rate of each group; subclasses define it."""
        raise NotImplementedError(f"get_lr: expected {type(self).__name__} to define it, got none")

    def get_last_lr(self) -> list[float]:
        """Returns the learning rates set last, one for each group."""
        return self._last_lr

    def step(self) -> None:
        """Moves on by one and sets the learning rates."""
        self._step_count += 1
        self.last_epoch += 1
        rates = self.get_lr()
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = list(rates)

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer, and but functions, as plain data."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def _current(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]


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
        count = len(optimizer.param_groups)
        functions = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(functions) != count:
            raise ValueError(
                f"LambdaLR: expected {count} functions, one for each group, got {len(functions)}"
            )
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            lr * function(self.last_epoch)
            for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        del state["lr_lambdas"]
        return state


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
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        here = bisect_right(self.milestones, self.last_epoch)
        before = bisect_right(self.milestones, self.last_epoch - 1)
        factor = self.gamma ** (here - before) if self.last_epoch else 1.0
        return [lr * factor for lr in self._current()]


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
        factor = self.gamma if self.last_epoch else 1.0
        return [lr * factor for lr in self._current()]


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

    def _factor(self, epoch: int) -> float:
        done = min(epoch, self.total_iters) / self.total_iters if self.total_iters else 1.0
        return self.start_factor + (self.end_factor - self.start_factor) * done

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self._factor(0) for lr in self._current()]
        if self.last_epoch > self.total_iters:
            return self._current()
        # Relative to the rate now, so that schedules can be combined.
        ratio = self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)
        return [lr * ratio for lr in self._current()]


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
        if (epoch - 1 - period) % (2 * period) == 0:
            # At the bottom of the wave the ratio has no value; start the next rise from the formula.
            return [
                lr + (base - low) * (1 - math.cos(math.pi / period)) / 2
                for lr, base in zip(self._current(), self.base_lrs, strict=True)
            ]
        # Relative to the rate now, so that schedules can be combined.
        ratio = (1 + math.cos(math.pi * epoch / period)) / (1 + math.cos(math.pi * (epoch - 1) / period))
        return [low + (lr - low) * ratio for lr in self._current()]


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("optim.lr_scheduler", name)
