"""Averages of a model's weights over training."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import clew
from clew import Tensor
from clew.nn import Module
from clew.optim.lr_scheduler import LRScheduler
from clew.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(op: str, decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"{op}: expected decay in [0, 1], got {decay}")


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Returns f(average, new, count) = decay * average + (1 - decay) * new."""
    _check_decay("get_ema_avg_fn", decay)
    return lambda average, new, count: decay * average + (1 - decay) * new


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Returns f(average, new, count) = average + (new - average) / (count + 1)."""
    return lambda average, new, count: average + (new - average) / (int(count) + 1)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """The same as `get_ema_avg_fn` for lists of tensors, in place."""
    _check_decay("get_ema_multi_avg_fn", decay)

    def update(averages: list[Tensor], new: list[Tensor], count: Any) -> None:
        with clew.no_grad():
            for average, value in zip(averages, new, strict=True):
                if average.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_((average * decay + value * (1 - decay)).to(average.dtype))

    return update


def get_swa_multi_avg_fn() -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """The same as `get_swa_avg_fn` for lists of tensors, in place."""

    def update(averages: list[Tensor], new: list[Tensor], count: Any) -> None:
        with clew.no_grad():
            for average, value in zip(averages, new, strict=True):
                if average.is_floating_point():
                    average.lerp_(value, 1 / (int(count) + 1))
                else:
                    average.copy_((average + (value - average) / (int(count) + 1)).to(average.dtype))

    return update


class AveragedModel(Module):
    """A copy of a model whose weights are the average of the model's at each `update_parameters`.

    Args:
        model: what is copied, and averaged later.
        device: where the copy is; None leaves it where the model is.
        avg_fn: f(average, new, count) for one tensor; None and no `multi_avg_fn` give the plain mean.
        multi_avg_fn: the same for lists of tensors, in place.
        use_buffers: average buffers too; otherwise they are copied.
    Reference:
        Izmailov et al. Averaging Weights Leads to Wider Optima. 2018. arXiv:1803.05407.
    Example:
        >>> model = clew.nn.Linear(1, 1)
        >>> average = clew.optim.swa_utils.AveragedModel(model)
        >>> average.update_parameters(model)
        >>> int(average.n_averaged)
        1
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected avg_fn or multi_avg_fn, got both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", clew.tensor(0, dtype=clew.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the model's present weights into the average."""
        own, new = list(self.module.parameters()), list(model.parameters())
        if self.use_buffers:
            own += self.module.buffers()
            new += model.buffers()
        own = [p.detach() for p in own]
        new = [p.detach() for p in new]
        with clew.no_grad():
            if int(self.n_averaged) == 0:
                for average, value in zip(own, new, strict=True):
                    average.copy_(value)
            elif self.avg_fn is not None:
                for average, value in zip(own, new, strict=True):
                    average.copy_(self.avg_fn(average, value, self.n_averaged))
            else:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(own, new, self.n_averaged)
            if not self.use_buffers:
                for average, value in zip(self.module.buffers(), model.buffers(), strict=True):
                    average.copy_(value)
            self.n_averaged.add_(1)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all BatchNorm layers anew, in one pass over the data.

    Args:
        loader: batches; of a list or tuple the first entry is the input.
        model: its training mode is as before afterwards.
        device: where inputs are moved to.
    """
    norms = [m for m in model.modules() if hasattr(m, "running_mean") and hasattr(m, "momentum")]
    if not norms:
        return
    kept = [m.momentum for m in norms]
    was_training = model.training
    model.train()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    with clew.no_grad():
        for batch in loader:
            input = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(input.to(device) if device is not None else input)
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Moves the learning rate from where it is to `swa_lr` and keeps it there.

    Args:
        optimizer: whose groups are changed.
        swa_lr: the final rate, one for all groups or one for each.
        anneal_epochs: length of the way.
        anneal_strategy: "cos" or "linear".
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: expected anneal_epochs >= 0, got {anneal_epochs}")
        count = len(optimizer.param_groups)
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * count
        if len(rates) != count:
            raise ValueError(f"SWALR: expected {count} rates, one for each group, got {len(rates)}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs = anneal_epochs
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _done(self, epoch: int) -> float:
        part = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return part if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[float]:
        # `_step_count` starts at 1 in the constructor, so it is one ahead of the steps that were made.
        step = self._step_count - 1
        before, now = (1.0 if self.anneal_epochs == 0 else self._done(s) for s in (max(0, step - 1), step))
        rates = []
        for group in self.optimizer.param_groups:
            lr, final = float(group["lr"]), group["swa_lr"]
            start = final if before == 1 else (lr - before * final) / (1 - before)
            rates.append(final * now + start * (1 - now))
        return rates
