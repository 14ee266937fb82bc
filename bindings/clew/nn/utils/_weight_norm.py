"""Weights as direction times length."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn.parameter import Parameter

__all__ = ["remove_weight_norm", "weight_norm"]


def _norm(weight: Tensor, dim: int) -> Tensor:
    others = tuple(d for d in range(weight.dim()) if d != dim) if dim != -1 else tuple(range(weight.dim()))
    square = weight * weight
    return (square.sum(others, keepdim=dim != -1) if others else square).sqrt()


class _WeightNorm:
    """Computes the weight from its direction and length before each forward."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def compute(self, module: Any) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / _norm(v, self.dim))

    def __call__(self, module: Any, args: tuple) -> None:
        setattr(module, self.name, self.compute(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Replaces a parameter by its direction `<name>_v` and its length `<name>_g`; returns the module.

        w = g * v / ||v||

    Args:
        module: whose parameter it is.
        name: of the parameter.
        dim: along which there is a length for each index; None means one for all.
    Raises:
        RuntimeError: the parameter has weight norm already.
    Reference:
        Salimans, Kingma. Weight Normalization. 2016. arXiv:1602.07868.
    Example:
        >>> layer = clew.nn.utils.weight_norm(clew.nn.Linear(3, 2))
        >>> [key for key, _ in layer.named_parameters()]
        ['bias', 'weight_g', 'weight_v']
    """
    for hook, _ in (module._forward_pre_hooks or {}).values():
        if isinstance(hook, _WeightNorm) and hook.name == name:
            raise RuntimeError(f"weight_norm: expected a parameter without weight norm, got {name!r} with it")
    rule = _WeightNorm(name, -1 if dim is None else dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(_norm(weight.detach(), rule.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach().clone()))
    setattr(module, name, rule.compute(module))
    module.register_forward_pre_hook(rule)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Puts the parameter back that `weight_norm` replaced; returns the module.

    Raises:
        ValueError: the parameter has no weight norm.
    """
    hooks = module._forward_pre_hooks or {}
    for key, (hook, _) in list(hooks.items()):
        if isinstance(hook, _WeightNorm) and hook.name == name:
            with clew.no_grad():
                weight = hook.compute(module)
            delattr(module, name)
            del module._parameters[f"{name}_g"]
            del module._parameters[f"{name}_v"]
            module.register_parameter(name, Parameter(weight))
            del hooks[key]
            return module
    raise ValueError(f"remove_weight_norm: expected a parameter with weight norm, got {name!r}")
