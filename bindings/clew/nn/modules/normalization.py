"""Normalisation over features."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["LayerNorm"]

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
