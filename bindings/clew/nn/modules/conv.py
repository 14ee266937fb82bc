"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["Conv2d"]

_conv2d = F.conv2d


def _pair(layer: str, name: str, value: Any, low: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or v < low for v in pair):
        raise ValueError(f"{layer}: expected {name} as an int or two ints >= {low}, got {value!r}")
    return pair


class Conv2d(Module):
    """A 2-d convolution (cross-correlation) over images.

        y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: one int or (height, width); so are `stride`, `padding` and `dilation`.
        stride: step of the window.
        padding: zeros added on each side, or "valid" (none), or "same" (output as large as input, stride 1).
        dilation: distance between the kernel's points.
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: "zeros".
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, H, W) or (C_in, H, W); output (N, C_out, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1;
        weight (C_out, C_in / groups, kh, kw), bias (C_out,), both from U(-k, k) with k = 1 / sqrt(fan_in).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
        NotImplementedError: a padding_mode other than "zeros".
    Example:
        >>> list(clew.nn.Conv2d(16, 33, 3, stride=2)(clew.randn(2, 16, 50, 100)).shape)
        [2, 33, 24, 49]
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError(f"Conv2d: expected groups > 0, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"Conv2d: expected {name} divisible by groups={groups}, got {channels}")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"Conv2d: expected padding_mode zeros, reflect, replicate or circular, got {padding_mode!r}"
            )
        if padding_mode != "zeros":
            raise NotImplementedError(
                f"Conv2d: expected padding_mode 'zeros', got {padding_mode!r} (pad the input first)"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = _pair("Conv2d", "stride", stride, 1)
        self.dilation = _pair("Conv2d", "dilation", dilation, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        # "same" with an even kernel pads one more at the end; here both sides get that much
        # and the first row and column of the result are cut off.
        self._crop = (0, 0)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Conv2d: expected padding 'same', 'valid' or ints, got {padding!r}")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f"Conv2d: expected stride 1 with padding='same', got {self.stride}")
            self.padding: Any = padding
            self._padding = (0, 0)
            if padding == "same":
                total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
                self._padding = ((total[0] + 1) // 2, (total[1] + 1) // 2)
                self._crop = (total[0] % 2, total[1] % 2)
        else:
            self.padding = self._padding = _pair("Conv2d", "padding", padding, 0)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(clew.empty(*shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(clew.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        result = _conv2d(
            input, self.weight, self.bias, self.stride, self._padding, self.dilation, self.groups
        )
        rows, columns = self._crop
        return result[..., rows:, columns:] if rows or columns else result

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)
