"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from clew.optim.lr_scheduler._base import LRScheduler, _check_optimizer
from clew.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


def _check_schedulers(name: str, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    if len(schedulers) < 1:
        raise ValueError(f"{name}: expected one or more schedulers, got none")
    for i, scheduler in enumerate(schedulers):
        if not isinstance(getattr(scheduler, "optimizer", None), Optimizer):
            raise TypeError(f"{name}: expected schedulers, got {type(scheduler).__name__} (position {i})")
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{name}: expected schedulers of one optimizer, got another one (position {i})")


class _Combined(LRScheduler):
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "_schedulers")}
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        parts = state.pop("_schedulers")
        self.__dict__.update(state)
        for scheduler, part in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(part)


class SequentialLR(_Combined):
    """Runs one schedule after the other; each begins at its milestone.

    Args:
        optimizer: whose groups are changed.
        schedulers: of this optimizer, in order.
        milestones: increasing epochs, one less than schedulers.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: the numbers do not fit, or a schedule belongs to another optimizer.
    Example:
        >>> opt = clew.optim.SGD([clew.nn.Parameter(clew.ones(1))], lr=1.0)
        >>> L = clew.optim.lr_scheduler
        >>> warm_up = L.ConstantLR(opt, factor=0.5, total_iters=2)
        >>> schedule = L.SequentialLR(opt, [warm_up, L.ExponentialLR(opt, gamma=0.1)], milestones=[2])
        >>> rates = [schedule.get_last_lr()[0]]
        >>> for _ in range(3):
        ...     schedule.step()
        ...     rates += schedule.get_last_lr()
        >>> rates
        [0.5, 0.5, 1.0, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("SequentialLR", optimizer)
        _check_schedulers("SequentialLR", optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected {len(schedulers) - 1} milestones for {len(schedulers)} schedulers, "
                f"got {len(milestones)}"
            )
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "_initial_step"):
                raise TypeError(
                    "SequentialLR: expected schedulers whose step takes no metric, got "
                    f"{type(scheduler).__name__} (position {i})"
                )
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Each schedule made its first step when it was built; all but the first take it back.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            _undo(scheduler)
        self._schedulers[0]._initial_step()
        self._last_lr = list(self._schedulers[0].get_last_lr())

    def step(self) -> None:
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == self.last_epoch:
            scheduler.step(0)
        else:
            scheduler.step()
        self._last_lr = list(scheduler.get_last_lr())


def _undo(scheduler: LRScheduler) -> None:
    parts = getattr(scheduler, "_schedulers", None)
    if parts is None:
        scheduler.last_epoch -= 1
    else:
        # The count of a combined schedule stays, as in PyTorch.
        for part in parts:
            _undo(part)


class ChainedScheduler(_Combined):
    """Steps several schedules at once; their factors multiply.

    Args:
        schedulers: of one optimizer.
        optimizer: that optimizer; None takes it from the first schedule.
    Raises:
        ValueError: no schedules, or of several optimizers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler: expected one or more schedulers, got none")
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        _check_schedulers("ChainedScheduler", optimizer, schedulers)
        self._schedulers = list(schedulers)
        self.optimizer = optimizer
        self._last_lr = self._current()

    def step(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()
