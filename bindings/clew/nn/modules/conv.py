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

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d"]


def _sizes(layer: str, name: str, value: Any, low: int, n: int) -> tuple[int, ...]:
    sizes = (value,) * n if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        sizes = sizes * n
    if len(sizes) != n or any(isinstance(v, bool) or not isinstance(v, int) or v < low for v in sizes):
        raise ValueError(f"{layer}: expected {name} as an int or {n} ints >= {low}, got {value!r}")
    return sizes


class _Conv(Module):
    """What the convolutions share: parameters, their first values, padding."""

    weight: Parameter
    bias: Parameter | None
    _dims: int
    _transposed = False

    def _build(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        output_padding: Any,
        device: Any,
        dtype: Any,
    ) -> None:
        layer, n = type(self).__name__, self._dims
        if groups <= 0:
            raise ValueError(f"{layer}: expected groups > 0, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{layer}: expected {name} divisible by groups={groups}, got {channels}")
        modes = ("zeros",) if self._transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"{layer}: expected padding_mode in {modes}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _sizes(layer, "kernel_size", kernel_size, 1, n)
        self.stride = _sizes(layer, "stride", stride, 1, n)
        self.dilation = _sizes(layer, "dilation", dilation, 1, n)
        self.groups = groups
        self.padding_mode = padding_mode
        self.transposed = self._transposed
        self.output_padding = _sizes(layer, "output_padding", output_padding, 0, n)
        # Both sides of each dimension, from the last one backwards, as pad() takes them.
        sides: list[int] = []
        if isinstance(padding, str):
            if padding not in ("same", "valid") or self._transposed:
                raise ValueError(f"{layer}: expected padding 'same', 'valid' or ints, got {padding!r}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{layer}: expected stride 1 with padding='same', got {self.stride}")
            self.padding: Any = padding
            for d, k in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
                total = d * (k - 1) if padding == "same" else 0
                sides += [total // 2, total - total // 2]
        else:
            self.padding = _sizes(layer, "padding", padding, 0, n)
            for p in reversed(self.padding):
                sides += [p, p]
        self._sides = tuple(sides)
        channels = (
            (in_channels, out_channels // groups)
            if self._transposed
            else (
                out_channels,
                in_channels // groups,
            )
        )
        self.weight = Parameter(clew.empty(*channels, *self.kernel_size, device=device, dtype=dtype))
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

    def _convolve(self, op: Any, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._sides, self.padding_mode)
            padding = 0
        return op(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        none, ones = (0,) * self._dims, (1,) * self._dims
        if self.padding != none:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != none:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """A 1-d convolution (cross-correlation) over signals.

        y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, dilation: an int.
        padding: added on each side, or "valid" (none), or "same" (output as long as input, stride 1).
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: zeros, reflect, replicate or circular.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, L) or (C_in, L); output (N, C_out, L') with
        L' = floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1;
        weight (C_out, C_in / groups, k), bias (C_out,), both from U(-b, b) with b = 1 / sqrt(fan_in).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.Conv1d(16, 33, 3, stride=2)(clew.randn(20, 16, 50)).shape)
        [20, 33, 24]
    """

    _dims = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] | str = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv1d, input)


class Conv2d(_Conv):
    """A 2-d convolution (cross-correlation) over images.

        y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: one int or (height, width); so are `stride`, `padding` and `dilation`.
        stride: step of the window.
        padding: added on each side, or "valid" (none), or "same" (output as large as input, stride 1).
        dilation: distance between the kernel's points.
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: zeros, reflect, replicate or circular.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, H, W) or (C_in, H, W); output (N, C_out, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1;
        weight (C_out, C_in / groups, kh, kw), bias (C_out,), both from U(-k, k) with k = 1 / sqrt(fan_in).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.Conv2d(16, 33, 3, stride=2)(clew.randn(2, 16, 50, 100)).shape)
        [2, 33, 24, 49]
    """

    _dims = 2

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
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv2d, input)


class Conv3d(_Conv):
    """A 3-d convolution (cross-correlation) over volumes.

        y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: one int or (depth, height, width); so are `stride`, `padding` and `dilation`.
        stride, padding, dilation, groups, bias, padding_mode: as in Conv2d.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, D, H, W) or (C_in, D, H, W); output (N, C_out, D', H', W').
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.Conv3d(2, 3, 2)(clew.randn(1, 2, 4, 5, 6)).shape)
        [1, 3, 3, 4, 5]
    """

    _dims = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] | str = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv3d, input)


class _ConvTranspose(_Conv):
    _transposed = True

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        if output_size is None:
            return self.output_padding
        layer, n = type(self).__name__, self._dims
        wanted = list(output_size)
        if len(wanted) == input.ndim:
            wanted = wanted[-n:]
        if len(wanted) != n:
            raise ValueError(f"{layer}: expected output_size of {n} sizes, got {output_size}")
        extra = []
        for i in range(n):
            span = self.dilation[i] * (self.kernel_size[i] - 1) + 1
            least = (input.shape[i - n] - 1) * self.stride[i] - 2 * self.padding[i] + span
            if not least <= wanted[i] < least + self.stride[i]:
                raise ValueError(
                    f"{layer}: expected output_size in [{least}, {least + self.stride[i]}), got {wanted[i]}"
                )
            extra.append(wanted[i] - least)
        return tuple(extra)

    def _transpose(self, op: Any, input: Tensor, output_size: Any) -> Tensor:
        extra = self._output_padding(input, output_size)
        return op(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a 1-d convolution: signals become longer.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: of the convolution that is transposed; an int.
        output_padding: elements added at the end of the result.
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: zeros.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, L) or (C_in, L); output (N, C_out, L') with
        L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1;
        weight (C_in, C_out / groups, k), bias (C_out,).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.ConvTranspose1d(4, 2, 3, stride=2)(clew.randn(1, 4, 5)).shape)
        [1, 2, 11]
    """

    _dims = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        output_padding: int | tuple[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            output_padding, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a 2-d convolution: images become larger.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: one int or (height, width); so are `stride`, `padding`, `output_padding` and `dilation`.
        stride, padding, dilation: of the convolution that is transposed.
        output_padding: rows and columns added at the end of the result.
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: zeros.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, H, W) or (C_in, H, W); output (N, C_out, H', W') with
        H' = (H - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1;
        weight (C_in, C_out / groups, kh, kw), bias (C_out,).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1)(clew.randn(1, 4, 8, 8)).shape)
        [1, 2, 16, 16]
    """

    _dims = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            output_padding, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of a 3-d convolution: volumes become larger.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: one int or three; so are `stride`, `padding`, `output_padding` and `dilation`.
        stride, padding, dilation: of the convolution that is transposed.
        output_padding: elements added at the end of the result.
        groups: channel groups that are convolved apart.
        bias: whether to add `bias`.
        padding_mode: zeros.
        device, dtype: of the parameters.
    Shape:
        input (N, C_in, D, H, W) or (C_in, D, H, W); output (N, C_out, D', H', W') with
        D' = (D - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1;
        weight (C_in, C_out / groups, kd, kh, kw), bias (C_out,).
    Raises:
        ValueError: channels that `groups` does not divide, or sizes out of range.
    Example:
        >>> list(clew.nn.ConvTranspose3d(4, 2, 4, stride=2, padding=1)(clew.randn(1, 4, 2, 3, 4)).shape)
        [1, 2, 4, 6, 8]
    """

    _dims = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] = 0,
        output_padding: int | tuple[int, int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int, int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            output_padding, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transpose(F.conv_transpose3d, input, output_size)
