"""Helpers over a model's parameters: gradient clipping, flattening."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import clew
from clew import _C, Tensor
from clew.nn.utils import rnn
from clew.nn.utils._spectral_norm import remove_spectral_norm, spectral_norm
from clew.nn.utils._weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]


def _tensors(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Returns the norm of all elements of all tensors, as if they were one vector.

    Args:
        tensors: floating point tensors of any shapes.
        norm_type: the p of the p-norm; `inf` for the largest magnitude.
        error_if_nonfinite: raise when the norm is nan or infinite.
        foreach: accepted, without effect.
    Returns:
        A zero-dimensional tensor.
    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.
    """
    norm_type = float(norm_type)
    tensors = _tensors(tensors)
    total = _C._total_norm(tensors, norm_type)
    if error_if_nonfinite and not bool(clew.isfinite(total)):
        raise RuntimeError(
            f"get_total_norm: expected a finite norm, got {total.item()} (norm_type {norm_type}; "
            "error_if_nonfinite=False lets it pass)"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies every gradient by min(1, max_norm / (total_norm + 1e-6)), in place.

    Args:
        parameters: tensors whose `.grad` is scaled; those without one are skipped.
        max_norm: the norm that the gradients may have together.
        total_norm: the norm that they have.
        foreach: accepted, without effect.
    """
    grads = [p.grad for p in _tensors(parameters) if p.grad is not None]
    if grads and grads[0].is_cuda:
        # The factor stays on the device: nothing waits for it.
        with clew.no_grad():
            scale = (float(max_norm) / (total_norm.to(grads[0].device) + 1e-6)).clamp(max=1.0)
            _C._scale_by_(grads, 1.0, scale, None)
        return
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    # A nan factor is passed on: hiding it would train on unclipped gradients.
    if not factor >= 1.0:
        _C._scale_(grads, factor)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients by one factor so that their common norm is at most `max_norm`.

        g = g * min(1, max_norm / (total_norm + 1e-6))

    Args:
        parameters: tensors whose `.grad` is scaled; those without one are skipped.
        max_norm: the norm that the gradients may have together.
        norm_type: the p of the p-norm; `inf` for the largest magnitude.
        error_if_nonfinite: raise when the norm is nan or infinite.
        foreach: accepted, without effect.
    Returns:
        The norm before clipping, a zero-dimensional tensor.
    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.
    Reference:
        Pascanu, Mikolov, Bengio. On the difficulty of training recurrent neural networks. 2013.
    Example:
        >>> p = clew.nn.Parameter(clew.zeros(2))
        >>> p.grad = clew.tensor([3.0, 4.0])
        >>> clew.nn.utils.clip_grad_norm_([p], 1.0).item()
        5.0
    """
    parameters = _tensors(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamps every element of every gradient to [-clip_value, clip_value], in place.

    Args:
        parameters: tensors whose `.grad` is clamped; those without one are skipped.
        clip_value: the largest magnitude.
        foreach: accepted, without effect.
    """
    clip_value = float(clip_value)
    with clew.no_grad():
        for p in _tensors(parameters):
            if p.grad is not None:
                p.grad.detach().clamp_(min=-clip_value, max=clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Returns all parameters in one vector, in order; gradients flow through it.

    Args:
        parameters: tensors of any shapes.
    Returns:
        Tensor of shape (total number of elements,).
    Example:
        >>> list(clew.nn.utils.parameters_to_vector(clew.nn.Linear(3, 2).parameters()).shape)
        [8]
    """
    return clew.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Writes the pieces of one vector into the parameters; the inverse of `parameters_to_vector`.

    Args:
        vec: shape (total number of elements,).
        parameters: tensors to overwrite.
    Raises:
        TypeError: `vec` is not a tensor.
        ValueError: `vec` has another number of elements than the parameters together.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__} (argument 'vec')")
    parameters = list(parameters)
    total = sum(p.numel() for p in parameters)
    if vec.numel() != total:
        raise ValueError(
            f"vector_to_parameters: expected {total} elements, got {vec.numel()} (argument 'vec')"
        )
    start = 0
    with clew.no_grad():
        for p in parameters:
            end = start + p.numel()
            p.copy_(vec[start:end].reshape(p.shape))
            start = end


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """A module whose parameters are not initialised: memory as it comes.

    Args:
        module_cls: a class of modules with a `device` parameter.
        args, kwargs: what it takes.
    Returns:
        The module.
    """
    import inspect

    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(f"skip_init: expected a module with a device parameter, got {module_cls.__name__}")
    device = kwargs.pop("device", "cpu")
    return module_cls(*args, device="meta", **kwargs).to_empty(device=device)


def __getattr__(name: str) -> Any:
    if name in ("parametrizations", "parametrize", "prune", "stateless"):
        import importlib

        return importlib.import_module(f"clew.nn.utils.{name}")
    from clew._missing import missing

    raise missing("nn.utils", name)
