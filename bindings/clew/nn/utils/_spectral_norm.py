"""Weights divided by their largest singular value, before each forward."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn.functional import normalize
from clew.nn.parameter import Parameter

__all__ = ["remove_spectral_norm", "spectral_norm"]


class _SpectralNorm:
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def rows(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).reshape(weight.shape[self.dim], -1)

    def compute(self, module: Any, iterate: bool) -> Tensor:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        rows = self.rows(weight)
        if iterate:
            with clew.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(rows.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(normalize(rows.mv(v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()
        return weight / u.dot(rows.mv(v))

    def __call__(self, module: Any, args: tuple) -> None:
        setattr(module, self.name, self.compute(module, module.training))


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divides a parameter by its largest singular value before each forward; returns the module.

    The parameter is `<name>_orig`; power iteration goes on from the vectors `<name>_u` and `<name>_v`.

    Args:
        module: whose parameter it is.
        name: of the parameter.
        n_power_iterations: per forward in training mode.
        eps: least norm to divide by.
        dim: of the outputs; default 0, and 1 for transposed convolutions.
    Raises:
        RuntimeError: the parameter has spectral norm already.
    Reference:
        Miyato et al. Spectral Normalization for Generative Adversarial Networks. 2018. arXiv:1802.05957.
    Example:
        >>> layer = clew.nn.utils.spectral_norm(clew.nn.Linear(3, 2))
        >>> [key for key, _ in layer.named_parameters()]
        ['bias', 'weight_orig']
    """
    for hook in (module._forward_pre_hooks or {}).values():
        rule = hook[0] if isinstance(hook, tuple) else hook
        if isinstance(rule, _SpectralNorm) and rule.name == name:
            raise RuntimeError(
                f"spectral_norm: expected a parameter without spectral norm, got {name!r} with it"
            )
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    rule = _SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    rows = rule.rows(weight.detach())
    h, w = rows.shape
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", normalize(rows.new_empty(h).normal_(0, 1), dim=0, eps=eps))
    module.register_buffer(f"{name}_v", normalize(rows.new_empty(w).normal_(0, 1), dim=0, eps=eps))
    module.register_forward_pre_hook(rule)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Makes a parameter with spectral norm a plain one again, as it is now; returns the module.

    Raises:
        ValueError: it has none.
    """
    for key, hook in list((module._forward_pre_hooks or {}).items()):
        rule = hook[0] if isinstance(hook, tuple) else hook
        if isinstance(rule, _SpectralNorm) and rule.name == name:
            with clew.no_grad():
                weight = rule.compute(module, iterate=False)
            module.__dict__.pop(name, None)
            for suffix in ("_u", "_v", "_orig"):
                delattr(module, name + suffix)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"remove_spectral_norm: expected a parameter with spectral norm, got {name!r}")
