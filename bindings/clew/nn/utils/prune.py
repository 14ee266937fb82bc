"""Parameters with elements held at zero by a mask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import clew
from clew import Tensor
from clew.nn.parameter import Parameter

__all__ = [
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "L1Unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "RandomUnstructured",
    "remove",
]


class _Mask:
    """Computes the parameter from its original and its mask before each forward."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Any) -> Tensor:
        return getattr(module, f"{self.name}_mask") * getattr(module, f"{self.name}_orig")

    def __call__(self, module: Any, args: tuple) -> None:
        setattr(module, self.name, self.compute(module))


def _rules(module: Any) -> list[tuple[int, _Mask]]:
    hooks = (module._forward_pre_hooks or {}).items()
    return [(key, hook[0]) for key, hook in hooks if isinstance(hook[0], _Mask)]


def _count(what: str, amount: float | int, n: int) -> int:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"{what}: expected amount to be a number, got {type(amount).__name__}")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"{what}: expected a fraction in [0, 1] or a number >= 0, got {amount}")
    if isinstance(amount, int) and amount > n:
        raise ValueError(f"{what}: expected amount <= {n}, the number there is, got {amount}")
    return amount if isinstance(amount, int) else round(amount * n)


def _apply(module: Any, name: str, mask: Tensor) -> Any:
    """Puts `mask` on top of the one there is."""
    if not any(rule.name == name for _, rule in _rules(module)):
        weight = module._parameters[name]
        del module._parameters[name]
        module.register_parameter(f"{name}_orig", weight)
        module.register_buffer(f"{name}_mask", clew.ones_like(weight.detach()))
        module.register_forward_pre_hook(_Mask(name))
    key = f"{name}_mask"
    setattr(module, key, getattr(module, key) * mask.to(getattr(module, key).dtype))
    setattr(module, name, _Mask(name).compute(module))
    return module


def _current(module: Any, name: str) -> tuple[Tensor, Tensor]:
    """The parameter as it is, and its mask so far."""
    weight = getattr(module, name).detach()
    return weight, getattr(module, f"{name}_mask", clew.ones_like(weight))


def _without(scores: Tensor, so_far: Tensor, n: int) -> Tensor:
    """A mask that also drops the `n` smallest scores among those that are left."""
    left = scores.masked_fill(so_far == 0, float("inf")).reshape(-1)
    mask = clew.ones_like(left)
    if n:
        mask[left.topk(n, largest=False).indices] = 0
    return mask.reshape(scores.shape)


def identity(module: Any, name: str) -> Any:
    """Gives a parameter a mask that keeps everything; returns the module."""
    return _apply(module, name, clew.ones_like(getattr(module, name).detach()))


def custom_from_mask(module: Any, name: str, mask: Tensor) -> Any:
    """Holds the elements where `mask` is 0 at zero; returns the module."""
    return _apply(module, name, mask)


def l1_unstructured(module: Any, name: str, amount: float | int, importance_scores: Any = None) -> Any:
    """Holds the elements of least magnitude at zero; returns the module.

    Args:
        module: whose parameter it is.
        name: of the parameter; the original is `<name>_orig` and the mask `<name>_mask`.
        amount: how many of those that are left, or which fraction of them.
        importance_scores: to go by instead of the magnitudes.
    Example:
        >>> layer = clew.nn.utils.prune.l1_unstructured(clew.nn.Linear(4, 2), "weight", 3)
        >>> int((layer.weight == 0).sum())
        3
    """
    weight, mask = _current(module, name)
    scores = (weight if importance_scores is None else importance_scores).abs()
    n = _count("l1_unstructured", amount, int((mask != 0).sum()))
    return _apply(module, name, _without(scores, mask, n))


def random_unstructured(module: Any, name: str, amount: float | int) -> Any:
    """Holds elements chosen by chance at zero; returns the module."""
    weight, mask = _current(module, name)
    n = _count("random_unstructured", amount, int((mask != 0).sum()))
    return _apply(module, name, _without(clew.rand(weight.shape), mask, n))


def _structured(what: str, module: Any, name: str, amount: float | int, dim: int, scores: Any) -> Any:
    weight, mask = _current(module, name)
    d = dim % weight.dim()
    others = tuple(i for i in range(weight.dim()) if i != d)
    alive = mask.sum(others) != 0
    n = _count(what, amount, int(alive.sum()))
    keep = _without(scores(weight, others), alive, n)
    shape = [1] * weight.dim()
    shape[d] = -1
    return _apply(module, name, keep.reshape(shape).expand(weight.shape))


def ln_structured(
    module: Any, name: str, amount: float | int, n: float, dim: int, importance_scores: Any = None
) -> Any:
    """Holds whole slices of least norm at zero; returns the module.

    Args:
        module: whose parameter it is.
        name: of the parameter.
        amount: how many slices of those that are left, or which fraction of them.
        n: order of the norm.
        dim: along which slices are counted.
        importance_scores: to go by instead of the weights.
    """

    def scores(weight: Tensor, others: tuple[int, ...]) -> Tensor:
        given = weight if importance_scores is None else importance_scores
        return clew.linalg.vector_norm(given, n, others)

    return _structured("ln_structured", module, name, amount, dim, scores)


def random_structured(module: Any, name: str, amount: float | int, dim: int) -> Any:
    """Holds whole slices chosen by chance at zero; returns the module."""
    return _structured(
        "random_structured",
        module,
        name,
        amount,
        dim,
        lambda weight, others: clew.rand(weight.sum(others).shape),
    )


class L1Unstructured:
    """Names the method of `l1_unstructured` for `global_unstructured`."""

    scores = staticmethod(lambda weight: weight.abs())


class RandomUnstructured:
    """Names the method of `random_unstructured` for `global_unstructured`."""

    scores = staticmethod(lambda weight: clew.rand(weight.shape))


def global_unstructured(
    parameters: Iterable[tuple[Any, str]],
    pruning_method: Any,
    importance_scores: Any = None,
    *,
    amount: float | int,
) -> None:
    """Holds the least of all elements of several parameters together at zero.

    Args:
        parameters: pairs (module, name).
        pruning_method: L1Unstructured or RandomUnstructured.
        importance_scores: a dict from such pairs to what to go by instead of the weights.
        amount: how many of those that are left, or which fraction of them.
    """
    pairs = list(parameters)
    given = importance_scores or {}
    current = [_current(module, name) for module, name in pairs]
    scores = clew.cat(
        [
            pruning_method.scores(given.get(pair, weight)).reshape(-1)
            for pair, (weight, _) in zip(pairs, current, strict=True)
        ]
    )
    mask = clew.cat([m.reshape(-1) for _, m in current])
    keep = _without(scores, mask, _count("global_unstructured", amount, int((mask != 0).sum())))
    start = 0
    for (module, name), (weight, _) in zip(pairs, current, strict=True):
        _apply(module, name, keep[start : start + weight.numel()].reshape(weight.shape))
        start += weight.numel()


def is_pruned(module: Any) -> bool:
    """Whether a module, or one within, has a parameter with a mask."""
    return any(_rules(m) for m in module.modules())


def remove(module: Any, name: str) -> Any:
    """Makes a parameter with a mask a plain one, zeros and all; returns the module.

    Raises:
        ValueError: it has no mask.
    """
    for key, rule in _rules(module):
        if rule.name == name:
            weight = module._parameters[f"{name}_orig"]
            weight.data = rule.compute(module).detach()
            delattr(module, name)
            delattr(module, f"{name}_orig")
            delattr(module, f"{name}_mask")
            module.register_parameter(name, Parameter(weight) if type(weight) is Tensor else weight)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"remove: expected a parameter with a mask, got {name!r}")


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("nn.utils.prune", name)
