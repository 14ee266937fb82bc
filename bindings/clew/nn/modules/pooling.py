"""Pooling layers."""

from __future__ import annotations

from typing import Any

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Module):
    _pool: Any

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
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
        return type(self)._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest value in each window of a signal.

    Args:
        kernel_size, stride, padding, dilation, return_indices, ceil_mode: as in MaxPool2d, ints.
    Shape:
        input (N, C, L) or (C, L); output (N, C, L').
    Example:
        >>> list(clew.nn.MaxPool1d(2)(clew.randn(1, 3, 8)).shape)
        [1, 3, 4]
    """

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
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

    _pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest value in each window of a volume.

    Args:
        kernel_size, stride, padding, dilation, return_indices, ceil_mode: as in MaxPool2d, ints or three.
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output (N, C, D', H', W').
    Example:
        >>> list(clew.nn.MaxPool3d(2)(clew.randn(1, 3, 4, 8, 6)).shape)
        [1, 3, 2, 4, 3]
    """

    _pool = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """The mean of each window of a signal.

    Args:
        kernel_size, stride, padding: an int; a stride of None means `kernel_size`.
        ceil_mode: round the output size up instead of down.
        count_include_pad: whether padded zeros count in the mean.
    Shape:
        input (N, C, L) or (C, L); output (N, C, L').
    Example:
        >>> clew.nn.AvgPool1d(2)(clew.ones(1, 1, 2)).tolist()
        [[[1.0]]]
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window.

    Args:
        kernel_size: one int or (height, width); so are `stride` and `padding`.
        stride: step of the window; None means `kernel_size`.
        padding: zeros added on each side, at most half the kernel.
        ceil_mode: round the output size up instead of down.
        count_include_pad: whether padded zeros count in the mean.
        divisor_override: divide by this instead of the count.
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, H', W') with
        H' = floor((H + 2 * padding - kernel_size) / stride) + 1.
    Example:
        >>> clew.nn.AvgPool2d(2)(clew.ones(1, 1, 2, 2)).tolist()
        [[[[1.0]]]]
    """

    _pool: Any = staticmethod(F.avg_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of each window of a volume.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as in AvgPool2d, ints
            or three.
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output (N, C, D', H', W').
    Example:
        >>> list(clew.nn.AvgPool3d(2)(clew.randn(1, 3, 4, 8, 6)).shape)
        [1, 3, 2, 4, 3]
    """

    _pool = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    _pool: Any

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._pool(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x^p)^(1/p) over each window of a signal.

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as in AvgPool1d.
    Example:
        >>> clew.nn.LPPool1d(2, 2)(clew.tensor([[[3.0, 4.0]]])).tolist()
        [[[5.0]]]
    """

    _pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """(sum of x^p)^(1/p) over each window of an image.

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as in AvgPool2d.
    Example:
        >>> clew.nn.LPPool2d(2, 2)(clew.ones(1, 1, 2, 2)).tolist()
        [[[[2.0]]]]
    """

    _pool = staticmethod(F.lp_pool2d)


class _AdaptivePool(Module):
    _pool: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Any:
        return type(self)._pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The mean of windows chosen so that the output has a given length.

    Args:
        output_size: an int.
    Shape:
        input (N, C, L) or (C, L); output (N, C, output_size).
    Example:
        >>> list(clew.nn.AdaptiveAvgPool1d(3)(clew.ones(1, 2, 7)).shape)
        [1, 2, 3]
    """

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of windows chosen so that the output has a given size.

    Args:
        output_size: one int or (height, width); None keeps the input's size there.
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, *output_size).
    Example:
        >>> list(clew.nn.AdaptiveAvgPool2d(1)(clew.ones(1, 2, 5, 7)).shape)
        [1, 2, 1, 1]
    """

    _pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The mean of windows chosen so that the output has a given size.

    Args:
        output_size: one int or (depth, height, width); None keeps the input's size there.
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output (N, C, *output_size).
    Example:
        >>> list(clew.nn.AdaptiveAvgPool3d(1)(clew.ones(1, 2, 3, 5, 7)).shape)
        [1, 2, 1, 1, 1]
    """

    _pool = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self)._pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maximum of windows chosen so that the output has a given length.

    Args:
        output_size: an int.
        return_indices: also return where the maxima were.
    Shape:
        input (N, C, L) or (C, L); output (N, C, output_size).
    Example:
        >>> list(clew.nn.AdaptiveMaxPool1d(3)(clew.ones(1, 2, 7)).shape)
        [1, 2, 3]
    """

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maximum of windows chosen so that the output has a given size.

    Args:
        output_size: one int or (height, width); None keeps the input's size there.
        return_indices: also return where the maxima were, as positions in the flattened (H, W).
    Shape:
        input (N, C, H, W) or (C, H, W); output (N, C, *output_size).
    Example:
        >>> list(clew.nn.AdaptiveMaxPool2d(1)(clew.ones(1, 2, 5, 7)).shape)
        [1, 2, 1, 1]
    """

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maximum of windows chosen so that the output has a given size.

    Args:
        output_size: one int or (depth, height, width); None keeps the input's size there.
        return_indices: also return where the maxima were, as positions in the flattened (D, H, W).
    Shape:
        input (N, C, D, H, W) or (C, D, H, W); output (N, C, *output_size).
    Example:
        >>> list(clew.nn.AdaptiveMaxPool3d(1)(clew.ones(1, 2, 3, 5, 7)).shape)
        [1, 2, 1, 1, 1]
    """

    _pool = staticmethod(F.adaptive_max_pool3d)


class _MaxUnpool(Module):
    _pool: Any

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return type(self)._pool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts maxima back to where MaxPool1d found them, among zeros.

    Args:
        kernel_size, stride, padding: those of MaxPool1d.
    Example:
        >>> y, i = clew.nn.MaxPool1d(2, return_indices=True)(clew.tensor([[[1.0, 3.0]]]))
        >>> clew.nn.MaxUnpool1d(2)(y, i).tolist()
        [[[0.0, 3.0]]]
    """

    _pool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Puts maxima back to where MaxPool2d found them, among zeros.

    Args:
        kernel_size, stride, padding: those of MaxPool2d.
    Example:
        >>> y, i = clew.nn.MaxPool2d(2, return_indices=True)(clew.eye(2)[None])
        >>> clew.nn.MaxUnpool2d(2)(y, i).tolist()
        [[[1.0, 0.0], [0.0, 0.0]]]
    """

    _pool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Puts maxima back to where MaxPool3d found them, among zeros.

    Args:
        kernel_size, stride, padding: those of MaxPool3d.
    Example:
        >>> y, i = clew.nn.MaxPool3d((1, 1, 2), return_indices=True)(clew.ones(1, 1, 1, 2))
        >>> clew.nn.MaxUnpool3d((1, 1, 2))(y, i).tolist()
        [[[[1.0, 0.0]]]]
    """

    _pool = staticmethod(F.max_unpool3d)
