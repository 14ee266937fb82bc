"""Normalisation over features."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]

_layer_norm = F.layer_norm


class LayerNorm(Module):
    """Normalises each sample over its last dimensions.

        y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

    Var is the biased estimate.

    Args:
        normalized_shape: the trailing sizes to normalise over; one int means the last dimension.
        eps: added to the variance.
        elementwise_affine: whether there are `weight` (ones) and `bias` (zeros) of shape `normalized_shape`.
        bias: whether there is a `bias`.
        device, dtype: of the parameters.
    Shape:
        input (*, normalized_shape); output the same.
    Reference:
        Ba, Kiros, Hinton. Layer Normalization. 2016. arXiv:1607.06450.
    Example:
        >>> list(clew.nn.LayerNorm(10)(clew.randn(20, 5, 10)).shape)
        [20, 5, 10]
    """

    normalized_shape: tuple[int, ...]
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = Parameter(clew.ones(*shape, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if elementwise_affine and bias:
            self.bias = Parameter(clew.zeros(*shape, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Sets weight to 1 and bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return _layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine, bias = self.elementwise_affine, self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}, bias={bias}"


class GroupNorm(Module):
    """Normalises groups of channels of each sample.

        y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

    Args:
        num_groups: how many groups the channels are split into.
        num_channels: C.
        eps: added to the variance.
        affine: whether there are `weight` (ones) and `bias` (zeros) of shape (C,).
        device, dtype: of the parameters.
        bias: whether there is a `bias` when `affine`.
    Shape:
        input (N, C, ...); output the same.
    Raises:
        ValueError: `num_groups` does not divide `num_channels`.
    Reference:
        Wu, He. Group Normalization. 2018. arXiv:1803.08494.
    Example:
        >>> list(clew.nn.GroupNorm(3, 6)(clew.randn(2, 6, 4, 4)).shape)
        [2, 6, 4, 4]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: expected num_channels divisible by num_groups={num_groups}, got {num_channels}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        if affine:
            self.weight = Parameter(clew.ones(num_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(clew.zeros(num_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Sets weight to 1 and bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class RMSNorm(Module):
    """Divides each sample by its root mean square over the last dimensions.

        y = x / sqrt(mean(x^2) + eps) * weight

    Args:
        normalized_shape: the trailing sizes; one int means the last dimension.
        eps: added to the mean; None means the machine epsilon.
        elementwise_affine: whether there is a `weight` (ones) of shape `normalized_shape`.
        device, dtype: of the parameter.
    Shape:
        input (*, normalized_shape); output the same.
    Reference:
        Zhang, Sennrich. Root Mean Square Layer Normalization. 2019. arXiv:1910.07467.
    Example:
        >>> list(clew.nn.RMSNorm(10)(clew.randn(20, 5, 10)).shape)
        [20, 5, 10]
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = Parameter(clew.ones(*shape, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)

    def reset_parameters(self) -> None:
        """Sets weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Divides by a power of the mean square over neighbouring channels.

        y[c] = x[c] / (k + alpha * mean of x^2 over `size` channels around c)^beta

    Args:
        size: how many channels are averaged.
        alpha, beta, k: see the formula.
    Shape:
        input (N, C, ...); output the same.
    Example:
        >>> clew.nn.LocalResponseNorm(2)(clew.zeros(1, 2, 1)).tolist()
        [[[0.0], [0.0]]]
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
