"""Layers that find out their number of inputs at the first call."""

from __future__ import annotations

from typing import Any

from clew import Tensor
from clew.nn.modules import batchnorm, conv, linear
from clew.nn.modules.module import Module
from clew.nn.parameter import UninitializedParameter

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class _Lazy(Module):
    """Before the first call: the layer's attributes, and parameters without data."""

    _becomes: type[Module]
    _attribute = "in_channels"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        groups = kwargs.get("groups", 1)
        like = self._becomes(groups, *args, **{**kwargs, "device": "meta"})
        state = self.__dict__
        for key, value in like.__dict__.items():
            if key not in ("_parameters", "_buffers", "_modules", "training"):
                state[key] = value
        setattr(self, self._attribute, 0)
        for name, parameter in like._parameters.items():
            self.register_parameter(name, None if parameter is None else UninitializedParameter())
        state["_arguments"] = (args, kwargs)

    def has_uninitialized_params(self) -> bool:
        """Whether the layer waits for its first input."""
        return "_arguments" in self.__dict__

    def _channels(self, input: Tensor) -> int:
        spatial = getattr(self, "_dims", 1)
        if input.dim() not in (spatial + 1, spatial + 2):
            raise ValueError(
                f"{type(self).__name__}: expected input of {spatial + 1} or {spatial + 2} dimensions, got "
                f"{tuple(input.shape)}"
            )
        return input.shape[-spatial - 1]

    def initialize_parameters(self, input: Tensor) -> None:
        """Gives the parameters the shapes that `input` asks for, and their first values."""
        args, kwargs = self.__dict__.pop("_arguments")
        layer = self._becomes(self._channels(input), *args, **kwargs)
        for name, parameter in layer._parameters.items():
            if parameter is not None:
                self._parameters[name].materialize(parameter)
        self._buffers.update(layer._buffers)
        setattr(self, self._attribute, getattr(layer, self._attribute))
        self.__class__ = self._becomes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(args[0])
        return self(*args, **kwargs)


def _norm_channels(self: Any, input: Tensor) -> int:
    if input.dim() < 2:
        raise ValueError(
            f"{type(self).__name__}: expected input of at least 2 dimensions, got {tuple(input.shape)}"
        )
    return input.shape[1]


def _last(self: Any, input: Tensor) -> int:
    return input.shape[-1]


def _make(name: str, base: type[Module], attribute: str, channels: Any = None) -> type:
    body: dict[str, Any] = {
        "__doc__": f"{base.__name__} without its first argument, which the first input tells.\n\n"
        f"    Args:\n        args: those of {base.__name__} after its first.\n    ",
        "__module__": __name__,
        "_becomes": base,
        "_attribute": attribute,
        "extra_repr": base.extra_repr,
    }
    if hasattr(base, "_dims"):
        body["_dims"] = base._dims
    if channels is not None:
        body["_channels"] = channels
    return type(name, (_Lazy,), body)


LazyLinear = _make("LazyLinear", linear.Linear, "in_features", _last)
LazyConv1d = _make("LazyConv1d", conv.Conv1d, "in_channels")
LazyConv2d = _make("LazyConv2d", conv.Conv2d, "in_channels")
LazyConv3d = _make("LazyConv3d", conv.Conv3d, "in_channels")
LazyConvTranspose1d = _make("LazyConvTranspose1d", conv.ConvTranspose1d, "in_channels")
LazyConvTranspose2d = _make("LazyConvTranspose2d", conv.ConvTranspose2d, "in_channels")
LazyConvTranspose3d = _make("LazyConvTranspose3d", conv.ConvTranspose3d, "in_channels")
LazyBatchNorm1d = _make("LazyBatchNorm1d", batchnorm.BatchNorm1d, "num_features", _norm_channels)
LazyBatchNorm2d = _make("LazyBatchNorm2d", batchnorm.BatchNorm2d, "num_features", _norm_channels)
LazyBatchNorm3d = _make("LazyBatchNorm3d", batchnorm.BatchNorm3d, "num_features", _norm_channels)
LazyInstanceNorm1d = _make("LazyInstanceNorm1d", batchnorm.InstanceNorm1d, "num_features", _norm_channels)
LazyInstanceNorm2d = _make("LazyInstanceNorm2d", batchnorm.InstanceNorm2d, "num_features", _norm_channels)
LazyInstanceNorm3d = _make("LazyInstanceNorm3d", batchnorm.InstanceNorm3d, "num_features", _norm_channels)
