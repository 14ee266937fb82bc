"""Layers and losses beside PyTorch's with the same weights: outputs, gradients, buffers, state_dict keys."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clew

torch = pytest.importorskip("torch")

# (rtol, atol): results of sums whose order differs.
TOLERANCE = {"float32": (2e-4, 2e-5), "float64": (1e-9, 1e-10)}
# PyTorch rounds the constants of these to float32.
ROUNDED = {"CELU", "Hardsigmoid"}


def layer(name: str, *args: Any, x: Any, **kwargs: Any) -> Any:
    """A case: the layer, its options, and the shape (or shapes) of its input."""
    shapes = [x] if isinstance(x[0], int) else list(x)
    shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, shapes, id=f"{name}({shown}) {shapes}")


LAYERS = [
    layer("Linear", 5, 3, x=(4, 5)),
    layer("Linear", 5, 3, bias=False, x=(2, 4, 5)),
    layer("Linear", 5, 3, x=(5,)),
    layer("Bilinear", 3, 4, 2, x=[(5, 3), (5, 4)]),
    layer("Conv1d", 4, 6, 3, x=(2, 4, 9)),
    layer("Conv1d", 4, 6, 3, stride=2, padding=1, dilation=2, groups=2, x=(2, 4, 9)),
    layer("Conv1d", 4, 6, 4, padding="same", bias=False, x=(4, 9)),
    layer("Conv1d", 4, 6, 3, padding=2, padding_mode="circular", x=(2, 4, 9)),
    layer("Conv1d", 4, 6, 3, padding=2, padding_mode="reflect", x=(2, 4, 9)),
    layer("Conv2d", 3, 5, 3, x=(2, 3, 8, 7)),
    layer("Conv2d", 4, 6, (3, 2), stride=(2, 1), padding=(1, 2), x=(2, 4, 8, 7)),
    layer("Conv2d", 4, 6, 3, dilation=2, groups=2, bias=False, x=(2, 4, 8, 7)),
    layer("Conv2d", 4, 8, 3, groups=4, padding=1, x=(2, 4, 8, 7)),
    layer("Conv2d", 3, 5, 3, padding="same", dilation=2, x=(2, 3, 8, 7)),
    layer("Conv2d", 3, 5, (2, 4), padding="same", x=(2, 3, 8, 7)),
    layer("Conv2d", 3, 5, 3, padding="valid", stride=2, x=(3, 8, 7)),
    layer("Conv2d", 3, 5, 3, padding=1, padding_mode="reflect", x=(2, 3, 8, 7)),
    layer("Conv2d", 3, 5, 3, padding=(2, 1), padding_mode="replicate", x=(2, 3, 8, 7)),
    layer("Conv2d", 3, 5, 4, padding="same", padding_mode="circular", x=(2, 3, 8, 7)),
    layer("Conv2d", 16, 20, 3, padding=1, x=(2, 16, 9, 11)),
    layer("Conv2d", 33, 18, 3, x=(3, 33, 6, 6)),
    layer("Conv2d", 20, 17, 3, padding=(0, 2), x=(20, 5, 4)),
    layer("Conv3d", 2, 4, 2, x=(2, 2, 4, 5, 3)),
    layer("Conv3d", 2, 4, 3, stride=2, padding=1, groups=2, x=(2, 2, 4, 5, 3)),
    layer("Conv3d", 2, 4, 3, padding="same", bias=False, x=(2, 4, 5, 3)),
    layer("ConvTranspose1d", 4, 6, 3, stride=2, padding=1, output_padding=1, x=(2, 4, 5)),
    layer("ConvTranspose1d", 4, 6, 3, groups=2, dilation=2, x=(4, 5)),
    layer("ConvTranspose2d", 4, 6, 3, x=(2, 4, 5, 6)),
    layer("ConvTranspose3d", 4, 6, (3, 2, 2), stride=(2, 1, 3), padding=1, groups=2, x=(2, 4, 2, 5, 3)),
    layer("ConvTranspose2d", 4, 6, 4, stride=2, padding=1, bias=False, x=(2, 4, 5, 6)),
    layer("ConvTranspose2d", 4, 6, 3, stride=2, output_padding=1, groups=2, x=(4, 5, 6)),
    layer("ConvTranspose2d", 4, 6, 2, dilation=3, output_padding=(2, 1), x=(2, 4, 3, 3)),
    layer("BatchNorm1d", 5, x=(6, 5)),
    layer("BatchNorm1d", 5, momentum=None, x=(6, 5, 4)),
    layer("BatchNorm1d", 5, affine=False, x=(6, 5, 4)),
    layer("BatchNorm1d", 5, track_running_stats=False, x=(6, 5)),
    layer("BatchNorm2d", 5, x=(3, 5, 4, 2)),
    layer("BatchNorm2d", 5, eps=1e-2, momentum=0.3, x=(3, 5, 4, 2)),
    layer("BatchNorm3d", 5, x=(3, 5, 4, 2, 2)),
    layer("InstanceNorm1d", 5, x=(3, 5, 4)),
    layer("InstanceNorm2d", 5, affine=True, track_running_stats=True, x=(3, 5, 4, 2)),
    layer("InstanceNorm2d", 5, affine=True, x=(5, 4, 2)),
    layer("InstanceNorm3d", 5, x=(3, 5, 4, 2, 2)),
    layer("LayerNorm", 6, x=(3, 4, 6)),
    layer("LayerNorm", (4, 6), eps=1e-3, x=(3, 4, 6)),
    layer("LayerNorm", 6, bias=False, x=(3, 6)),
    layer("LayerNorm", 6, elementwise_affine=False, x=(3, 6)),
    layer("GroupNorm", 2, 6, x=(3, 6, 4, 2)),
    layer("GroupNorm", 3, 6, affine=False, x=(3, 6, 3)),
    layer("RMSNorm", 6, x=(3, 4, 6)),
    layer("RMSNorm", (4, 6), eps=1e-3, elementwise_affine=False, x=(3, 4, 6)),
    layer("LocalResponseNorm", 2, x=(2, 4, 3, 3)),
    layer("LocalResponseNorm", 3, alpha=0.1, beta=0.5, k=2.0, x=(2, 4, 3)),
    layer("MaxPool1d", 3, 2, 1, x=(2, 3, 9)),
    layer("MaxPool1d", 2, return_indices=True, ceil_mode=True, x=(3, 9)),
    layer("MaxPool2d", 2, x=(2, 3, 8, 7)),
    layer("MaxPool2d", 3, 2, 1, 2, x=(2, 3, 9, 8)),
    layer("MaxPool2d", (3, 2), ceil_mode=True, return_indices=True, x=(3, 8, 7)),
    layer("MaxPool3d", 2, x=(2, 3, 4, 5, 6)),
    layer("MaxPool3d", 3, 2, 1, return_indices=True, ceil_mode=True, x=(2, 3, 4, 5, 6)),
    layer("AvgPool1d", 3, 2, 1, x=(2, 3, 9)),
    layer("AvgPool1d", 2, ceil_mode=True, count_include_pad=False, x=(3, 9)),
    layer("AvgPool2d", 2, x=(2, 3, 8, 7)),
    layer("AvgPool2d", 3, 2, 1, ceil_mode=True, x=(2, 3, 9, 8)),
    layer("AvgPool2d", (3, 2), 2, 1, count_include_pad=False, x=(3, 8, 7)),
    layer("AvgPool2d", 3, 2, 1, divisor_override=5, x=(2, 3, 8, 7)),
    layer("AvgPool3d", 2, x=(2, 3, 4, 5, 6)),
    layer("AvgPool3d", 3, 2, 1, ceil_mode=True, count_include_pad=False, x=(2, 3, 4, 5, 6)),
    layer("AvgPool3d", 2, divisor_override=3, x=(3, 4, 5, 6)),
    layer("LPPool1d", 3, 2, x=(2, 3, 9)),
    layer("LPPool2d", 2, 3, 2, x=(2, 3, 9, 8)),
    layer("AdaptiveAvgPool1d", 4, x=(2, 3, 9)),
    layer("AdaptiveAvgPool2d", (3, None), x=(2, 3, 8, 7)),
    layer("AdaptiveAvgPool2d", 1, x=(3, 8, 7)),
    layer("AdaptiveAvgPool3d", (2, 3, 1), x=(2, 3, 5, 4, 6)),
    layer("AdaptiveMaxPool1d", 4, x=(2, 3, 9)),
    layer("AdaptiveMaxPool2d", (3, None), return_indices=True, x=(2, 3, 8, 7)),
    layer("AdaptiveMaxPool3d", 2, x=(2, 3, 5, 4, 6)),
    layer("Flatten", x=(2, 3, 4)),
    layer("Unflatten", 1, (2, 3), x=(2, 6, 4)),
    layer("Identity", x=(2, 3)),
    layer("Dropout", 0.0, x=(2, 3)),
    layer("ReLU", x=(3, 4)),
    layer("LeakyReLU", 0.3, x=(3, 4)),
    layer("GELU", x=(3, 4)),
    layer("GELU", approximate="tanh", x=(3, 4)),
    layer("SiLU", x=(3, 4)),
    layer("Sigmoid", x=(3, 4)),
    layer("Tanh", x=(3, 4)),
    layer("Softmax", 1, x=(3, 4)),
    layer("LogSoftmax", -1, x=(3, 4)),
    layer("Softmin", 0, x=(3, 4)),
    layer("Softmax2d", x=(2, 3, 4, 2)),
    layer("ELU", 0.7, x=(3, 4)),
    layer("SELU", x=(3, 4)),
    layer("CELU", 0.7, x=(3, 4)),
    layer("Mish", x=(3, 4)),
    layer("Softplus", 2.0, 3.0, x=(3, 4)),
    layer("Hardtanh", -0.5, 0.7, x=(3, 4)),
    layer("ReLU6", x=(3, 4)),
    layer("Hardswish", x=(3, 4)),
    layer("Hardsigmoid", x=(3, 4)),
    layer("Hardshrink", 0.4, x=(3, 4)),
    layer("Softshrink", 0.4, x=(3, 4)),
    layer("Tanhshrink", x=(3, 4)),
    layer("Softsign", x=(3, 4)),
    layer("LogSigmoid", x=(3, 4)),
    layer("GLU", 1, x=(3, 4)),
    layer("PReLU", x=(3, 4)),
    layer("PReLU", 4, x=(3, 4, 2)),
    layer("Threshold", 0.1, -3.0, x=(3, 4)),
    layer("ZeroPad2d", (1, 2, 0, 3), x=(2, 3, 4, 5)),
    layer("ConstantPad1d", 2, 1.5, x=(2, 3, 4)),
    layer("ConstantPad3d", 1, 1.5, x=(2, 3, 4, 2, 2)),
    layer("ReflectionPad1d", 2, x=(2, 3, 4)),
    layer("ReflectionPad2d", (1, 2, 3, 0), x=(2, 3, 4, 5)),
    layer("ReplicationPad2d", (1, 2, 3, 0), x=(3, 4, 5)),
    layer("ReplicationPad3d", 2, x=(2, 3, 4, 2, 2)),
    layer("CircularPad2d", (1, 2, 3, 0), x=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=2, x=(2, 3, 4)),
    layer("Upsample", size=(7, 3), mode="bilinear", x=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=(1.5, 2.5), mode="bilinear", align_corners=True, x=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=1.7, mode="bicubic", x=(2, 3, 4, 5)),
    layer("Upsample", size=3, mode="trilinear", x=(2, 3, 4, 5, 2)),
    layer("UpsamplingBilinear2d", scale_factor=2, x=(2, 3, 4, 5)),
    layer("UpsamplingNearest2d", size=9, x=(2, 3, 4, 5)),
    layer("PixelShuffle", 2, x=(2, 8, 3, 4)),
    layer("PixelUnshuffle", 2, x=(2, 3, 4, 6)),
    layer("ChannelShuffle", 2, x=(2, 6, 3, 3)),
    layer("Unfold", (2, 3), stride=2, padding=1, dilation=(1, 2), x=(2, 3, 6, 7)),
    layer("Fold", (5, 6), (2, 3), stride=(1, 2), padding=1, x=(2, 12, 18)),
    layer("CosineSimilarity", 1, x=[(3, 4), (3, 4)]),
    layer("PairwiseDistance", 2.0, x=[(3, 4), (3, 4)]),
    layer("PairwiseDistance", 1.0, keepdim=True, x=[(3, 4), (3, 4)]),
]


def copy_state(ours: Any, theirs: Any) -> None:
    ours.load_state_dict({k: clew.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})


def assert_close(got: Any, want: Any, dtype: str, what: str) -> None:
    if got is None:  # no path is a gradient of zero
        assert not want.any(), what
        return
    got = got.detach().numpy()
    want = want.detach().numpy()
    assert got.shape == want.shape, what
    rtol, atol = TOLERANCE[dtype]
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=what)


def flat(result: Any) -> list:
    return list(result) if isinstance(result, tuple) else [result]


def randomize(module: Any, random: np.random.RandomState) -> None:
    """Parameters and statistics that no formula can mistake for 0 or 1."""
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(random.uniform(0.3, 1.2, tuple(tensor.shape))))


def compare(
    ours: Any, theirs: Any, arrays: list[np.ndarray], dtype: str, random: np.random.RandomState
) -> None:
    """One forward and backward of both, the same cotangents on both."""
    # Signs are targets, which are constants.
    wanted = [a.dtype.kind == "f" and not np.isin(a, (-1, 1)).all() for a in arrays]
    mine = [clew.from_numpy(a.copy()).requires_grad_(g) for a, g in zip(arrays, wanted, strict=True)]
    yours = [torch.from_numpy(a.copy()).requires_grad_(g) for a, g in zip(arrays, wanted, strict=True)]
    for p in [*ours.parameters(), *theirs.parameters()]:
        p.grad = None
    got, want = flat(ours(*mine)), flat(theirs(*yours))
    assert len(got) == len(want)
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        assert str(g.dtype).rsplit(".", 1)[-1] == str(w.dtype).rsplit(".", 1)[-1]
        assert_close(g, w, dtype, f"output {i}")
    if not want[0].requires_grad:
        assert not got[0].requires_grad
        return
    cotangent = random.standard_normal(tuple(want[0].shape))
    cotangent = np.asarray(cotangent).astype(want[0].detach().numpy().dtype)
    got[0].backward(clew.from_numpy(cotangent.copy()))
    want[0].backward(torch.from_numpy(cotangent.copy()))
    for i, (m, y) in enumerate(zip(mine, yours, strict=True)):
        if y.requires_grad:
            assert_close(m.grad, y.grad, dtype, f"gradient of input {i}")
    for (name, m), (same, y) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == same
        assert_close(m.grad, y.grad, dtype, f"gradient of {name}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args", "kwargs", "shapes"), LAYERS)
def test_layer(name: str, args: tuple, kwargs: dict, shapes: list, dtype: str) -> None:
    random = np.random.RandomState(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype))
    ours = getattr(clew.nn, name)(*args, **kwargs).to(getattr(clew, dtype))
    randomize(theirs, random)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in ours.state_dict().items():
        assert tuple(value.shape) == tuple(theirs.state_dict()[key].shape), key
    copy_state(ours, theirs)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        arrays = [np.asarray(random.standard_normal(s)).astype(dtype) for s in shapes]
        compare(ours, theirs, arrays, "float32" if name in ROUNDED else dtype, random)
        for key, value in theirs.state_dict().items():
            assert_close(ours.state_dict()[key], value, dtype, key)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kwargs", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"max_norm": 0.8}])
def test_embedding(kwargs: dict, dtype: str) -> None:
    random = np.random.RandomState(0)
    theirs = torch.nn.Embedding(6, 4, **kwargs).to(getattr(torch, dtype))
    ours = clew.nn.Embedding(6, 4, **kwargs).to(getattr(clew, dtype))
    copy_state(ours, theirs)
    for _ in range(2):
        compare(ours, theirs, [random.randint(0, 6, (3, 5))], dtype, random)
        assert_close(ours.weight, theirs.weight, dtype, "weight")


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_embedding_bag(mode: str, padding_idx: int | None) -> None:
    random = np.random.RandomState(0)
    theirs = torch.nn.EmbeddingBag(6, 4, mode=mode, padding_idx=padding_idx).double()
    ours = clew.nn.EmbeddingBag(6, 4, mode=mode, padding_idx=padding_idx).double()
    copy_state(ours, theirs)
    compare(ours, theirs, [random.randint(0, 6, (3, 5))], "float64", random)
    compare(ours, theirs, [random.randint(0, 6, 7), np.array([0, 2, 2, 5])], "float64", random)


def test_sparse_embedding_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="Embedding: expected sparse=False"):
        clew.nn.Embedding(3, 2, sparse=True)


# --- losses ------------------------------------------------------------------------------------------

Draw = Callable[[np.random.RandomState], list]


def loss(name: str, draw: Draw, **kwargs: Any) -> Any:
    shown = ", ".join(f"{k}={'...' if isinstance(v, list) else repr(v)}" for k, v in kwargs.items())
    return pytest.param(name, draw, kwargs, id=f"{name}({shown})")


def normal(*shape: int) -> Callable:
    return lambda r: r.standard_normal(shape)


def uniform(*shape: int) -> Callable:
    return lambda r: r.uniform(0.05, 0.95, shape)


def classes(*shape: int, n: int) -> Callable:
    return lambda r: r.randint(0, n, shape)


def signs(*shape: int) -> Callable:
    return lambda r: r.choice([-1.0, 1.0], shape)


def positive(*shape: int) -> Callable:
    return lambda r: r.uniform(0.5, 2.0, shape)


def draws(*parts: Callable) -> Draw:
    return lambda r: [p(r) for p in parts]


def ignored(r: np.random.RandomState) -> list:
    return [r.standard_normal((5, 4)), np.array([0, -100, 3, 1, -100])]


LOSSES = [
    *(
        loss(name, draws(normal(5, 4), normal(5, 4)), **kwargs)
        for name, kwargs in [
            ("MSELoss", {}),
            ("L1Loss", {}),
            ("SmoothL1Loss", {"beta": 0.5}),
            ("SmoothL1Loss", {"beta": 0.0}),
            ("HuberLoss", {"delta": 0.7}),
            ("CosineSimilarity", {}),
        ]
        if name != "CosineSimilarity"
    ),
    loss("CrossEntropyLoss", draws(normal(5, 4), classes(5, n=4))),
    loss("CrossEntropyLoss", ignored, weight=[0.5, 1.0, 2.0, 0.1]),
    loss("CrossEntropyLoss", draws(normal(5, 4), classes(5, n=4)), ignore_index=3),
    loss("CrossEntropyLoss", ignored, label_smoothing=0.2, weight=[0.5, 1.0, 2.0, 0.1]),
    loss("CrossEntropyLoss", draws(normal(5, 4), uniform(5, 4)), label_smoothing=0.1),
    loss("CrossEntropyLoss", draws(normal(5, 4, 3), uniform(5, 4, 3)), weight=[0.5, 1.0, 2.0, 0.1]),
    loss("CrossEntropyLoss", draws(normal(2, 4, 3, 2), classes(2, 3, 2, n=4)), label_smoothing=0.1),
    loss("CrossEntropyLoss", draws(normal(4), classes(n=4))),
    loss("NLLLoss", draws(normal(5, 4), classes(5, n=4)), weight=[0.5, 1.0, 2.0, 0.1]),
    loss("NLLLoss", ignored),
    loss("NLLLoss", draws(normal(2, 4, 3), classes(2, 3, n=4)), ignore_index=1),
    loss("BCELoss", draws(uniform(5, 4), uniform(5, 4))),
    loss("BCELoss", draws(uniform(5, 4), uniform(5, 4)), weight=[0.5, 1.0, 2.0, 0.1]),
    loss("BCEWithLogitsLoss", draws(normal(5, 4), uniform(5, 4))),
    loss(
        "BCEWithLogitsLoss",
        draws(normal(5, 4), uniform(5, 4)),
        weight=[0.5, 1.0, 2.0, 0.1],
        pos_weight=[1.0, 3.0, 0.2, 1.0],
    ),
    loss("KLDivLoss", draws(normal(5, 4), uniform(5, 4))),
    loss("KLDivLoss", draws(normal(5, 4), normal(5, 4)), log_target=True),
    loss("PoissonNLLLoss", draws(normal(5, 4), positive(5, 4))),
    loss("PoissonNLLLoss", draws(positive(5, 4), positive(5, 4)), log_input=False, full=True),
    loss("GaussianNLLLoss", draws(normal(5, 4), normal(5, 4), positive(5, 4)), full=True),
    loss("GaussianNLLLoss", draws(normal(5, 4), normal(5, 4), positive(5, 1))),
    loss("MarginRankingLoss", draws(normal(5), normal(5), signs(5)), margin=0.3),
    loss("HingeEmbeddingLoss", draws(normal(5, 4), signs(5, 4)), margin=0.8),
    loss("CosineEmbeddingLoss", draws(normal(5, 4), normal(5, 4), signs(5)), margin=0.1),
    loss("SoftMarginLoss", draws(normal(5, 4), signs(5, 4))),
    loss("TripletMarginLoss", draws(normal(5, 4), normal(5, 4), normal(5, 4)), swap=True),
    loss("TripletMarginLoss", draws(normal(5, 4), normal(5, 4), normal(5, 4)), margin=2.0, p=1.0),
    loss("TripletMarginWithDistanceLoss", draws(normal(5, 4), normal(5, 4), normal(5, 4))),
    loss("MultiLabelSoftMarginLoss", draws(normal(5, 4), uniform(5, 4)), weight=[0.5, 1.0, 2.0, 0.1]),
    loss("MultiMarginLoss", draws(normal(5, 4), classes(5, n=4)), p=2, weight=[0.5, 1.0, 2.0, 0.1]),
    loss("MultiMarginLoss", draws(normal(4), classes(n=4)), margin=0.5),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "draw", "kwargs"), LOSSES)
def test_loss(name: str, draw: Draw, kwargs: dict, reduction: str, dtype: str) -> None:
    random = np.random.RandomState(0)

    def options(lib: Any) -> dict:
        made = {
            k: lib.tensor(v, dtype=getattr(lib, dtype)) if isinstance(v, list) else v
            for k, v in kwargs.items()
        }
        return {**made, "reduction": reduction}

    theirs, ours = getattr(torch.nn, name)(**options(torch)), getattr(clew.nn, name)(**options(clew))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    arrays = [np.asarray(a) for a in draw(random)]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    # PyTorch gives class probabilities a gradient; so do all targets here that are floating.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(ours, theirs, arrays, dtype, random)


def test_batchmean_divergence() -> None:
    random = np.random.RandomState(0)
    arrays = [random.standard_normal((5, 4)), random.uniform(0, 1, (5, 4))]
    compare(
        clew.nn.KLDivLoss(reduction="batchmean"),
        torch.nn.KLDivLoss(reduction="batchmean"),
        arrays,
        "float64",
        random,
    )


def test_old_reduction_flags() -> None:
    x, t = clew.tensor([1.0, 3.0]), clew.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert clew.nn.MSELoss(size_average=False)(x, t).item() == 10
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert clew.nn.functional.l1_loss(x, t, reduce=False).tolist() == [1, 3]


# --- functions ---------------------------------------------------------------------------------------

X, Y = (2, 3, 5, 6), (2, 3, 4)


def call(name: str, *args: Any, x: Any = X, **kwargs: Any) -> Any:
    shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, x, id=f"{name}({shown}) {x}")


FUNCTIONS = [
    *(call("pad", (2, 1), mode=m, x=Y) for m in ("constant", "reflect", "replicate", "circular")),
    *(call("pad", (2, -1, 1, 3), mode=m) for m in ("constant", "reflect", "replicate", "circular")),
    call("pad", (0, 0, 1, 2, -1, 3), value=2.5),
    call("pad", (5, -6, -5, 3), mode="replicate", x=(2, 3, 5, 6)),
    *(call("interpolate", size=s, mode="nearest", x=Y) for s in (1, 3, 4, 7, 8)),
    *(call("interpolate", scale_factor=f, mode="nearest-exact") for f in (0.4, 1.3, 2)),
    *(call("interpolate", scale_factor=f, mode="linear", x=Y) for f in (0.6, 1.3, 2)),
    *(
        call("interpolate", scale_factor=f, mode=m, align_corners=a)
        for f in (0.6, 1.3, (2, 3.7))
        for m in ("bilinear", "bicubic")
        for a in (False, True)
    ),
    *(
        call("interpolate", scale_factor=f, mode="bilinear", recompute_scale_factor=True)
        for f in (0.63, 1.37)
    ),
    *(call("interpolate", size=s, mode="area") for s in ((2, 3), 7)),
    call("interpolate", size=(3, 7, 2), mode="trilinear", x=(1, 2, 4, 5, 3)),
    call("interpolate", size=(3, 7, 2), mode="nearest", x=(1, 2, 4, 5, 3)),
    call("interpolate", size=(3, 7, 2), mode="area", x=(1, 2, 4, 5, 3)),
    call("normalize"),
    call("normalize", p=1, dim=-1),
    call("normalize", p=3, dim=(1, 2)),
    call("max_pool2d", 3, 2, 1, return_indices=True),
    call("local_response_norm", 4),
    call("pixel_shuffle", 1),
    call("softmax", 1),
    call("log_softmax", -1),
    call("glu", -1),
    call("rrelu", 0.1, 0.4),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), FUNCTIONS)
def test_function(name: str, args: tuple, kwargs: dict, shape: tuple, dtype: str) -> None:
    random = np.random.RandomState(0)

    class Ours(clew.nn.Module):
        def forward(self, x: Any) -> Any:
            return getattr(clew.nn.functional, name)(x, *args, **kwargs)

    class Theirs(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return getattr(torch.nn.functional, name)(x, *args, **kwargs)

    compare(Ours(), Theirs(), [random.standard_normal(shape).astype(dtype)], dtype, random)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample(mode: str, padding_mode: str, align_corners: bool) -> None:
    random = np.random.RandomState(0)

    def module(lib: Any) -> Any:
        class Sample(lib.nn.Module):
            def forward(self, x: Any, theta: Any) -> Any:
                grid = lib.nn.functional.affine_grid(theta, (2, 3, 4, 5), align_corners=align_corners)
                return lib.nn.functional.grid_sample(x, grid, mode, padding_mode, align_corners)

        return Sample()

    arrays = [random.standard_normal((2, 3, 6, 7)), random.uniform(-1, 1, (2, 2, 3))]
    if mode == "nearest":
        arrays = arrays[:1] + [
            np.broadcast_to(np.array([[0.9, 0.3, 0.1], [-0.2, 1.1, 0.2]]), (2, 2, 3)).copy()
        ]
    compare(module(clew), module(torch), arrays, "float64", random)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda F, x: F.interpolate(x), ValueError),
        (lambda F, x: F.interpolate(x, 3, 2.0), ValueError),
        (lambda F, x: F.interpolate(x, 3, mode="nearest", align_corners=True), ValueError),
        (lambda F, x: F.interpolate(x, 3, mode="linear"), NotImplementedError),
        (lambda F, x: F.interpolate(x, 3, mode="cubic"), NotImplementedError),
        (lambda F, x: F.pad(x, (9, 0), mode="reflect"), RuntimeError),
        (lambda F, x: F.fold(x[0], (4, 4), 3), RuntimeError),
        (lambda F, x: F.max_pool2d(x, 2, padding=2), RuntimeError),
        (lambda F, x: F.avg_pool2d(x, 2, divisor_override=0), RuntimeError),
        (lambda F, x: F.glu(x[:, :, :3], 2), RuntimeError),
        (lambda F, x: F.huber_loss(x, x, delta=0), RuntimeError),
    ],
)
def test_errors_are_of_the_same_class(call: Callable, error: type) -> None:
    for lib in (torch, clew):
        with pytest.raises(error):
            call(lib.nn.functional, lib.ones(1, 2, 4, 4))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_interpolated_pixels(mode: str) -> None:
    """uint8 is computed as float32 and rounded once; where that lies on a half, the last digit decides."""
    x = (clew.arange(60).reshape(1, 2, 5, 6) * 37 % 256).to(clew.uint8)
    ours = clew.nn.functional.interpolate(x, (7, 9), mode=mode)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(x.numpy()).float(), (7, 9), mode=mode)
    theirs = (theirs + 0.5).floor().clamp(0, 255).numpy()
    assert ours.dtype == clew.uint8
    off = np.abs(ours.numpy() - theirs)
    assert off.max() <= 1 and (off > 0).mean() < (0.05 if mode[0] == "b" else 1e-9)
