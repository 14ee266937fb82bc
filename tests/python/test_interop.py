"""Data in and out: Python numbers and lists, NumPy, DLPack."""

import array
import gc
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest

import clew

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def numpy_dtype(name):
    return np.dtype(np.bool_ if name == "bool" else name)


# --- numbers and nested sequences ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (True, "bool", True),
        (3, "int64", 3),
        (2.5, "float32", 2.5),
        ([True, False], "bool", [True, False]),
        ([True, 2], "int64", [1, 2]),
        ([True, 2, 0.5], "float32", [1.0, 2.0, 0.5]),
        ([[1, 2], [3, 4.5]], "float32", [[1.0, 2.0], [3.0, 4.5]]),
        ([(1, 2), [3, 4]], "int64", [[1, 2], [3, 4]]),
        (range(4), "int64", [0, 1, 2, 3]),
        ([], "float32", []),
        ([[], []], "float32", [[], []]),
        ([2**53 + 1, 1], "int64", [2**53 + 1, 1]),
        ([-(2**63), 2**63 - 1], "int64", [-(2**63), 2**63 - 1]),
    ],
)
def test_inference(data, dtype, values):
    t = clew.tensor(data)
    assert t.dtype is getattr(clew, dtype)
    assert t.tolist() == values


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
def test_explicit_dtype(name):
    t = clew.tensor([[0, 1], [1.0, True]], dtype=getattr(clew, name))
    assert t.dtype is getattr(clew, name)
    assert t.tolist() == [[0, 1], [1, 1]]


def test_default_dtype_is_followed():
    clew.set_default_dtype(clew.float64)
    try:
        assert clew.tensor([1.5]).dtype is clew.float64
        assert clew.tensor([]).dtype is clew.float64
    finally:
        clew.set_default_dtype(clew.float32)


def test_scalars_of_numpy_and_tensors_in_lists():
    assert clew.tensor(np.float64(1.5)).dtype is clew.float64
    assert clew.tensor([np.float64(1), 2]).dtype is clew.float64
    assert clew.tensor([np.int8(1), np.int16(2)]).dtype is clew.int16
    assert clew.tensor([np.bool_(True)]).dtype is clew.bool
    t = clew.tensor([clew.tensor(1.0), clew.tensor([2.0]), clew.tensor(3, dtype=clew.float64)])
    assert t.tolist() == [1.0, 2.0, 3.0]
    assert t.dtype is clew.float64
    assert clew.tensor([clew.ones(1, requires_grad=True)]).requires_grad is False


def test_arrays_in_lists_give_their_dimensions():
    t = clew.tensor([np.arange(3), np.arange(3) + 0.5])
    assert t.shape == (2, 3)
    assert t.dtype is clew.float64
    assert t.tolist() == [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]
    with pytest.raises(ValueError, match="expected an array of shape"):
        clew.tensor([np.arange(3), np.arange(2)])


def test_float_to_int_truncates():
    assert clew.tensor([1.9, -1.9], dtype=clew.int64).tolist() == [1, -1]
    assert clew.tensor([0.5, 0.0], dtype=clew.bool).tolist() == [True, False]


@pytest.mark.parametrize(
    ("data", "dtype", "error", "text"),
    [
        (
            [[1, 2], [3]],
            None,
            ValueError,
            r"tensor: expected a sequence of length 2 at dim 1, got length 1 .*\[1\]",
        ),
        ([[1, 2], 3], None, ValueError, r"tensor: expected a sequence of length 2 at dim 1, got int .*\[1\]"),
        ([1, [2, 3]], None, ValueError, r"tensor: expected a number, got list of length 2 .*\[1\]"),
        ([clew.ones(2)], None, ValueError, "use stack"),
        ("abc", None, TypeError, "tensor: expected a number.*got str"),
        (["abc"], None, TypeError, r"tensor: expected numbers, got str \(at index \[0\]\)"),
        (None, None, TypeError, "got NoneType"),
        ([[1], [None]], None, TypeError, r"got NoneType \(at index \[1\]\[0\]\)"),
        ({1: 2}, None, TypeError, "got dict"),
        (object(), None, TypeError, "got object"),
        (
            2**63,
            None,
            OverflowError,
            r"tensor: expected integers in \[-2\*\*63, 2\*\*63\), got 9223372036854775808",
        ),
        ([300], "uint8", OverflowError, "tensor: expected values in the range of uint8, got 300"),
        ([-129], "int8", OverflowError, "got -129"),
        ([float("nan")], "int32", OverflowError, "got nan"),
        ([1e30], "int64", OverflowError, "range of int64"),
        (1j, None, NotImplementedError, "complex"),
    ],
)
def test_bad_data(data, dtype, error, text):
    with pytest.raises(error, match=text):
        clew.tensor(data, dtype=dtype and getattr(clew, dtype))


def test_large_integers_as_floats():
    assert clew.tensor([2.0, 2**70]).tolist() == [2.0, float(2**70)]
    assert clew.tensor(2**70, dtype=clew.float64).item() == float(2**70)


def test_nesting_is_bounded():
    data = []
    data.append(data)
    with pytest.raises(ValueError, match="at most 64 nested levels"):
        clew.tensor(data)


def test_a_list_that_changes_while_it_is_read():
    victim = [0.0, 0.0, 0.0, 0.0]

    class Evil:
        def __float__(self):
            victim.clear()
            return 1.0

    victim[1] = Evil()
    with pytest.raises(ValueError, match="length"):
        clew.tensor(victim)


def test_an_element_that_raises():
    class Bad:
        def __float__(self):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        clew.tensor([1.0, Bad()])


def test_references_are_returned():
    items = [[1.5, 2], (3, True)]
    before = [sys.getrefcount(x) for x in (items, items[0], items[1])]
    for _ in range(100):
        clew.tensor(items).tolist()
    assert [sys.getrefcount(x) for x in (items, items[0], items[1])] == before


def test_buffers_and_array_protocols():
    class WithArray:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    class WithInterface:
        keep = np.arange(4)
        __array_interface__ = keep.__array_interface__

    assert clew.tensor(array.array("d", [1, 2])).tolist() == [1.0, 2.0]
    assert clew.tensor(memoryview(b"ab")).tolist() == [97, 98]
    assert clew.as_tensor(memoryview(b"ab")).tolist() == [97, 98]
    assert clew.tensor(WithArray()).tolist() == [0.0, 1.0, 2.0]
    shared = clew.as_tensor(WithInterface())
    shared[0] = 7
    assert WithInterface.keep[0] == 7


def test_tensor_copies_and_as_tensor_shares():
    a = np.zeros(3, dtype=np.float32)
    copy, shared = clew.tensor(a), clew.as_tensor(a)
    a[0] = 5
    assert copy[0] == 0
    assert shared[0] == 5
    t = clew.ones(2, requires_grad=True)
    assert clew.as_tensor(t) is t
    fresh = clew.tensor(t)
    assert not fresh.requires_grad
    assert fresh.data_ptr() != t.data_ptr()
    assert clew.as_tensor(a, dtype=clew.float64).dtype is clew.float64
    assert clew.asarray(a, copy=True).data_ptr() != shared.data_ptr()


# --- NumPy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (1,) * 8])
def test_numpy_round_trip(name, shape):
    a = np.asarray(np.arange(np.prod(shape, dtype=int)) % 3, dtype=numpy_dtype(name)).reshape(shape)
    t = clew.from_numpy(a)
    assert t.dtype is getattr(clew, name)
    assert t.shape == shape
    back = t.numpy()
    assert back.dtype == a.dtype
    assert back.shape == shape
    np.testing.assert_array_equal(back, a)
    if a.size:
        assert back.__array_interface__["data"] == a.__array_interface__["data"]
        a[...] = 1
        assert t.flatten().tolist() == [1] * a.size


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2],
        lambda a: a[:, 1:3],
        lambda a: a[1:, ::3],
        lambda a: a[2],
        lambda a: a[:, :, None],
        lambda a: a[3:1],
    ],
)
def test_strided_arrays(view):
    a = view(np.arange(24.0).reshape(4, 6))
    t = clew.from_numpy(a)
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(np.array(t.tolist()).reshape(a.shape), a)
    np.testing.assert_array_equal((t + 1).numpy(), a + 1)


def test_strided_tensors_to_numpy():
    t = clew.arange(24.0).reshape(4, 6)
    assert t.t().numpy().strides == (4, 24)
    np.testing.assert_array_equal(t.t().numpy(), np.arange(24.0).reshape(4, 6).T)
    np.testing.assert_array_equal(t[1:3, ::2].numpy(), np.arange(24.0).reshape(4, 6)[1:3, ::2])
    np.testing.assert_array_equal(clew.ones(1).expand(3).numpy(), np.ones(3))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: np.arange(3)[::-1], ValueError, r"negative.*\.copy\(\)"),
        (lambda: np.arange(3).astype(">i4"), ValueError, "byte order"),
        (lambda: np.zeros(3, dtype=[("a", "i1"), ("b", "i4")])["b"], ValueError, r"aligned|whole elements"),
        (lambda: np.zeros(3, dtype=np.uint32), TypeError, "uint32.*astype"),
        (lambda: np.array(["a"]), TypeError, "<U1"),
        (lambda: np.array([object()]), TypeError, "object"),
        (lambda: np.zeros(2, dtype=np.longdouble), TypeError, "float128"),
        (lambda: np.zeros(2, dtype="datetime64[s]"), TypeError, "datetime64"),
        (lambda: np.zeros(2, dtype=complex), NotImplementedError, "complex128"),
        (lambda: [1, 2], TypeError, "expected a numpy.ndarray, got list"),
        (lambda: clew.ones(2), TypeError, "expected a numpy.ndarray"),
    ],
)
def test_arrays_that_cannot_be_shared(make, error, text):
    with pytest.raises(error, match=f"from_numpy: .*{text}"):
        clew.from_numpy(make())


def test_what_cannot_be_shared_can_be_copied():
    assert clew.tensor(np.arange(3)[::-1]).tolist() == [2, 1, 0]
    assert clew.tensor(np.arange(3).astype(">i4")).tolist() == [0, 1, 2]
    assert clew.tensor(np.arange(6).reshape(2, 3)[:, ::-1], dtype=clew.float32).tolist() == [
        [2, 1, 0],
        [5, 4, 3],
    ]
    assert clew.tensor([np.arange(3)[::-1]]).tolist() == [[2, 1, 0]]


def test_read_only_arrays_warn():
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="read-only"):
        t = clew.from_numpy(a)
    assert t.tolist() == [0.0, 1.0, 2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clew.tensor(a)
        with pytest.raises(UserWarning, match="read-only"):
            clew.from_numpy(a)


def test_memory_is_kept_alive_both_ways():
    class Owner(np.ndarray):
        pass

    a = np.arange(5.0).view(Owner)
    gone = weakref.ref(a)
    t = clew.from_numpy(a)
    del a
    gc.collect()
    assert gone() is not None
    view = t[1:]
    back = view.numpy()
    del t, view
    gc.collect()
    assert back.tolist() == [1.0, 2.0, 3.0, 4.0]
    del back
    gc.collect()
    assert gone() is None


def test_tensor_memory_outlives_the_tensor():
    array = clew.arange(1000.0).numpy()
    clew.zeros(1000).numpy()
    assert array.sum() == 499500.0


def test_an_array_is_released_on_another_thread():
    import threading

    class Owner(np.ndarray):
        pass

    a = np.arange(5.0).view(Owner)
    gone = weakref.ref(a)
    box = [clew.from_numpy(a)]
    del a
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert gone() is None


def test_numpy_refuses():
    with pytest.raises(clew.AutogradError, match=r"numpy: .*requires? grad.*detach\(\)"):
        clew.ones(2, requires_grad=True).numpy()
    with pytest.raises(TypeError, match=r"bfloat16 \(use float\(\)\.numpy\(\)\)"):
        clew.ones(2, dtype=clew.bfloat16).numpy()
    with pytest.raises(clew.DeviceError, match="meta"):
        clew.ones(2, device="meta").numpy()
    assert clew.ones(2, requires_grad=True).numpy(force=True).tolist() == [1.0, 1.0]


def test_numpy_functions_take_tensors():
    t = clew.arange(4.0)
    np.testing.assert_array_equal(np.asarray(t), [0, 1, 2, 3])
    assert np.asarray(t).__array_interface__["data"][0] == t.data_ptr()
    assert np.sqrt(t).dtype == np.float32
    assert np.array(t, dtype=np.float64).dtype == np.float64


def test_writing_through_numpy():
    t = clew.zeros(3)
    t.numpy()[1] = 4
    assert t.tolist() == [0.0, 4.0, 0.0]


# --- tolist -------------------------------------------------------------------------------------------


def test_tolist():
    t = clew.arange(24).reshape(2, 3, 4)
    a = np.arange(24).reshape(2, 3, 4)
    assert t.tolist() == a.tolist()
    assert t.permute(2, 0, 1).tolist() == a.transpose(2, 0, 1).tolist()
    assert clew.ones(2, 0).tolist() == [[], []]
    assert clew.tensor(2.5).tolist() == 2.5
    assert type(clew.tensor(True).tolist()) is bool
    assert type(clew.tensor([1]).tolist()[0]) is int
    assert clew.tensor([1.5], dtype=clew.bfloat16).tolist() == [1.5]
    assert clew.ones(2, requires_grad=True).tolist() == [1.0, 1.0]
    assert clew.ones((1,) * 64).flatten().tolist() == [1.0]
    deep = clew.ones((1,) * 64).tolist()
    for _ in range(64):
        (deep,) = deep
    assert deep == 1.0
    with pytest.raises(clew.DeviceError, match="tolist: .*meta"):
        clew.ones(2, device="meta").tolist()


# --- DLPack -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 3)])
def test_dlpack_to_itself(name, shape):
    t = clew.ones(shape, dtype=getattr(clew, name))
    s = clew.from_dlpack(t)
    assert s.dtype is t.dtype
    assert s.shape == t.shape
    assert s.data_ptr() == t.data_ptr() or t.numel() == 0
    s.fill_(0)
    assert t.flatten().tolist() == [0] * t.numel()


@pytest.mark.parametrize("name", DTYPES)
def test_dlpack_with_numpy(name):
    a = np.arange(6).reshape(2, 3).astype(numpy_dtype(name))
    t = clew.from_dlpack(a)
    np.testing.assert_array_equal(t.numpy(), a)
    a[0, 0] = 1
    assert t[0, 0] == 1
    back = np.from_dlpack(t.t())
    assert back.shape == (3, 2)
    assert back.dtype == a.dtype
    np.testing.assert_array_equal(back, a.T)


def test_dlpack_keeps_memory_alive():
    class Owner(np.ndarray):
        pass

    a = np.arange(5.0).view(Owner)
    gone = weakref.ref(a)
    t = clew.from_dlpack(a)
    del a
    gc.collect()
    assert gone() is not None
    assert t.sum() == 10
    del t
    gc.collect()
    assert gone() is None
    array = np.from_dlpack(clew.arange(1000.0))
    clew.zeros(1000)
    assert array.sum() == 499500.0


def test_an_unused_capsule_frees_its_tensor():
    before = clew.memory_stats()["allocated_bytes"]
    for _ in range(10):
        clew.ones(1000).__dlpack__()
    assert clew.memory_stats()["allocated_bytes"] == before


def test_a_capsule_is_used_once():
    capsule = clew.ones(2).__dlpack__()
    assert clew.from_dlpack(capsule).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r'expected a capsule named "dltensor", got "used_dltensor"'):
        clew.from_dlpack(capsule)


def test_dlpack_refuses():
    with pytest.raises(BufferError, match="requires? grad.*detach"):
        clew.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="meta"):
        clew.ones(2, device="meta").__dlpack__()
    with pytest.raises(TypeError, match="from_dlpack: expected an object with __dlpack__"):
        clew.from_dlpack(3)
    with pytest.raises(TypeError, match="64 bits|32 bits"):
        clew.from_dlpack(np.zeros(2, dtype=np.uint32))
    with pytest.raises(ValueError, match="not negative"):
        clew.from_dlpack(np.arange(3)[::-1])

    class Elsewhere:
        def __dlpack_device__(self):
            return (2, 0)

        def __dlpack__(self):
            raise AssertionError("not reached")

    with pytest.raises(clew.DeviceError, match="device type 2"):
        clew.from_dlpack(Elsewhere())


@pytest.mark.parametrize("order", ["import torch, clew", "import clew, torch"])
def test_torch_in_either_order(order):
    pytest.importorskip("torch")
    program = f"{order}\nassert (clew.ones(2) + clew.tensor(torch.ones(2))).tolist() == [2, 2]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_torch_both_ways():
    torch = pytest.importorskip("torch")
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    t = clew.from_dlpack(x)
    x[0, 0] = 9
    assert t[0, 0] == 9
    y = torch.from_dlpack(t.t())
    assert y.tolist() == t.t().tolist()
    assert clew.tensor(torch.ones(2, dtype=torch.bfloat16)).dtype is clew.bfloat16
    assert clew.as_tensor(x).data_ptr() == x.data_ptr()
