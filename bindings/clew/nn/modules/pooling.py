"""Pooling layers."""

from __future__ import annotations

from typing import Any

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]

_max_pool2d = F.max_pool2d
_avg_pool2d = F.avg_pool2d
_adaptive_avg_pool2d = F.adaptive_avg_pool2d


class MaxPool2d(Module):
    """The largest value in each window.

    Args:
        kernel_size: one int or (height, width); so are `stride`, `padding` and `dilation`.
        stride: step of the window; None means `kernel_size`.
        padding: minus infinity added on each side, at most half the kernel.
        dilation: distance between the window's points.
        return_indices: also return where the maxima were, as positions in the flattened (H, W).
        ceil_mode: round the output size up instead of down.
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1.
    Example:
        >>> list(clew.nn.MaxPool2d(2)(clew.randn(1, 3, 8, 6)).shape)
        [1, 3, 4, 3]
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        op = F.max_pool2d_with_indices if self.return_indices else _max_pool2d
        return op(input, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window.

    Args:
        kernel_size: one int or (height, width); so are `stride` and `padding`.
        stride: step of the window; None means `kernel_size`.
        padding: zeros added on each side, at most half the kernel.
        ceil_mode: round the output size up instead of down.
        count_include_pad: whether padded zeros count in the mean.
        divisor_override: None; another divisor than the window's size is not offered yet.
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, H', W') with
        H' = floor((H + 2 * padding - kernel_size) / stride) + 1.
    Example:
        >>> clew.nn.AvgPool2d(2)(clew.ones(1, 1, 2, 2)).tolist()
        [[[[1.0]]]]
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        if divisor_override is not None:
            raise NotImplementedError(
                f"AvgPool2d: expected divisor_override=None, got {divisor_override} (scale the result)"
            )
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return _avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean of windows chosen so that the output has a given size.

    Args:
        output_size: one int or (height, width); None keeps the input's size there.
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, *output_size).
    Example:
        >>> list(clew.nn.AdaptiveAvgPool2d(1)(clew.ones(1, 2, 5, 7)).shape)
        [1, 2, 1, 1]
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        size = self.output_size
        if isinstance(size, int):
            size = (size, size)
        elif size is None:
            size = (None, None)
        if None in size:
            size = tuple(n if n is not None else input.shape[i - 2] for i, n in enumerate(size))
        return _adaptive_avg_pool2d(input, size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
