"""Each kind of bad input: its class, its bases, and a message that says what was expected and what came."""

from __future__ import annotations

import numpy as np
import pytest

import clew
from clew import nn


def raises(kind, *texts: str):
    """The exception of `kind`, whose message holds every text."""

    class Check:
        def __enter__(self):
            return self

        def __exit__(self, found, value, _):
            assert found is not None, f"expected {kind.__name__}, got no exception"
            assert isinstance(value, kind), f"expected {kind.__name__}, got {found.__name__}: {value}"
            for text in texts:
                assert text in str(value), f"expected {text!r} in {value}"
            self.value = value
            return True

    return Check()


A, B = clew.ones(2, 3), clew.ones(4)


# --- the classes -----------------------------------------------------------------------------------


def test_classes_fit_both_habits_of_catching() -> None:
    bases = {
        clew.ShapeError: (RuntimeError, ValueError),
        clew.DTypeError: (RuntimeError, TypeError),
        clew.DeviceError: (RuntimeError,),
        clew.AutogradError: (RuntimeError,),
        clew.OutOfMemoryError: (RuntimeError, MemoryError),
        clew.FileFormatError: (RuntimeError,),
        clew.ArgumentError: (RuntimeError, ValueError),
    }
    for kind, expected in bases.items():
        assert issubclass(kind, clew.Error) and issubclass(kind, expected), kind
        assert kind.__doc__


# --- wrong type, unknown keyword -------------------------------------------------------------------


def test_wrong_type() -> None:
    signature = "softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor"
    with raises(TypeError, "softmax: expected int for argument 'dim', got str", signature):
        clew.softmax(A, "rows")
    with raises(TypeError, "softmax: expected Tensor for argument 'input', got list", signature):
        clew.softmax([1.0], 0)
    with raises(TypeError, "softmax: unexpected keyword argument 'axes'", signature):
        clew.softmax(A, axes=1)
    with raises(TypeError, "softmax: missing argument 'dim'", signature):
        clew.softmax(A)
    with raises(TypeError, "softmax: argument 'dim' given twice"):
        clew.softmax(A, 1, dim=1)
    with raises(TypeError, "softmax: expected at most 3 positional arguments, got 5"):
        clew.softmax(A, 1, None, 3, 4)
    with raises(TypeError, "exp: expected Tensor for argument 'input', got NoneType"):
        clew.exp(None)
    with raises(TypeError, "max", "got (Tensor, str)" if False else "str", "max(input: Tensor, dim: int"):
        A.max("rows")
    with raises(TypeError, "unsupported operand"):
        A + "x"
    with raises(TypeError, "expected integers, slices, None", "got str"):
        A["x"]
    with raises(TypeError, "got float"):
        A[1.5]


def test_wrong_type_in_data() -> None:
    with raises(TypeError, "tensor: expected numbers, got str"):
        clew.tensor([1, "a"])
    with raises(ValueError, "tensor: expected a sequence of length 2", "got length 1", "[1]"):
        clew.tensor([[1, 2], [3]])


# --- shapes ----------------------------------------------------------------------------------------


def test_shape_mismatch() -> None:
    with raises(clew.ShapeError, "add: expected", "(2, 3)", "(4,)", "sizes 3 and 4", "reshape or unsqueeze"):
        A + B
    with raises(clew.ShapeError, "mm: expected", "input (2, 3)", "mat2 (2, 3)", "3 and 2"):
        clew.mm(A, A)
    with raises(clew.ShapeError, "cat: expected", "(2, 3) at index 0", "(4,) at index 1"):
        clew.cat([A, B])
    with raises(clew.ShapeError, "view: expected", "strides (1, 3)", "use reshape()"):
        A.t().view(6)
    with raises(clew.ShapeError, "linear: expected input of shape (*, 3)", "got (4,)"):
        nn.functional.linear(B, A)
    with raises(clew.ShapeError, "add_: expected", "(2, 3)", "use add"):
        clew.ones(3).add_(A)


def test_gradient_of_the_wrong_shape() -> None:
    x = clew.ones(3, requires_grad=True)
    with raises(clew.ShapeError, "(3,)", "(2,)"):
        x.grad = clew.ones(2)


# --- dtypes and devices ----------------------------------------------------------------------------


def test_dtype_mismatch() -> None:
    with raises(
        clew.DTypeError, "mm: expected input and mat2 of one dtype", "float32 and float64", ".to(dtype)"
    ):
        clew.mm(A, clew.ones(3, 2, dtype=clew.float64))
    with raises(clew.DTypeError, "neg: expected dtype in", "got bool", ".to(dtype)"):
        -clew.tensor([True])
    with raises(clew.DTypeError, "add_: expected", "int64", "float32"):
        clew.ones(3, dtype=clew.int64).add_(1.5)
    with raises(clew.DTypeError, "where: expected a condition of dtype bool, got float32"):
        clew.where(A, 1.0, 2.0)


def test_device_mismatch() -> None:
    with raises(
        clew.DeviceError,
        "add: expected all tensors on one device",
        "float32(2, 3) on cpu",
        "meta",
        ".to(device)",
    ):
        A + clew.ones(2, 3, device="meta")
    with raises(clew.DeviceError, "meta"):
        clew.ones(2, device="meta").tolist()
    with raises(clew.DeviceError, "nonzero: expected data", "meta"):
        clew.ones(2, device="meta").nonzero()


def test_cuda_asked_for_and_absent() -> None:
    for ask in (lambda: clew.zeros(2, device="cuda"), lambda: A.to("cuda"), lambda: A.cuda()):
        missing = "expected a CUDA device, got none for cuda:0"
        with raises(clew.DeviceError, missing, "library", "driver", "device='cpu'"):
            ask()
    with raises(ValueError, "device: expected 'cpu', 'cuda', 'cuda:N' or 'meta', got 'tpu'"):
        clew.zeros(2, device="tpu")


# --- indices ---------------------------------------------------------------------------------------


def test_index_out_of_range() -> None:
    with raises(IndexError, "expected index in [-2, 1], got 5", "dimension 0 of size 2"):
        A[5]
    with raises(IndexError, "index: expected at most 2 indices for shape (2, 3), got 3"):
        A[0, 0, 0]
    with raises(IndexError, "index: expected index in [-3, 2], got 7", "dimension 1 of size 3"):
        A[:, [0, 7]]
    with raises(IndexError, "sum: expected dim in [-2, 1], got 2", "2 dimensions"):
        A.sum(2)
    with raises(IndexError, "embedding: expected", "got 9"):
        nn.functional.embedding(clew.tensor([9]), clew.ones(4, 2))
    with raises(IndexError):
        A[clew.tensor([True, False, True])]


# --- values ----------------------------------------------------------------------------------------


def test_bad_value() -> None:
    with raises(ValueError, "dropout: expected p in [0, 1], got 1.5"):
        nn.functional.dropout(A, 1.5)
    with raises(ValueError, "zeros: expected sizes >= 0, got -1"):
        clew.zeros(-1)
    with raises(ValueError, "item: expected a tensor with one element, got shape (2, 3)"):
        A.item()
    with raises(ValueError, "bool: expected a tensor with one element, got shape (2, 3)", "any() or all()"):
        bool(A)
    with raises(ValueError, "expanded", "clone() it first"):
        clew.ones(1).expand(3).add_(1)
    with raises(ValueError, "from_numpy", ".copy()"):
        clew.from_numpy(np.ones(3)[::-1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: clew.zeros(2**62, 4),
        lambda: clew.ones(2).expand(2**62, 2**62, 2),
        lambda: A.narrow(0, 2**62, 2**62),
        lambda: A.narrow(0, -(2**63), 1),
        lambda: A.select(0, 2**63 - 1),
        lambda: A.as_strided((2,), (2**62,)),
        lambda: A.as_strided((2**62,), (1,), 2**62),
        lambda: A.repeat(2**62, 2**62),
        lambda: A.transpose(2**62, 0),
        lambda: A.topk(2**62),
        lambda: A.view(2**32, 2**32),
        lambda: clew.arange(2**62),
        lambda: clew.eye(2**40),
        lambda: nn.functional.one_hot(clew.tensor([0]), 2**62),
        lambda: nn.functional.max_pool2d(clew.ones(1, 1, 4, 4), 2, stride=2**62),
        lambda: nn.functional.conv2d(clew.ones(1, 1, 4, 4), clew.ones(1, 1, 2, 2), dilation=2**62),
        lambda: A.diagonal(2**62)[0],
        lambda: A.cumsum(-(2**63)),
        lambda: A.unsqueeze(-(2**63)),
        lambda: A.index_select(0, clew.tensor([2**62])),
        lambda: A[clew.tensor([-(2**63)])],
        lambda: clew.zeros(2**63),
    ],
)
def test_extreme_integers_raise(call) -> None:
    """No integer reaches undefined behaviour: each of these ends in an exception, with the process intact."""
    with pytest.raises((RuntimeError, ValueError, IndexError, OverflowError, TypeError, MemoryError)):
        call()


def test_extreme_integers_that_mean_something() -> None:
    assert A[-(2**62) : 2**62].shape == (2, 3)
    assert A.tril(2**62).tolist() == A.tolist()
    assert A.triu(2**62).sum().item() == 0
    assert clew.zeros(0, 2**40).shape == (0, 2**40)


# --- the tape --------------------------------------------------------------------------------------


def test_stale_saved_tensor_names_both_ops_and_the_line() -> None:
    x = clew.ones(3, requires_grad=True)
    h = x * 1
    y = h * h  # the forward line
    h.add_(1)
    with raises(
        clew.AutogradError,
        "MulBackward: expected a saved tensor of shape (3,) at version 0, got version 1",
        "add_ changed it after MulBackward saved it",
        "saved by:",
        "test_errors.py",
        "y = h * h  # the forward line",
    ):
        y.sum().backward()


def test_error_in_backward_names_the_forward_line() -> None:
    class Broken(clew.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g[:1]

    x = clew.ones(3, requires_grad=True)
    y = Broken.apply(x)  # the line to blame
    with raises(clew.ShapeError, "BrokenBackward", "(3,)", "(1,)", "test_errors.py", "the line to blame"):
        (y * 2).sum().backward()

    def hook(g):
        return g[:2]

    h = x * 2  # the hooked line
    h.register_hook(hook)
    with raises(clew.ShapeError, "hook", "(3,)", "(2,)"):
        h.sum().backward()


def test_python_error_in_backward_keeps_its_class() -> None:
    class Failing(clew.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("mine")

    x = clew.ones(3, requires_grad=True)
    with pytest.raises(KeyError, match="mine") as e:
        Failing.apply(x).sum().backward()  # the forward line
    assert "the forward line" in e.value.__notes__[0] and "FailingBackward" in e.value.__notes__[0]
    assert clew.is_grad_enabled()


def test_freed_graph_and_leaf_in_place() -> None:
    x = clew.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with raises(clew.AutogradError, "retain_graph=True"):
        y.backward()
    with raises(clew.AutogradError, "leaf", "no_grad"):
        x.add_(1)


# --- memory ----------------------------------------------------------------------------------------


def test_out_of_memory_leaves_the_library_usable() -> None:
    with raises(clew.OutOfMemoryError, "expected", "bytes of CPU memory", "in use", "cached"):
        clew.zeros(2**45)
    clew.set_memory_limit(1 << 20)
    try:
        with raises(clew.OutOfMemoryError, "4194", "limit 1048576"):
            clew.zeros(1 << 20)
        x = clew.ones(1000, requires_grad=True)
        with raises(clew.OutOfMemoryError):
            x.expand(2000, 1000).exp().sum().backward()
        assert clew.ones(1000).sum().item() == 1000
    finally:
        clew.set_memory_limit(0)
    assert clew.zeros(1 << 20).sum().item() == 0


# --- modules ---------------------------------------------------------------------------------------


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(4) for _ in range(3)] + [Block(5)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Block(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(n, n)

    def forward(self, x):
        return self.linear1(x).relu()


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()

    def forward(self, x):
        return self.encoder(x)


def test_error_inside_nested_modules_carries_the_path() -> None:
    model = Model()
    with pytest.raises(clew.ShapeError, match="linear: expected input of shape") as e:
        model(clew.ones(2, 4))
    assert e.value.__notes__ == ["in module encoder.layers.3.linear1 (Linear)"]


# --- names that are not there ----------------------------------------------------------------------


def test_missing_names() -> None:
    with pytest.raises(AttributeError) as e:
        clew.sparse_csr_tensor
    assert isinstance(e.value, NotImplementedError) and "tier" in str(e.value)
    with pytest.raises(AttributeError) as e:
        clew.no_such_name
    assert not isinstance(e.value, NotImplementedError)


# --- files -----------------------------------------------------------------------------------------


def test_corrupt_file(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    clew.save({"w": clew.ones(4)}, path)
    whole = path.read_bytes()
    for bad in (whole[:5], whole[: len(whole) - 3], b"\xff" * 8 + whole[8:], whole[:9] + b"!" + whole[10:]):
        path.write_bytes(bad)
        with raises(clew.FileFormatError, "weights.safetensors", "expected"):
            clew.load(path)


def test_class_weights_that_require_grad_are_refused_on_the_way_back():
    x = clew.randn(4, 3, requires_grad=True)
    weight = clew.ones(3, requires_grad=True)
    loss = clew.nn.functional.cross_entropy(x, clew.tensor([0, 1, 2, 0]), weight)
    with pytest.raises(clew.AutogradError, match="expected class weights that need no gradient"):
        loss.backward()


def test_alpha_of_bools():
    mask = clew.ones(2, dtype=clew.bool)
    with pytest.raises(clew.DTypeError, match="add: expected a bool alpha, or 1, for dtype bool, got 2"):
        clew.add(mask, mask, alpha=2)


def test_scatter_that_multiplies_refuses_a_gradient():
    x = clew.ones(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="scatter: expected input and src that do not require grad"):
        x.scatter(0, clew.tensor([0]), clew.ones(1), reduce="multiply")
    with clew.no_grad():
        assert x.scatter(0, clew.tensor([0]), clew.full((1,), 2.0), reduce="multiply").tolist() == [2, 1, 1]


def test_rounding_to_more_digits_than_the_dtype_has():
    x = clew.tensor([3.0, -250.0], dtype=clew.float16)
    assert x.round(decimals=-7).tolist() == [0, 0]
    assert x.round(decimals=9).tolist() == [3, -250]


def test_tensor_split_into_too_many():
    with pytest.raises(
        ValueError, match="tensor_split: expected sections <= 1048576, got 4611686018427387904"
    ):
        clew.tensor_split(clew.ones(1, 0), 1 << 62)


def test_repeat_interleave_copies():
    x = clew.tensor(3.0)
    for y in (clew.repeat_interleave(x, 1), clew.repeat_interleave(x, 4), x.reshape(1).repeat_interleave(1)):
        y[0] = 7.0
        assert x.item() == 3 and y.tolist()[1:] == [3.0] * (len(y) - 1)
    with pytest.raises((clew.Error, MemoryError)):
        clew.repeat_interleave(x, 1 << 62)
