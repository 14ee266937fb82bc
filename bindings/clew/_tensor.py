"""Methods of Tensor that are written in Python."""

from __future__ import annotations

from typing import Any

from clew import _C

Tensor = _C.Tensor
_dtypes = {
    "float": _C.float32,
    "double": _C.float64,
    "half": _C.float16,
    "bfloat16": _C.bfloat16,
    "long": _C.int64,
    "int": _C.int32,
    "short": _C.int16,
    "char": _C.int8,
    "byte": _C.uint8,
    "bool": _C.bool,
}


def _method(function: Any) -> Any:
    _C._set_method(function.__name__, function)
    return function


@_method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds the gradient of this tensor with respect to every leaf into the leaf's `.grad`.

    Args:
        gradient: gradient of some scalar with respect to this tensor, of its shape; None means 1 and needs a
            one-element tensor.
        retain_graph: keep what backward reads, for a second backward; default `create_graph`.
        create_graph: record the backward itself, for higher derivatives.
        inputs: only these leaves get gradients.
    Raises:
        clew.AutogradError: the tensor has no history, or an earlier backward freed it.
    """
    _C._backward(self, gradient, create_graph if retain_graph is None else retain_graph, create_graph, inputs)


def _formatted(tensor, memory_format):
    return tensor if memory_format is None else tensor.contiguous(memory_format=memory_format)


@_method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """Converts dtype, device or both: `x.to(dtype)`, `x.to(device)`, `x.to(device, dtype)`, `x.to(other)`.

    `memory_format=clew.channels_last` orders the elements of images so that channels lie side by side.

    Returns:
        The tensor itself when nothing changes and `copy` is False.
    """
    flags: list[Any] = []  # non_blocking and copy, in this order
    for a in args:
        if a is True or a is False:
            flags.append(a)
        elif isinstance(a, _C.dtype) or a in (float, int, bool):
            dtype = a
        elif isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, (str, _C.device)):
            device = a
        elif a is not None:
            raise TypeError(f"to: expected a dtype, a device or a tensor, got {a.__class__.__name__}")
    if len(flags) > 1:
        copy = flags[1]
    non_blocking = flags[0] if flags else non_blocking
    return _formatted(_C._to(self, dtype, device, copy, non_blocking), memory_format)


@_method
def type(self, dtype=None):
    """The name of the dtype as a string, or the tensor converted to `dtype`."""
    if dtype is None:
        return f"clew.{self.dtype!r}".replace("clew.clew.", "clew.")
    if isinstance(dtype, str):
        name = dtype.rpartition(".")[2]
        named = _dtypes.get(name.removesuffix("Tensor").lower()) if name.endswith("Tensor") else None
        dtype = named or getattr(_C, name, None)
        if not isinstance(dtype, _C.dtype):
            raise ValueError(f"type: expected a dtype or its name, got {name!r}")
    return _C._to(self, getattr(dtype, "_dtype", dtype), None, False)


def _converter(name: str, dtype: _C.dtype) -> Any:
    def convert(self, memory_format=None):
        return _formatted(_C._to(self, dtype, None, False), memory_format)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The tensor as {dtype!r}; itself when it is that already."
    return convert


for _name, _dtype in _dtypes.items():
    _C._set_method(_name, _converter(_name, _dtype))


@_method
def cpu(self, memory_format=None):
    """The tensor on the CPU; itself when it is there."""
    return _formatted(_C._to(self, None, "cpu", False), memory_format)


@_method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """The tensor on a CUDA device."""
    return _formatted(
        _C._to(self, None, "cuda" if device is None else device, False, non_blocking), memory_format
    )


@_method
def numpy(self, *, force=False):
    """The data as a NumPy array that shares memory.

    Raises:
        clew.AutogradError: the tensor requires grad (use `detach()`), unless `force`.
        TypeError: NumPy has no such dtype.
    """
    return _C._to_numpy(self.detach().cpu() if force else self)


@_method
def __array__(self, dtype=None, copy=None):
    array = _C._to_numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@_method
def type_as(self, other):
    """The tensor as the dtype and device of `other`."""
    return _C._to(self, other.dtype, other.device, False)


@_method
def get_device(self):
    """Index of the CUDA device, -1 on the CPU."""
    index = self.device.index
    return -1 if index is None else index


@_method
def equal(self, other):
    """True when shapes and all values are equal."""
    return _C.equal(self, other)


@_method
def view_as(self, other):
    """A view of the shape of `other`."""
    return self.view(other.shape)


@_method
def reshape_as(self, other):
    """The tensor in the shape of `other`."""
    return self.reshape(other.shape)


@_method
def fill_diagonal_(self, value):
    """Writes `value` along the main diagonal."""
    self.diagonal().fill_(value)
    return self


def _sizes(size):
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size


def _new(function, self, size, dtype, device, requires_grad, *value, **common):
    return function(
        _sizes(size),
        *value,
        dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
        **common,
    )


@_method
def new_zeros(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Zeros of the given size, with this tensor's dtype and device."""
    return _new(
        _C.functions.zeros, self, size, dtype, device, requires_grad, layout=layout, pin_memory=pin_memory
    )


@_method
def new_ones(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Ones of the given size, with this tensor's dtype and device."""
    return _new(
        _C.functions.ones, self, size, dtype, device, requires_grad, layout=layout, pin_memory=pin_memory
    )


@_method
def new_empty(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Uninitialised memory of the given size, with this tensor's dtype and device."""
    return _new(
        _C.functions.empty, self, size, dtype, device, requires_grad, layout=layout, pin_memory=pin_memory
    )


@_method
def new_full(
    self, size, fill_value, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False
):
    """`fill_value` everywhere, with this tensor's dtype and device."""
    return _new(
        _C.functions.full,
        self,
        (size,),
        dtype,
        device,
        requires_grad,
        fill_value,
        layout=layout,
        pin_memory=pin_memory,
    )


@_method
def new_tensor(self, data, dtype=None, device=None, requires_grad=False):
    """A copy of `data`, with this tensor's dtype and device."""
    return _C.tensor(
        data,
        dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
    )


@_method
def register_hook(self, hook):
    """Calls `hook(grad)` in backward; a returned tensor replaces the gradient.

    Returns:
        A handle whose `remove()` takes the hook off.
    """
    from clew.autograd.graph import TensorHookHandle

    return TensorHookHandle(self, _C._register_hook(self, hook))


@_method
def register_post_accumulate_grad_hook(self, hook):
    """Calls `hook(tensor)` after a gradient was added into this leaf's `.grad`."""
    from clew.autograd.graph import TensorHookHandle

    return TensorHookHandle(self, _C._register_post_accumulate_grad_hook(self, hook))


@_method
def __rpow__(self, other):
    return _C.functions.pow(_C.as_tensor(other), self)


@_method
def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise _C.AutogradError(
            "deepcopy: expected a leaf, got the result of "
            f"{self.grad_fn.name()} (detach() it; a copy cannot share its history)"
        )
    copy = self.detach().clone()
    cls = self.__class__
    if cls is not Tensor:
        copy = _C._as_subclass(copy, cls)
    copy.requires_grad_(self.requires_grad)
    if self.grad is not None:
        copy.grad = self.grad.detach().clone()
    if self.__dict__:
        from copy import deepcopy

        copy.__dict__.update(deepcopy(self.__dict__, memo))
    memo[id(self)] = copy
    return copy


def _rebuild(cls, array, dtype_name, shape, requires_grad):
    dtype = getattr(_C, dtype_name)
    t = _C._tensor_from_bytes(array, 0, dtype, shape)
    if cls is not Tensor:
        t = _C._as_subclass(t, cls)
    return t.requires_grad_(requires_grad)


@_method
def __reduce_ex__(self, protocol):
    contiguous = self.detach().contiguous()  # must outlive the view of its bytes
    data = bytes(_C._tensor_bytes(contiguous))
    name = repr(self.dtype).removeprefix("clew.")
    return (_rebuild, (self.__class__, data, name, list(self.shape), self.requires_grad))


@_method
def __format__(self, spec):
    return format(self.item(), spec) if self.dim() == 0 and spec else repr(self)


@_method
def __round__(self, ndigits=None):
    if ndigits:
        scale = 10**ndigits
        return (self * scale).round() / scale
    return self.round()


@_method
def __reversed__(self):
    return self.flip(0) if self.dim() else self


@_method
def __rfloordiv__(self, other):
    return _C.functions.floor_divide(other, self)


@_method
def bernoulli_(self, p=0.5, *, generator=None):
    """Overwrites the tensor with 1 where chance falls below `p`, else 0.

    Args:
        p: probability, a number or a tensor that broadcasts to this shape.
        generator: default: the generator that manual_seed sets.
    Returns:
        The tensor itself.
    Raises:
        ValueError: a probability outside of [0, 1].
    Example:
        >>> clew.zeros(2).bernoulli_(1.0).tolist()
        [1.0, 1.0]
    """
    if not isinstance(p, Tensor):
        p = _C.tensor(p, dtype=_C.float64)
    return self.copy_(_C.functions.bernoulli(p.detach().expand(self.shape), generator=generator))


@_method
def nonzero(self, *, as_tuple=False):
    """See clew.nonzero."""
    from clew._creation import nonzero

    return nonzero(self, as_tuple=as_tuple)


@_method
def share_memory_(self):
    """Moves the data into memory that other processes see when they get the tensor; returns the tensor.

    Raises:
        ValueError: the tensor is a view of another.
    """
    from clew.utils._shared_memory import share

    return share(self)


@_method
def is_shared(self):
    """Whether the data are in shared memory."""
    from clew.utils._shared_memory import is_shared

    return is_shared(self)


@_method
def pin_memory(self, device=None):
    """A copy in pinned memory, from which copies to a device run beside other work; `self` if it is there.

    Raises:
        clew.DeviceError: there is no device, or `self` is not on the CPU.
    """
    return self if _C._is_pinned(self) else _C._pin_memory(self)


@_method
def is_pinned(self, device=None):
    """Whether the data are in pinned memory."""
    return _C._is_pinned(self)


@_method
def record_stream(self, stream):
    """Keeps the memory from being used again until the work that `stream` has by now is done.

    For tensors that were made on one stream and are used on another.

    Raises:
        clew.DeviceError: the tensor is not on the device of the stream.
    """
    _C._cuda_record_stream(self, stream._stream)


class _Missing:
    """Stands for a method that is known and not there: asking for it says so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance, owner=None):
        from clew._missing import missing

        raise missing("Tensor", self.name)


@_method
def __dir__(self):
    return [n for n in object.__dir__(self) if not isinstance(Tensor.__dict__.get(n), _Missing)]


def _mark_missing() -> None:
    from clew._missing import method_names

    for name in method_names():
        if name not in Tensor.__dict__ and not hasattr(_C.functions, name):
            _C._set_method(name, _Missing(name))


_mark_missing()
