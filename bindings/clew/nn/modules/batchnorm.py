"""Batch normalisation layers."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]

_batch_norm = F.batch_norm


class _BatchNorm(Module):
    num_features: int
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = Parameter(clew.ones(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(clew.zeros(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        if track_running_stats:
            self.register_buffer("running_mean", clew.zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", clew.ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", clew.tensor(0, dtype=clew.int64, device=device))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)

    def reset_running_stats(self) -> None:
        """Sets the running mean to 0, the running variance to 1 and the count to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Resets the statistics, weight to 1 and bias to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input(self, input: Tensor) -> None:
        raise NotImplementedError(f"{type(self).__name__}: expected a subclass to check its input")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        mean, var = self.running_mean, self.running_var
        training = self.training
        if training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        if training:
            if not self.track_running_stats:
                mean = var = None
        elif mean is None and var is None:
            training = True
        return _batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Normalises each feature over the batch.

        y = (x - mean) / sqrt(var + eps) * weight + bias
        running = (1 - momentum) * running + momentum * batch

    In training, mean and (biased) var are the batch's. The running ones serve in evaluation and take the
    unbiased var.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of the newest batch; None means a plain average over all batches.
        affine: whether there are `weight` and `bias`.
        track_running_stats: keep running statistics; without them evaluation uses the batch's too.
        device, dtype: of parameters and buffers.
        bias: whether there is a `bias` when `affine`.
    Shape:
        input (N, C) or (N, C, L); output the same.
    Reference:
        Ioffe, Szegedy. Batch Normalization. 2015. arXiv:1502.03167.
    Example:
        >>> list(clew.nn.BatchNorm1d(100)(clew.randn(20, 100)).shape)
        [20, 100]
    """

    def _check_input(self, input: Tensor) -> None:
        if input.ndim != 2 and input.ndim != 3:
            raise ValueError(f"BatchNorm1d: expected input of shape (N, C) or (N, C, L), got {input.shape}")


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over batch, height and width.

        y = (x - mean) / sqrt(var + eps) * weight + bias
        running = (1 - momentum) * running + momentum * batch

    In training, mean and (biased) var are the batch's. The running ones serve in evaluation and take the
    unbiased var.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of the newest batch; None means a plain average over all batches.
        affine: whether there are `weight` and `bias`.
        track_running_stats: keep running statistics; without them evaluation uses the batch's too.
        device, dtype: of parameters and buffers.
        bias: whether there is a `bias` when `affine`.
    Shape:
        input (N, C, H, W); output the same.
    Reference:
        Ioffe, Szegedy. Batch Normalization. 2015. arXiv:1502.03167.
    Example:
        >>> list(clew.nn.BatchNorm2d(10)(clew.randn(2, 10, 3, 4)).shape)
        [2, 10, 3, 4]
    """

    def _check_input(self, input: Tensor) -> None:
        if input.ndim != 4:
            raise ValueError(f"BatchNorm2d: expected input of shape (N, C, H, W), got {input.shape}")


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over batch, depth, height and width.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as in BatchNorm2d.
    Shape:
        input (N, C, D, H, W); output the same.
    Reference:
        Ioffe, Szegedy. Batch Normalization. 2015. arXiv:1502.03167.
    Example:
        >>> list(clew.nn.BatchNorm3d(10)(clew.randn(2, 10, 2, 3, 4)).shape)
        [2, 10, 2, 3, 4]
    """

    def _check_input(self, input: Tensor) -> None:
        if input.ndim != 5:
            raise ValueError(f"BatchNorm3d: expected input of shape (N, C, D, H, W), got {input.shape}")


class _InstanceNorm(_BatchNorm):
    _dims: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        name, n = type(self).__name__, self._dims
        if input.ndim not in (n + 1, n + 2):
            raise ValueError(f"{name}: expected input of {n + 1} or {n + 2} dimensions, got {input.shape}")
        if input.shape[-n - 1] != self.num_features and self.affine:
            raise ValueError(f"{name}: expected {self.num_features} channels, got {input.shape}")
        batch = input if input.ndim == n + 2 else input.unsqueeze(0)
        result = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result if input.ndim == n + 2 else result.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each signal.

        y = (x - mean) / sqrt(var + eps) * weight + bias

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of the newest batch in the running statistics.
        affine: whether there are `weight` and `bias`.
        track_running_stats: keep running statistics, which serve in evaluation.
        device, dtype: of parameters and buffers.
        bias: whether there is a `bias` when `affine`.
    Shape:
        input (N, C, L) or (C, L); output the same.
    Example:
        >>> list(clew.nn.InstanceNorm1d(3)(clew.randn(2, 3, 8)).shape)
        [2, 3, 8]
    """

    _dims = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each image.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as in InstanceNorm1d.
    Shape:
        input (N, C, H, W) or (C, H, W); output the same.
    Reference:
        Ulyanov, Vedaldi, Lempitsky. Instance Normalization. 2016. arXiv:1607.08022.
    Example:
        >>> list(clew.nn.InstanceNorm2d(3)(clew.randn(2, 3, 8, 8)).shape)
        [2, 3, 8, 8]
    """

    _dims = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each volume.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as in InstanceNorm1d.
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output the same.
    Example:
        >>> list(clew.nn.InstanceNorm3d(3)(clew.randn(2, 3, 2, 4, 4)).shape)
        [2, 3, 2, 4, 4]
    """

    _dims = 3
