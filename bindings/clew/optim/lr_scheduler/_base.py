"""What all schedules share."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from clew.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]


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
        _check_optimizer(type(self).__name__, optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                # Schedules on one optimizer share the rate that the first of them found.
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: expected 'initial_lr' in parameter group {i} when resuming, "
                    f"got last_epoch {last_epoch} without it"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[float]:
        """Returns the new learning rate of each group; subclasses define it."""
        raise NotImplementedError(f"get_lr: expected {type(self).__name__} to define it, got none")

    def get_last_lr(self) -> list[float]:
        """Returns the learning rates set last, one for each group."""
        return self._last_lr

    def _lr_at(self, epoch: float) -> list[float] | None:
        """The rates of an epoch from the formula alone, or None where the way there matters."""
        return None

    def step(self, epoch: float | None = None) -> None:
        """Moves on by one and sets the learning rates.

        Args:
            epoch: go there instead.
        """
        self._step_count += 1
        rates = None
        if epoch is None:
            self.last_epoch += 1
        else:
            self.last_epoch = epoch
            rates = self._lr_at(epoch)
        self._set(self.get_lr() if rates is None else rates)

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], (int, float)):
                group["lr"] = lr
            else:
                group["lr"].fill_(lr)
        self._last_lr = self._current()

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer, and but functions, as plain data."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def _current(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]


def _check_optimizer(name: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")


def _per_group(name: str, what: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from one for all or a list."""
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        raise ValueError(f"{name}: expected {count} {what}, one for each group, got {len(values)}")
    return values


def _saved_functions(functions: list[Callable]) -> list[dict[str, Any] | None]:
    # A function is code and is not saved; an object that is called has data that can be.
    return [None if isinstance(f, types.FunctionType) else dict(f.__dict__) for f in functions]


def _restore_functions(functions: list[Callable], saved: list[dict[str, Any] | None]) -> None:
    for function, state in zip(functions, saved, strict=True):
        if state is not None:
            function.__dict__.update(state)
