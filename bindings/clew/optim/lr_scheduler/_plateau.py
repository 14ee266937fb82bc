"""The schedule that looks at a metric."""

from __future__ import annotations

import math
from typing import Any, Literal

from clew.optim.lr_scheduler._base import LRScheduler, _check_optimizer, _per_group
from clew.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies lr by `factor` when a metric has not improved for more than `patience` steps.

    Args:
        optimizer: whose groups are changed.
        mode: "min" when lower is better, "max" when higher is.
        factor: below 1.
        patience: steps without improvement that are borne.
        threshold: how much better counts as better.
        threshold_mode: "rel" measures it relative to the best value, "abs" absolutely.
        cooldown: steps after a reduction during which nothing is counted.
        min_lr: lower bound, one for all groups or one for each.
        eps: smaller changes of lr are not made.
    Raises:
        ValueError: `factor` not below 1, or an unknown mode.
    Example:
        >>> opt = clew.optim.SGD([clew.nn.Parameter(clew.ones(1))], lr=1.0)
        >>> schedule = clew.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=0)
        >>> for loss in [3.0, 2.0, 2.0]:
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: expected factor < 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: expected mode 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: expected threshold_mode 'rel' or 'abs', got {threshold_mode!r}"
            )
        _check_optimizer("ReduceLROnPlateau", optimizer)
        self.optimizer = optimizer
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = _per_group("ReduceLROnPlateau", "min_lr", optimizer, min_lr)
        self.last_epoch = 0
        self._last_lr = self._current()
        self._reset()

    # It has no first step that another schedule could undo or repeat.
    @property
    def _initial_step(self) -> Any:
        raise AttributeError("_initial_step")

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether the last reduction was less than `cooldown` steps ago."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Whether `a` improves on `best` by the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bound = best * (1 + sign * self.threshold)
        else:
            bound = best + sign * self.threshold
        return a < bound if self.mode == "min" else a > bound

    def step(self, metrics: Any, epoch: int | None = None) -> None:
        """Looks at the metric and sets the learning rates.

        Args:
            metrics: a number, or a one-element tensor.
            epoch: the number of the step; None counts on.
        """
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs) and self.default_min_lr is not None:
            # Groups were added since.
            self.min_lrs = [self.default_min_lr] * len(groups)
        old = self._current()
        new = [max(lr * self.factor, low) for lr, low in zip(old, self.min_lrs, strict=True)]
        self._set([b if a - b > self.eps else a for a, b in zip(old, new, strict=True)])
