"""Padding, resampling and rearranging of images."""

from __future__ import annotations

from typing import Any

from clew import Tensor
from clew.nn import functional as F
from clew.nn.modules.module import Module

__all__ = [
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Pads the last dimensions.

    Args:
        padding: one int for all sides, or pairs (before, after) from the last dimension backwards.
    Shape:
        input (N, C, ...) or (C, ...); output with larger last dimensions.
    """

    _dims: int
    _mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        sides = 2 * self._dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(
                f"{type(self).__name__}: expected padding as an int or {sides} ints, got {padding!r}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Pads the last dimensions with a value.

    Args:
        padding: one int for all sides, or pairs (before, after) from the last dimension backwards.
        value: what is added.
    """

    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_Pad):
    __doc__ = _Pad.__doc__
    _mode = "constant"


class _ReflectionPad(_Pad):
    __doc__ = _Pad.__doc__
    _mode = "reflect"


class _ReplicationPad(_Pad):
    __doc__ = _Pad.__doc__
    _mode = "replicate"


class _CircularPad(_Pad):
    __doc__ = _Pad.__doc__
    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """Pads signals with a value."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """Pads images with a value."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """Pads volumes with a value."""

    _dims = 3


class ZeroPad1d(_ZeroPad):
    """Pads signals with zeros."""

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Pads images with zeros."""

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Pads volumes with zeros."""

    _dims = 3


class ReflectionPad1d(_ReflectionPad):
    """Pads signals with their mirror image."""

    _dims = 1


class ReflectionPad2d(_ReflectionPad):
    """Pads images with their mirror image."""

    _dims = 2


class ReflectionPad3d(_ReflectionPad):
    """Pads volumes with their mirror image."""

    _dims = 3


class ReplicationPad1d(_ReplicationPad):
    """Pads signals with their border element."""

    _dims = 1


class ReplicationPad2d(_ReplicationPad):
    """Pads images with their border elements."""

    _dims = 2


class ReplicationPad3d(_ReplicationPad):
    """Pads volumes with their border elements."""

    _dims = 3


class CircularPad1d(_CircularPad):
    """Pads signals with their other end."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """Pads images with their other ends."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """Pads volumes with their other ends."""

    _dims = 3


class Upsample(Module):
    """Resamples signals, images or volumes to another size.

    Args:
        size: the new sizes, an int or one per dimension.
        scale_factor: instead of `size`, the new sizes as multiples of the old ones.
        mode: nearest, linear, bilinear, bicubic or trilinear.
        align_corners: the centres of corner elements stay in place, for the modes other than nearest.
        recompute_scale_factor: sample by the ratio of the sizes, not by `scale_factor`.
    Example:
        >>> list(clew.nn.Upsample(scale_factor=2)(clew.ones(1, 3, 4, 5)).shape)
        [1, 3, 8, 10]
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, tuple | list):
            self.scale_factor: Any = tuple(float(s) for s in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        what = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode nearest.

    Args:
        size, scale_factor: as in Upsample.
    Example:
        >>> list(clew.nn.UpsamplingNearest2d(scale_factor=2)(clew.ones(1, 1, 2, 2)).shape)
        [1, 1, 4, 4]
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode bilinear and aligned corners.

    Args:
        size, scale_factor: as in Upsample.
    Example:
        >>> list(clew.nn.UpsamplingBilinear2d(size=3)(clew.ones(1, 1, 2, 2)).shape)
        [1, 1, 3, 3]
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Moves channels into space: (*, C * r^2, H, W) becomes (*, C, H * r, W * r).

    Args:
        upscale_factor: r.
    Example:
        >>> list(clew.nn.PixelShuffle(2)(clew.ones(1, 4, 3, 3)).shape)
        [1, 1, 6, 6]
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Moves space into channels: (*, C, H * r, W * r) becomes (*, C * r^2, H, W).

    Args:
        downscale_factor: r.
    Example:
        >>> list(clew.nn.PixelUnshuffle(2)(clew.ones(1, 1, 6, 6)).shape)
        [1, 4, 3, 3]
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Interleaves groups of channels.

    Args:
        groups: how many groups the channels are made of.
    Example:
        >>> clew.nn.ChannelShuffle(2)(clew.arange(4.0).reshape(1, 4, 1)).flatten().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """Sliding windows of images as columns.

    Args:
        kernel_size, dilation, padding, stride: an int or a pair (height, width).
    Example:
        >>> list(clew.nn.Unfold(2)(clew.ones(1, 3, 4, 4)).shape)
        [1, 12, 9]
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """The transpose of Unfold: adds columns into images where their windows were.

    Args:
        output_size: (height, width) of the images.
        kernel_size, dilation, padding, stride: an int or a pair (height, width).
    Example:
        >>> list(clew.nn.Fold((4, 4), 2)(clew.ones(1, 12, 9)).shape)
        [1, 3, 4, 4]
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
