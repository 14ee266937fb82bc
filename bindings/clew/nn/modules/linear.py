"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["Identity", "Linear"]

_linear = F.linear


class Identity(Module):
    """Returns its input; any constructor arguments are ignored.

    Example:
        >>> clew.nn.Identity(54)(clew.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """An affine map of the last dimension.

        y = x @ weight.T + bias

    Args:
        in_features: size of each input row.
        out_features: size of each output row.
        bias: whether to add `bias`.
        device, dtype: of the parameters.
    Shape:
        input (*, in_features), output (*, out_features); weight (out_features, in_features),
        bias (out_features,), both from U(-k, k) with k = 1 / sqrt(in_features).
    Example:
        >>> list(clew.nn.Linear(20, 30)(clew.randn(128, 20)).shape)
        [128, 30]
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(clew.empty(out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(clew.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters
        # The same attributes without the way through __getattr__, which costs as much as a small product.
        if "weight" in own and "bias" in own:
            return _linear(input, own["weight"], own["bias"])
        return _linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
