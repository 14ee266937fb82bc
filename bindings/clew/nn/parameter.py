"""Parameters: tensors that a module owns and an optimizer updates."""

from __future__ import annotations

import clew
from clew import _C, Tensor

__all__ = ["Buffer", "Parameter", "UninitializedParameter"]


class Parameter(Tensor):
    """A leaf tensor that a `Module` lists in `parameters()` when it is set as an attribute.

    Args:
        data: tensor of any shape; its memory is shared. None means an empty float tensor.
        requires_grad: whether backward accumulates into `.grad`.
    Example:
        >>> clew.nn.Parameter(clew.ones(2)).requires_grad
        True
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = clew.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__} (argument 'data')")
        result = _C._as_subclass(data, cls)
        if requires_grad:
            result.requires_grad_(True)
        return result

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        """Everything is done by `__new__`: a tensor has no second initialisation."""

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = result
        return result


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; a lazy layer gives it data at its first call."""

    def __new__(cls, requires_grad: bool = True, device: object = None, dtype: object = None) -> Parameter:
        return super().__new__(cls, clew.empty(0, device=device, dtype=dtype), requires_grad)

    def __init__(self, requires_grad: bool = True, device: object = None, dtype: object = None) -> None:
        """Everything is done by `__new__`."""

    def materialize(self, like: Tensor) -> None:
        """Becomes a Parameter with the data of `like`."""
        self.data = like.detach()
        self.__class__ = Parameter

    def __repr__(self) -> str:
        return "<UninitializedParameter>"

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]


class _BufferMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and _is_buffer(instance)


class Buffer(metaclass=_BufferMeta):
    """Marks a tensor so that a `Module` registers it as a buffer when it is set as an attribute.

    Args:
        data: tensor of any shape; its memory is shared. None means an empty float tensor.
        persistent: whether `state_dict` holds it.
    Returns:
        A tensor, of which `isinstance(tensor, clew.nn.Buffer)` is true.
    Example:
        >>> module = clew.nn.Module()
        >>> module.mean = clew.nn.Buffer(clew.zeros(2))
        >>> list(module.state_dict())
        ['mean']
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:
        if data is None:
            data = clew.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected a Tensor, got {type(data).__name__} (argument 'data')")
        result = data.detach().requires_grad_(data.requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result


def _is_buffer(tensor: Tensor) -> bool:
    return getattr(tensor, "_is_buffer", False) is True
