"""clew.testing, clew.random, clew.cuda and their like, beside PyTorch where it is there."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import clew

NAN, INF = math.nan, math.inf
PAIRS = [
    ([1.0, 2.0], [1.0, 2.0], {}),
    ([1.0, 2.0], [1.0, 2.1], {}),
    ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.5, 4.0]], {}),
    ([1, 2, 3], [1, 5, 3], {}),
    ([True, False], [True, True], {}),
    ([1.0, NAN], [1.0, NAN], {}),
    ([1.0, NAN], [1.0, NAN], {"equal_nan": True}),
    ([INF, -INF], [INF, -INF], {}),
    ([INF, 1.0], [-INF, 1.0], {}),
    ([0.0, 1.0], [1e-6, 1.0], {}),
    ([0.0, 1.0], [1e-4, 1.0], {}),
    ([1.0, 2.0], [1.5, 2.0], {"rtol": 0.0, "atol": 0.6}),
    ([1.0, 2.0], [1.5, 2.0], {"rtol": 0.0, "atol": 0.1}),
    ([1.0, 2.0], [1.5, 2.0], {"rtol": 0.0, "atol": 0.0}),
    ([1.0], [1.0, 2.0], {}),
    (3.0, 3.0, {}),
    (3.0, 4.0, {}),
]


def outcome(lib: Any, actual: Any, expected: Any, options: dict) -> str | None:
    try:
        lib.testing.assert_close(actual, expected, **options)
    except AssertionError as error:
        return str(error)
    return None


def normal(text: str | None) -> str | None:
    """Digits of float32 distances and names of sizes are the libraries' own."""
    if text is None:
        return None
    text = re.sub(r"torch\.Size\(\[([^\]]*)\]\)", r"(\1)", text).replace(",)", ")")
    return re.sub(r"\d+\.\d+(e[+-]\d+)?", lambda m: f"{float(m[0]):.3g}", text)


@pytest.mark.parametrize("dtype", ["float32", "float64", None])
@pytest.mark.parametrize("actual, expected, options", PAIRS)
def test_assert_close_says_what_torch_says(actual: Any, expected: Any, options: dict, dtype: Any) -> None:
    torch = pytest.importorskip("torch")

    def tensors(lib: Any) -> list[Any]:
        kind = getattr(lib, dtype) if dtype and np.asarray(actual).dtype.kind == "f" else None
        return [lib.tensor(v, dtype=kind) for v in (actual, expected)]

    ours = outcome(clew, *tensors(clew), options)
    theirs = outcome(torch, *tensors(torch), options)
    assert normal(ours) == normal(theirs)


@pytest.mark.parametrize(
    "actual, expected, options",
    [
        (1, 1, {}),
        (1, 2, {}),
        (1.0, 1.0 + 1e-9, {}),
        (1.0, 1.1, {}),
        (1, 1.0, {}),
        (1, 1.0, {"check_dtype": False}),
        (True, False, {}),
        (None, None, {}),
        ([1, 2.0], [1, 2.0], {}),
        ([1, 2.0], [1, 3.0], {}),
        ([1], [1, 2], {}),
        ({"a": [1, 2]}, {"a": [1, 3]}, {}),
        ({"a": 1}, {"b": 1}, {}),
        (1.0, 2.0, {"msg": "own words"}),
        (1.0, 2.0, {"msg": lambda text: "first\n" + text}),
    ],
)
def test_assert_close_of_other_things(actual: Any, expected: Any, options: dict) -> None:
    torch = pytest.importorskip("torch")
    assert normal(outcome(clew, actual, expected, options)) == normal(
        outcome(torch, actual, expected, options)
    )


def test_assert_close_of_attributes_and_dtypes() -> None:
    with pytest.raises(AssertionError, match="'dtype' do not match"):
        clew.testing.assert_close(clew.ones(2), clew.ones(2, dtype=clew.float64))
    clew.testing.assert_close(clew.ones(2), clew.ones(2, dtype=clew.float64), check_dtype=False)
    with pytest.raises(AssertionError, match="stride"):
        clew.testing.assert_close(clew.ones(2, 3), clew.ones(3, 2).t(), check_stride=True)
    half = clew.ones(2, dtype=clew.bfloat16)
    clew.testing.assert_close(half, half * 1.01)
    with pytest.raises(AssertionError):
        clew.testing.assert_close(half, half * 1.1)
    with pytest.raises(ValueError, match="rtol and atol together"):
        clew.testing.assert_close(half, half, rtol=0.1)
    with pytest.raises(TypeError, match="got set"):
        clew.testing.assert_close({1}, {1})
    with pytest.raises(AssertionError, match=r"item \['b'\]\[1\]"):
        clew.testing.assert_close({"b": [clew.ones(1), clew.ones(1)]}, {"b": [clew.ones(1), clew.zeros(1)]})
    clew.testing.assert_close(clew.tensor([2**62]), clew.tensor([2**62]))
    with pytest.raises(AssertionError):
        clew.testing.assert_close(clew.tensor([2**62]), clew.tensor([2**62 + 1]))
    clew.testing.assert_allclose(clew.ones(2), np.ones(2))


@pytest.mark.parametrize(
    "dtype", [clew.float32, clew.float16, clew.bfloat16, clew.int64, clew.uint8, clew.bool]
)
def test_make_tensor(dtype: Any) -> None:
    t = clew.testing.make_tensor(200, 4, dtype=dtype)
    assert t.dtype == dtype and tuple(t.shape) == (200, 4)
    low, high = (0, 1) if dtype == clew.bool else (0, 9) if dtype == clew.uint8 else (-9, 9)
    values = t.float().flatten().tolist()
    assert low <= min(values) < max(values) <= high
    assert not clew.testing.make_tensor((4, 5), dtype=dtype, noncontiguous=True).is_contiguous()
    if dtype != clew.bool:
        few = clew.testing.make_tensor((500,), dtype=dtype, low=0, high=3, exclude_zero=True)
        assert not (few == 0).any().item() and few.float().max().item() < 3
    with pytest.raises(ValueError, match="low < high"):
        clew.testing.make_tensor(2, dtype=dtype, low=1, high=1)


def test_make_tensor_requires_grad() -> None:
    assert clew.testing.make_tensor(2, dtype=clew.float64, requires_grad=True).is_leaf
    with pytest.raises(ValueError, match="floating dtype"):
        clew.testing.make_tensor(2, dtype=clew.int64, requires_grad=True)


# --- random, dtypes, switches ----------------------------------------------------------------------


def test_fork_rng_and_state() -> None:
    clew.manual_seed(3)
    clew.rand(5)
    state = clew.get_rng_state()
    assert state.dtype == clew.uint8
    first = clew.rand(4).tolist()
    clew.set_rng_state(state)
    assert clew.rand(4).tolist() == first
    clew.set_rng_state(state)
    with clew.random.fork_rng():
        clew.manual_seed(99)
        clew.rand(100)
    assert clew.rand(4).tolist() == first
    assert clew.initial_seed() == 3
    with pytest.raises(TypeError, match="16 bytes"):
        clew.set_rng_state(clew.zeros(3))
    assert isinstance(clew.seed(), int)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_finfo(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = clew.finfo(getattr(clew, name)), torch.finfo(getattr(torch, name))
    for key in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
        a, b = getattr(ours, key), getattr(theirs, key)
        assert a == b if not isinstance(a, float) else math.isclose(a, b, rel_tol=1e-6), key
    assert clew.finfo().dtype == "float32"
    with pytest.raises(TypeError):
        clew.finfo(clew.int64)


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_iinfo(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = clew.iinfo(getattr(clew, name)), torch.iinfo(getattr(torch, name))
    assert (ours.bits, ours.max, ours.min, ours.dtype) == (theirs.bits, theirs.max, theirs.min, theirs.dtype)
    with pytest.raises(TypeError):
        clew.iinfo(clew.float32)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


def test_can_cast_and_result_type() -> None:
    torch = pytest.importorskip("torch")
    for a in DTYPES:
        for b in DTYPES:
            args = [(getattr(lib, a), getattr(lib, b)) for lib in (clew, torch)]
            assert clew.can_cast(*args[0]) == torch.can_cast(*args[1]), (a, b)
            for sizes in (((2,), (3,)), ((), (3,)), ((2,), ()), ((), ())):
                found = []
                for lib, (x, y) in zip((clew, torch), args, strict=True):
                    t = lib.result_type(lib.ones(sizes[0], dtype=x), lib.ones(sizes[1], dtype=y))
                    found.append(str(t).split(".")[-1])
                assert found[0] == found[1], (a, b, sizes)
        for number in (True, 3, 2.5):
            for size in ((), (2,)):
                ours = clew.result_type(clew.ones(size, dtype=getattr(clew, a)), number)
                theirs = torch.result_type(torch.ones(size, dtype=getattr(torch, a)), number)
                assert str(ours).split(".")[-1] == str(theirs).split(".")[-1], (a, number, size)


def test_switches() -> None:
    assert clew.is_nonzero(clew.tensor([2])) and not clew.is_nonzero(clew.tensor(0.0))
    with pytest.raises(RuntimeError, match="one element"):
        clew.is_nonzero(clew.ones(2))
    clew.use_deterministic_algorithms(True)
    assert clew.are_deterministic_algorithms_enabled()
    clew.use_deterministic_algorithms(False)
    clew.set_float32_matmul_precision("high")
    assert clew.get_float32_matmul_precision() == "high"
    clew.set_float32_matmul_precision("highest")
    with pytest.raises(RuntimeError, match="medium"):
        clew.set_float32_matmul_precision("low")
    clew.set_default_device("cpu")
    assert clew.get_default_device() == clew.device("cpu")
    with pytest.raises(RuntimeError, match="expected cpu"):
        clew.set_default_device("meta")
    assert repr(clew.channels_last) == "clew.channels_last"
    assert isinstance(clew.preserve_format, clew.memory_format)
    assert not clew.is_complex(clew.ones(1))


# --- devices that are not there --------------------------------------------------------------------


def test_cuda_without_cuda() -> None:
    assert not clew.cuda.is_available() and clew.cuda.device_count() == 0
    clew.cuda.manual_seed(1)
    clew.cuda.manual_seed_all(1)
    clew.cuda.empty_cache()
    assert clew.cuda.memory_allocated() == 0 == clew.cuda.max_memory_allocated()
    for call in (
        clew.cuda.current_device,
        lambda: clew.cuda.set_device(0),
        clew.cuda.get_device_name,
        clew.cuda.synchronize,
        clew.cuda.get_device_properties,
        clew.cuda.current_stream,
        clew.cuda.Stream,
        lambda: clew.cuda.Event(enable_timing=True),
        clew.accelerator.synchronize,
        clew.accelerator.current_device_index,
        lambda: clew.accelerator.set_device_index(0),
    ):
        with pytest.raises(clew.DeviceError, match="expected an? (CUDA device|accelerator), got none"):
            call()
    with clew.cuda.device(-1):
        pass
    with pytest.raises(clew.DeviceError), clew.cuda.device(0):
        pass
    assert issubclass(clew.cuda.OutOfMemoryError, RuntimeError)
    assert not clew.accelerator.is_available() and clew.accelerator.device_count() == 0
    assert clew.accelerator.current_accelerator() is None


def test_backends() -> None:
    assert clew.backends.openblas.is_available()
    assert not clew.backends.mps.is_available() and not clew.backends.mps.is_built()
    assert not clew.backends.mkldnn.is_available() and not clew.backends.mkl.is_available()
    assert not clew.backends.cudnn.is_available() and clew.backends.cudnn.version() is None
    clew.backends.cudnn.benchmark = True
    with clew.backends.cudnn.flags(deterministic=True):
        assert clew.backends.cudnn.deterministic and not clew.backends.cudnn.benchmark
    assert clew.backends.cudnn.benchmark and not clew.backends.cudnn.deterministic
    clew.backends.cudnn.benchmark = False
    clew.backends.cuda.matmul.allow_tf32 = True
    clew.backends.cuda.matmul.allow_tf32 = False


# --- GradScaler ------------------------------------------------------------------------------------


def test_grad_scaler_as_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def train(lib: Any) -> list[Any]:
        scaler = lib.amp.GradScaler("cpu", init_scale=16.0, growth_interval=3)
        p = lib.nn.Parameter(lib.ones(2))
        opt = lib.optim.SGD([p], lr=0.1)
        seen = []
        for i in range(12):
            opt.zero_grad()
            loss = (p * (INF if i in (2, 7) else 1.0)).sum()
            scaler.scale(loss).backward()
            if i % 2:
                scaler.unscale_(opt)
                lib.nn.utils.clip_grad_norm_([p], 0.5)
            scaler.step(opt)
            scaler.update()
            seen.append((scaler.get_scale(), [round(v, 6) for v in p.tolist()]))
        state = scaler.state_dict()
        again = lib.amp.GradScaler("cpu")
        again.load_state_dict(state)
        return [*seen, state, again.get_scale()]

    assert train(clew) == train(torch)


def test_grad_scaler_errors() -> None:
    scaler = clew.amp.GradScaler("cpu")
    p = clew.nn.Parameter(clew.ones(1))
    opt = clew.optim.SGD([p], lr=0.1)
    with pytest.raises(RuntimeError, match="since the last update"):
        scaler.update()
    scaler.scale(p.sum()).backward()
    scaler.unscale_(opt)
    with pytest.raises(RuntimeError, match="a second one"):
        scaler.unscale_(opt)
    scaler.step(opt)
    with pytest.raises(RuntimeError, match="expected update"):
        scaler.step(opt)
    scaler.update(4.0)
    assert scaler.get_scale() == 4.0
    with pytest.warns(UserWarning, match="disabled"):
        off = clew.amp.GradScaler()
    assert not off.is_enabled() and off.get_scale() == 1.0 and off.state_dict() == {}
    assert off.scale(p) is p
    off.step(opt)
    off.update()
    with pytest.warns(UserWarning):
        assert not clew.cuda.amp.GradScaler().is_enabled()
    with pytest.raises(ValueError, match="growth_factor"):
        clew.amp.GradScaler("cpu", growth_factor=1.0)


def test_custom_fwd_and_bwd() -> None:
    class Product(clew.autograd.Function):
        @staticmethod
        @clew.amp.custom_fwd(device_type="cpu", cast_inputs=clew.float32)
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            ctx.seen = (x.dtype, clew.amp.is_autocast_enabled("cpu"))
            Product.forward_saw = ctx.seen
            return x @ y

        @staticmethod
        @clew.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            Product.backward_saw = clew.amp.is_autocast_enabled("cpu")
            return g @ y.t(), x.t() @ g

    x = clew.ones(2, 2, dtype=clew.bfloat16, requires_grad=True)
    with clew.autocast("cpu"):
        out = Product.apply(x, clew.ones(2, 2))
    assert out.dtype == clew.float32
    out.sum().backward()
    assert Product.forward_saw == (clew.float32, False) and Product.backward_saw is False
    assert x.grad.dtype == clew.bfloat16


# --- autograd.functional ---------------------------------------------------------------------------


def test_functional_derivatives_as_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        F = lib.autograd.functional
        x = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64)
        w = lib.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]], dtype=lib.float64)
        two = lambda a, b: (a.sin() @ b, a.exp().sum())  # noqa: E731
        one = lambda a, b: ((a.tanh() @ b) ** 2).sum()  # noqa: E731
        out = [F.jacobian(two, (x, w)), F.jacobian(lambda a: a**2, x), F.hessian(one, (x, w))]
        out.append(F.hessian(lambda a: (a**3).sum(), x))
        out.append(
            F.vjp(
                two, (x, w), (lib.tensor([1.0, 2.0], dtype=lib.float64), lib.tensor(3.0, dtype=lib.float64))
            )
        )
        out.append(F.jvp(two, (x, w), (lib.ones_like(x), lib.ones_like(w))))
        out.append(F.vhp(one, (x, w), (lib.ones_like(x), lib.ones_like(w))))
        out.append(F.hvp(lambda a: a.exp().sum(), x, lib.ones_like(x)))
        return out

    def flatten(v: Any) -> Any:
        return [flatten(i) for i in v] if isinstance(v, (list, tuple)) else v.detach().numpy()

    def compare(a: Any, b: Any) -> None:
        if isinstance(a, list):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                compare(x, y)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)

    compare(flatten(run(clew)), flatten(run(torch)))


def test_functional_options() -> None:
    F = clew.autograd.functional
    x = clew.tensor([1.0, 2.0], requires_grad=True)
    j = F.jacobian(lambda a: a**3, x, create_graph=True)
    j.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert F.jacobian(lambda a: clew.ones(2), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(RuntimeError, match="depend on all inputs"):
        F.jacobian(lambda a: clew.ones(2), x, strict=True)
    with pytest.raises(RuntimeError, match="expected v"):
        F.vjp(lambda a: a, x)
    with pytest.raises(RuntimeError, match="one number"):
        F.hessian(lambda a: a, x)
    with pytest.raises(NotImplementedError):
        F.jacobian(lambda a: a, x, strategy="forward-mode")


# --- memory formats --------------------------------------------------------------------------------


def test_memory_formats_as_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        x = lib.arange(120).reshape(2, 3, 4, 5).float()
        y = x.to(memory_format=lib.channels_last)
        z = y.contiguous()
        model = lib.nn.Sequential(lib.nn.Conv2d(3, 2, 3), lib.nn.Flatten(), lib.nn.Linear(12, 2))
        model = model.to(memory_format=lib.channels_last)
        return [
            y.stride(),
            y.is_contiguous(),
            y.is_contiguous(memory_format=lib.channels_last),
            x.is_contiguous(memory_format=lib.contiguous_format),
            z.stride(),
            x.contiguous(memory_format=lib.channels_last).tolist() == x.tolist(),
            x.to(memory_format=lib.preserve_format).stride(),
            model[0].weight.stride(),
            tuple(model(y).shape),
        ]

    assert run(clew) == run(torch)
    with pytest.raises(RuntimeError, match="4 dimensions"):
        clew.ones(2, 2).to(memory_format=clew.channels_last)
    with pytest.raises(TypeError, match="memory_format"):
        clew.ones(2, 2).contiguous(memory_format=3)


def test_numpy_asks_for_detach_only_where_gradients_are_recorded() -> None:
    w = clew.nn.Linear(2, 2).weight
    with pytest.raises(RuntimeError, match="detach"):
        w.numpy()
    with clew.no_grad():
        assert w.numpy().shape == (2, 2)


# --- old constructors ------------------------------------------------------------------------------


def test_old_constructors_as_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        made = [
            lib.Tensor([1, 2]),
            lib.Tensor([[1.5]]),
            lib.Tensor(np.array([1, 2], dtype=np.int32)),
            lib.Tensor((2, 3)),
            lib.LongTensor([1, 2]),
            lib.FloatTensor([1, 2]),
            lib.BoolTensor([True, False]),
            lib.ones(2).type(lib.LongTensor),
        ]
        values = [(str(t.dtype).split(".")[-1], t.tolist()) for t in made]
        shapes = [
            tuple(t.shape) for t in (lib.Tensor(), lib.Tensor(2, 3), lib.Tensor(4), lib.LongTensor(2, 0))
        ]
        kinds = [isinstance(lib.ones(1), lib.FloatTensor), isinstance(lib.ones(1), lib.LongTensor)]
        return [values, shapes, kinds]

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(clew) == run(torch)
    with pytest.warns(DeprecationWarning, match="dtype=clew.int64"):
        clew.LongTensor([1])
    with pytest.raises(TypeError, match="one argument"):
        clew.Tensor([1], [2])


def test_a_range_is_an_index() -> None:
    x = clew.arange(12).reshape(4, 3)
    assert x[range(4), [0, 1, 2, 0]].tolist() == [0, 4, 8, 9]
    assert x[range(1, 4, 2)].tolist() == [[3, 4, 5], [9, 10, 11]]
    x[range(2), range(2)] = 0
    assert x[1].tolist() == [3, 0, 5]
