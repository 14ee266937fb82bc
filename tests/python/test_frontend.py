"""The C++ frontend beside the Python one: the same names, and the same numbers from the same weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clew
from clew import nn
from clew._tiers import TIERS

ROOT = Path(__file__).resolve().parent.parent.parent


def frontend_program() -> Path:
    # The package under test stands in <build>/python/clew, the program in <build>.
    path = Path(clew.__file__).parent.parent.parent / "clew_frontend"
    if not path.exists():
        path = Path(clew._C.__file__).resolve().parent.parent.parent / "clew_frontend"
    if not path.exists():
        pytest.skip("clew_frontend is not built (CLEW_BUILD_TESTS)")
    return path


def x(*shape, low=None):
    if low is not None:
        return clew.rand(*shape) * 0.9 + low
    return clew.randn(*shape)


CASES = {
    "Linear": (lambda: nn.Linear(5, 3), lambda: [x(4, 5)]),
    "Linear without bias": (lambda: nn.Linear(5, 3, bias=False), lambda: [x(4, 5)]),
    "Identity": (lambda: nn.Identity(), lambda: [x(4)]),
    "Flatten": (lambda: nn.Flatten(), lambda: [x(2, 3, 4)]),
    "Embedding": (lambda: nn.Embedding(7, 3, padding_idx=0), lambda: [clew.tensor([[0, 3, 3], [6, 1, 2]])]),
    "Dropout": (lambda: nn.Dropout(0.0), lambda: [x(5)]),
    "Conv2d": (
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding=(1, 0), groups=2),
        lambda: [x(2, 4, 9, 8)],
    ),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), lambda: [x(2, 3, 9)]),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        lambda: [x(2, 4, 5, 4)],
    ),
    "BCELoss": (lambda: nn.BCELoss(), lambda: [x(4, 3, low=0.05), x(4, 3, low=0.05)]),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, stride=2, padding=1), lambda: [x(2, 3, 8, 7)]),
    "AvgPool2d": (
        lambda: nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        lambda: [x(2, 3, 8, 7)],
    ),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), lambda: [x(2, 3, 8, 7)]),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(5), lambda: [x(8, 5)]),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, momentum=None), lambda: [x(3, 4, 5, 5)]),
    "LayerNorm": (lambda: nn.LayerNorm((2, 5)), lambda: [x(3, 2, 5)]),
    "ReLU": (lambda: nn.ReLU(), lambda: [x(9)]),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), lambda: [x(9)]),
    "GELU": (lambda: nn.GELU("tanh"), lambda: [x(9)]),
    "SiLU": (lambda: nn.SiLU(), lambda: [x(9)]),
    "Sigmoid": (lambda: nn.Sigmoid(), lambda: [x(9)]),
    "Tanh": (lambda: nn.Tanh(), lambda: [x(9)]),
    "Softmax": (lambda: nn.Softmax(1), lambda: [x(3, 9)]),
    "LogSoftmax": (lambda: nn.LogSoftmax(1), lambda: [x(3, 9)]),
    "CrossEntropyLoss": (
        lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda: [x(4, 3), clew.tensor([0, 2, 1, 1])],
    ),
    "NLLLoss": (lambda: nn.NLLLoss(), lambda: [x(4, 3), clew.tensor([0, 2, 1, 1])]),
    "MSELoss": (lambda: nn.MSELoss(reduction="sum"), lambda: [x(4, 3), x(4, 3)]),
    "L1Loss": (lambda: nn.L1Loss(), lambda: [x(4, 3), x(4, 3)]),
    "BCEWithLogitsLoss": (lambda: nn.BCEWithLogitsLoss(), lambda: [x(4, 3), x(4, 3, low=0.05)]),
    "RNN": (lambda: nn.RNN(3, 4, nonlinearity="relu"), lambda: [x(5, 2, 3)]),
    "GRU": (
        lambda: nn.GRU(3, 4, 2, batch_first=True, bidirectional=True),
        lambda: [x(2, 5, 3), x(4, 2, 4)],
    ),
    "LSTM": (lambda: nn.LSTM(3, 4, 2, proj_size=2), lambda: [x(5, 3)]),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True),
        lambda: [x(2, 3, 8), x(2, 4, 5), x(2, 4, 6), clew.tensor([[False] * 4, [False, True, True, False]])],
    ),
    "MultiheadAttention fused": (
        lambda: nn.MultiheadAttention(8, 2),
        lambda: [x(3, 2, 8), clew.ones(3, 3, dtype=clew.bool).triu(1)],
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", norm_first=True),
        lambda: [x(4, 2, 8)],
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), 2, norm=nn.LayerNorm(8)
        ),
        lambda: [x(2, 4, 8)],
    ),
    "Sequential": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
        lambda: [x(4, 5)],
    ),
    "ModuleList": (lambda: nn.ModuleList([nn.Linear(5, 4), nn.Linear(4, 2)]), lambda: [x(4, 5)]),
    "ModuleDict": (
        lambda: nn.ModuleDict({"first": nn.Linear(5, 4), "then": nn.BatchNorm1d(4)}),
        lambda: [x(4, 5)],
    ),
    "GRU packed": (
        lambda: nn.GRU(3, 4, bidirectional=True),
        lambda: [x(5, 3, 3), clew.tensor([2, 5, 3])],
    ),
    "LSTM packed": (lambda: nn.LSTM(3, 4), lambda: [x(5, 3), x(2, 3)]),
    "= pad_sequence": (nn.Module, lambda: [x(2, 3), x(4, 3)]),
    "= interpolate": (nn.Module, lambda: [x(2, 3, 4, 5)]),
    "= normalize and cosine_similarity": (nn.Module, lambda: [x(3, 4), x(3, 4)]),
}

# The second tier.
SMALL = {"dim_feedforward": 12, "dropout": 0.0}
CASES |= {
    "ConstantPad1d": (lambda: nn.ConstantPad1d((1, 2), 0.5), lambda: [x(2, 3, 4)]),
    "ConstantPad2d": (lambda: nn.ConstantPad2d(1, -1), lambda: [x(2, 3, 4)]),
    "ConstantPad3d": (lambda: nn.ConstantPad3d((1, 0, 2, 1, 0, 3), 2), lambda: [x(2, 3, 4, 2)]),
    "ZeroPad1d": (lambda: nn.ZeroPad1d(2), lambda: [x(2, 3, 4)]),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, 2, 0, 1)), lambda: [x(2, 3, 4)]),
    "ZeroPad3d": (lambda: nn.ZeroPad3d(1), lambda: [x(2, 3, 4, 2)]),
    "ReflectionPad1d": (lambda: nn.ReflectionPad1d(2), lambda: [x(2, 3, 4)]),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2, 0, 1)), lambda: [x(2, 3, 4)]),
    "ReflectionPad3d": (lambda: nn.ReflectionPad3d(1), lambda: [x(2, 3, 4, 2)]),
    "ReplicationPad1d": (lambda: nn.ReplicationPad1d(2), lambda: [x(2, 3, 4)]),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d((1, 2, 0, 1)), lambda: [x(2, 3, 4)]),
    "ReplicationPad3d": (lambda: nn.ReplicationPad3d(1), lambda: [x(2, 3, 4, 2)]),
    "CircularPad1d": (lambda: nn.CircularPad1d(2), lambda: [x(2, 3, 4)]),
    "CircularPad2d": (lambda: nn.CircularPad2d((1, 2, 0, 1)), lambda: [x(2, 3, 4)]),
    "CircularPad3d": (lambda: nn.CircularPad3d(1), lambda: [x(2, 3, 4, 2)]),
    "Unflatten": (lambda: nn.Unflatten(1, (2, -1)), lambda: [x(3, 6)]),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), lambda: [x(2, 3, 4, 5)]),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d((3, 9)), lambda: [x(2, 3, 4, 5)]),
    "UpsamplingBilinear2d": (
        lambda: nn.UpsamplingBilinear2d(scale_factor=(2, 1.5)),
        lambda: [x(2, 3, 4, 5)],
    ),
    "Softmin": (lambda: nn.Softmin(1), lambda: [x(3, 4)]),
    "Softmax2d": (lambda: nn.Softmax2d(), lambda: [x(3, 4, 2)]),
    "LogSigmoid": (lambda: nn.LogSigmoid(), lambda: [x(9)]),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(0), lambda: [x(4, 3), x(4, 3)]),
    "ConvTranspose1d": (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        lambda: [x(2, 4, 5)],
    ),
    "ELU": (lambda: nn.ELU(0.5), lambda: [x(9)]),
    "SELU": (lambda: nn.SELU(), lambda: [x(9)]),
    "CELU": (lambda: nn.CELU(2.0), lambda: [x(9)]),
    "Softplus": (lambda: nn.Softplus(2.0, 3.0), lambda: [x(9)]),
    "Mish": (lambda: nn.Mish(), lambda: [x(9)]),
    "Hardtanh": (lambda: nn.Hardtanh(-0.5, 1.0), lambda: [x(9)]),
    "ReLU6": (lambda: nn.ReLU6(), lambda: [x(9)]),
    "Hardsigmoid": (lambda: nn.Hardsigmoid(), lambda: [x(9)]),
    "Hardswish": (lambda: nn.Hardswish(), lambda: [x(9)]),
    "Hardshrink": (lambda: nn.Hardshrink(0.3), lambda: [x(9)]),
    "Softshrink": (lambda: nn.Softshrink(0.3), lambda: [x(9)]),
    "Tanhshrink": (lambda: nn.Tanhshrink(), lambda: [x(9)]),
    "Softsign": (lambda: nn.Softsign(), lambda: [x(9)]),
    "Threshold": (lambda: nn.Threshold(0.1, 2.0), lambda: [x(9)]),
    "GLU": (lambda: nn.GLU(1), lambda: [x(2, 4, 3)]),
    "PReLU": (lambda: nn.PReLU(3), lambda: [x(2, 3, 4)]),
    "RNNCell": (lambda: nn.RNNCell(3, 4, nonlinearity="relu"), lambda: [x(2, 3), x(2, 4)]),
    "GRUCell": (lambda: nn.GRUCell(3, 4), lambda: [x(3)]),
    "LSTMCell": (lambda: nn.LSTMCell(3, 4, bias=False), lambda: [x(2, 3), x(2, 4), x(2, 4)]),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(8, 2, **SMALL, norm_first=True),
        lambda: [x(4, 2, 8), x(3, 2, 8)],
    ),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, **SMALL, batch_first=True), 2),
        lambda: [x(2, 4, 8), x(2, 3, 8)],
    ),
    "Transformer": (
        lambda: nn.Transformer(8, 2, 1, 2, **SMALL, activation="gelu"),
        lambda: [x(4, 2, 8), x(3, 2, 8)],
    ),
}

RNN = nn.utils.rnn
F = nn.functional

# What is not simply `module(*inputs)`.
CALLS = {
    "MultiheadAttention": lambda m, q, k, v, padding: m(q, k, v, key_padding_mask=padding),
    "MultiheadAttention fused": lambda m, y, mask: m(y, y, y, attn_mask=mask, need_weights=False)[:1],
    "ModuleList": lambda m, y: m[1](m[0](y)),
    "ModuleDict": lambda m, y: m["then"](m["first"](y)),
    "GRU packed": lambda m, y, lengths: (lambda out: (out[0].data, out[1]))(
        m(RNN.pack_padded_sequence(y, lengths, enforce_sorted=False))
    ),
    "LSTM packed": lambda m, a, b: (lambda out: (*RNN.pad_packed_sequence(out[0], True, -1, 6), *out[1]))(
        m(RNN.pack_sequence([a, b]))
    ),
    "LSTMCell": lambda m, y, h, c: m(y, (h, c)),
    "TransformerDecoder": lambda m, y, memory: m(
        y, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(4)
    ),
    "= pad_sequence": lambda m, a, b: (
        RNN.pad_sequence([a, b], True, 7, "left"),
        RNN.pad_sequence([a, b]),
    ),
    "= interpolate": lambda m, y: (
        F.interpolate(y, (5, 7), mode="bilinear", align_corners=True),
        F.interpolate(y, scale_factor=1.7, mode="bicubic"),
        F.interpolate(y, scale_factor=(2, 1.5)),
        F.interpolate(y, 2, mode="area"),
    ),
    "= normalize and cosine_similarity": lambda m, a, b: (F.normalize(a, 2, -1), F.cosine_similarity(a, b)),
}


def forward(name, module, inputs):
    """The call that the C++ program makes, as a list of tensors."""
    result = CALLS.get(name, lambda m, *given: m(*given))(module, *inputs)
    flat = []
    for part in result if isinstance(result, tuple) else [result]:
        flat += part if isinstance(part, tuple) else [part]
    return flat


def run_program(*arguments):
    done = subprocess.run([frontend_program(), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_same_numbers(name, tmp_path):
    make, make_inputs = CASES[name]
    module, inputs = make(), make_inputs()
    with clew.no_grad():
        for p in module.parameters():
            p.add_(clew.randn_like(p) * 0.1)
    clew.save(
        {
            "case": {name: clew.zeros(0)},
            "state": dict(module.state_dict()),
            "input": [t.detach() for t in inputs],
        },
        tmp_path / "in",
    )
    run_program("run", tmp_path / "in", tmp_path / "out")
    got = clew.load(tmp_path / "out")

    inputs = [t.clone().requires_grad_() if t.dtype.is_floating_point else t for t in inputs]
    outputs = forward(name, module, inputs)
    total = clew.zeros(())
    for y in outputs:
        if y.requires_grad:
            total = total + (y * y).sum()
    if total.requires_grad:
        total.backward()
    want = {f"output.{i}": y.detach() for i, y in enumerate(outputs)}
    want |= {f"grad.{key}": p.grad for key, p in module.named_parameters() if p.grad is not None}
    want |= {
        f"input_grad.{i}": t.grad for i, t in enumerate(inputs) if t.requires_grad and t.grad is not None
    }
    want |= {f"after.{key}": b for key, b in module.named_buffers()}
    assert set(got) == set(want)
    for key, value in want.items():
        assert clew.equal(got[key], value), key


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("=")])
def test_weights_in_files(name, tmp_path):
    """Weights that Python saves come back from C++ bit for bit, under the same names and in their order."""
    module = CASES[name][0]()
    with clew.no_grad():
        for value in module.state_dict().values():
            value.copy_(clew.randn(value.shape) * 3)
    state = module.state_dict()
    clew.save(state, tmp_path / "in")
    run_program("roundtrip", name, tmp_path / "in", tmp_path / "out")
    got = clew.load(tmp_path / "out")
    assert list(got) == list(state)
    for key, value in state.items():
        assert got[key].dtype == value.dtype
        assert got[key].numpy().tobytes() == value.numpy().tobytes(), key


def test_same_text():
    """A module prints in C++ as it does in Python."""
    lines = run_program("print").split("\n\n")
    said = dict(part.split("\n", 1) for part in lines if part.strip())
    differ = {
        name: (said[name].strip(), repr(make()))
        for name, (make, _) in CASES.items()
        if " " not in name and said[name].strip() != repr(make())
    }
    assert not differ


def compare(got, want):
    assert set(got) == set(want)
    for key, value in want.items():
        assert clew.equal(got[key], value), key


O = clew.optim
OPTIMIZERS = {
    "SGD": lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda p: O.Adam(p, lr=0.05, weight_decay=0.02, amsgrad=True),
    "AdamW": lambda p: O.AdamW(p, lr=0.05),
    "RMSprop": lambda p: O.RMSprop(p, weight_decay=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.01, weight_decay=0.01),
    "Adadelta": lambda p: O.Adadelta(p, weight_decay=0.01, maximize=True),
    "Adamax": lambda p: O.Adamax(p, weight_decay=0.01),
    "NAdam": lambda p: O.NAdam(p, weight_decay=0.01, decoupled_weight_decay=True),
    "RAdam": lambda p: O.RAdam(p, lr=0.01, weight_decay=0.01),
    "Rprop": lambda p: O.adaptive.Rprop(p),
    "LBFGS": lambda p: O.LBFGS(p, lr=0.5, max_iter=4, history_size=3),
    "LBFGS strong_wolfe": lambda p: O.LBFGS(p, max_iter=3, line_search_fn="strong_wolfe"),
}


def test_same_optimizers(tmp_path):
    clew.manual_seed(1)
    start = {"w": x(4, 3), "b": x(3), "x": x(8, 4), "y": clew.rand(8, 3)}
    clew.save(start, tmp_path / "in")
    run_program("train", tmp_path / "in", tmp_path / "out")
    want = {}
    for name, make in OPTIMIZERS.items():
        w, b = (start[key].clone().requires_grad_() for key in "wb")
        optimizer = make([w, b])

        def closure(optimizer=optimizer, w=w, b=b):
            optimizer.zero_grad()
            loss = (start["x"] @ w + b).tanh().sub(start["y"]).square().mean()
            loss.backward()
            return loss

        for _ in range(12):
            optimizer.step(closure)
        assert not clew.equal(w, start["w"])
        want |= {f"{name}.w": w.detach(), f"{name}.b": b.detach()}
    compare(clew.load(tmp_path / "out"), want)


L = O.lr_scheduler


def sequential(o):
    parts = [
        L.LinearLR(o, start_factor=0.1, total_iters=4),
        L.CosineAnnealingWarmRestarts(o, 5),
        L.ExponentialLR(o, 0.9),
    ]
    return L.SequentialLR(o, parts, [5, 19])


SCHEDULES = {
    "StepLR": lambda o: L.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda o: L.MultiStepLR(o, [3, 11, 11, 30], 0.3),
    "ExponentialLR": lambda o: L.ExponentialLR(o, 0.93),
    "CosineAnnealingLR": lambda o: L.CosineAnnealingLR(o, 9, 0.1),
    "LambdaLR": lambda o: L.LambdaLR(o, lambda e: 1.0 / (e + 1)),
    "MultiplicativeLR": lambda o: L.MultiplicativeLR(o, lambda e: 1.0 - 1.0 / (e + 9)),
    "LinearLR": lambda o: L.LinearLR(o, start_factor=0.2, total_iters=12),
    "ConstantLR": lambda o: L.ConstantLR(o, 0.3, 6),
    "PolynomialLR": lambda o: L.PolynomialLR(o, 20, 1.7),
    "OneCycleLR": lambda o: L.OneCycleLR(o, 2, 45),
    "OneCycleLR three_phase": lambda o: L.OneCycleLR(o, 2, 45, anneal_strategy="linear", three_phase=True),
    "CyclicLR": lambda o: L.CyclicLR(o, 0.1, 0.7, 5, 8, mode="triangular2"),
    "CyclicLR exp_range": lambda o: L.CyclicLR(o, 0.1, 0.7, 6, mode="exp_range", gamma=0.97),
    "CosineAnnealingWarmRestarts": lambda o: L.CosineAnnealingWarmRestarts(o, 4, 2, 0.05),
    "SequentialLR": sequential,
    "ChainedScheduler": lambda o: L.ChainedScheduler([L.ConstantLR(o, 0.5, 4), L.ExponentialLR(o, 0.9)]),
    "ReduceLROnPlateau": lambda o: L.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=3),
}


def test_same_schedules(tmp_path):
    clew.save({"none": clew.zeros(0)}, tmp_path / "in")
    run_program("rates", tmp_path / "in", tmp_path / "out")
    want = {}
    for name, make in SCHEDULES.items():
        optimizer = O.SGD([clew.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        schedule, seen = make(optimizer), []
        for epoch in range(40):
            group = optimizer.param_groups[0]
            seen += [group["lr"], group["momentum"]]
            if name == "ReduceLROnPlateau":
                schedule.step(1.0 / (epoch + 1) if epoch < 5 else 0.2)
            else:
                schedule.step()
        assert len(set(seen[::2])) > 1
        want[name] = clew.tensor(seen, dtype=clew.float64)
    compare(clew.load(tmp_path / "out"), want)


INITIALIZERS = {
    "uniform_": lambda t: nn.init.uniform_(t, -2, 3),
    "normal_": lambda t: nn.init.normal_(t, 1, 2),
    "constant_": lambda t: nn.init.constant_(t, 0.25),
    "zeros_": nn.init.zeros_,
    "ones_": nn.init.ones_,
    "xavier_uniform_": lambda t: nn.init.xavier_uniform_(t, 1.5),
    "xavier_normal_": lambda t: nn.init.xavier_normal_(t, 1.5),
    "kaiming_uniform_": lambda t: nn.init.kaiming_uniform_(t, 0.2, "fan_out"),
    "kaiming_normal_": lambda t: nn.init.kaiming_normal_(t, 0, "fan_in", "relu"),
    "trunc_normal_": lambda t: nn.init.trunc_normal_(t, 0.5, 2, -1, 1),
    "orthogonal_": lambda t: nn.init.orthogonal_(t, 2),
    "dirac_": lambda t: nn.init.dirac_(t, 2),
    "eye_": lambda t: nn.init.eye_(t[:, :, 0, 0]),
    "sparse_": lambda t: nn.init.sparse_(t[:, :, 0, 0], 0.4),
    "calculate_gain": lambda t: nn.init.constant_(t, nn.init.calculate_gain("leaky_relu", 0.3)),
}


def test_same_starting_values(tmp_path):
    clew.save({"none": clew.zeros(0)}, tmp_path / "in")
    run_program("init", tmp_path / "in", tmp_path / "out")
    want = {}
    for name, fill in INITIALIZERS.items():
        clew.manual_seed(3)
        want[name] = clew.zeros(6, 4, 3, 3)
        fill(want[name])
    compare(clew.load(tmp_path / "out"), want)


# What the program calls a list of Python's names, and which of them are no names in C++: modules such as
# nn.init are namespaces there, and a parameter is a tensor that was registered as one.
SCOPES = {
    "module": ("nn", {"Parameter", "functional", "init", "utils", "parallel", "attention", "Buffer"}),
    "function": ("nn.functional", set()),
    "init": ("nn.init", set()),
    "optimizer": ("optim", {"lr_scheduler", "swa_utils"}),
    "scheduler": ("optim.lr_scheduler", set()),
    "utils": ("nn.utils", {"rnn", "parametrize", "parametrizations", "stateless"}),
    "sequence": ("nn.utils.rnn", set()),
}
# Every optimizer and every schedule of tiers 1 and 2 is tier 1 in C++.
DEMANDED = {"optimizer": 2, "scheduler": 2}


def test_same_names(capsys):
    """Every name that Python has at this tier is in C++ too; the report is printed."""
    have: dict[str, set[str]] = {}
    for line in run_program("names").splitlines():
        kind, name = line.split()
        have.setdefault(kind, set()).add(name)
    gaps, report = [], []
    for kind, (scope, not_names) in SCOPES.items():
        counts = []
        for tier in range(2):
            wanted = [n for n in TIERS[scope][tier].split() if n not in not_names]
            missing = [n for n in wanted if n not in have.get(kind, set())]
            counts.append(f"{len(wanted) - len(missing)} of {len(wanted)}")
            if tier < DEMANDED.get(kind, 1):
                gaps += [f"{scope}.{n}" for n in missing]
        report.append(f"{kind:10} {counts[0]:>10} {counts[1]:>12}")
    with capsys.disabled():
        print("\nC++ beside Python  tier 1       tier 2")
        print("\n".join(report))
    assert not gaps, f"missing in C++: {', '.join(gaps)}"
    # Every module of the first tier was compared in numbers and in files above.
    modules = set(TIERS["nn"][0].split()) - SCOPES["module"][1] - {"Module"}
    assert modules <= set(CASES)


def test_prefix(prefix):
    """Python says where a build finds the package; what is there is complete."""
    said = subprocess.run(
        [sys.executable, "-m", "clew", "--cmake-prefix"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert said == clew.utils.cmake_prefix_path
    config = Path(said) / "lib" / "cmake" / "Clew" / "ClewConfig.cmake"
    assert config.is_file()
    assert next(prefix.glob("lib*/cmake/Clew/ClewConfig.cmake")).is_file()


# --- programs built outside the tree ----------------------------------------------------------------


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installed tree, as `cmake --install` makes it."""
    build = frontend_program().parent
    where = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", where], check=True, capture_output=True)
    return where


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_consumer(compiler, prefix, tmp_path):
    """The digits program is configured, built and run against the installed tree, without Python."""
    found = shutil.which(compiler) or next(map(str, Path("/usr/bin").glob(f"{compiler}-[0-9]*")), None)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    source = ROOT / "tutorials" / "cpp" / "digits"
    subprocess.run([sys.executable, source / "export_digits.py", tmp_path / "data"], check=True)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [
            "cmake",
            "-S",
            source,
            "-B",
            tmp_path / "build",
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_CXX_COMPILER={found}",
        ],
        check=True,
        capture_output=True,
        env=env,
    )
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, env=env)
    program = tmp_path / "build" / "digits"
    done = subprocess.run([program, tmp_path / "data"], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split("test accuracy:")[1].split()[0])
    assert accuracy >= 98, done.stdout
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libclew.so" in libraries
    assert "python" not in libraries
    # The weights are Python's too.
    state = clew.load(tmp_path / "data" / "digits.safetensors")
    assert state["conv1.weight"].shape == (16, 1, 3, 3)


def test_pkg_config(prefix, tmp_path):
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    (tmp_path / "one.cpp").write_text(
        "#include <clew/clew.h>\n#include <cstdio>\n"
        'int main() { std::printf("%g\\n", clew::ones({2, 2}).sum().item<double>()); }\n'
    )
    folder = next(prefix.glob("lib*/pkgconfig"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "clew"], capture_output=True, text=True, check=True, env=env
    ).stdout.split()
    subprocess.run(["g++", tmp_path / "one.cpp", *flags, "-o", tmp_path / "one"], check=True)
    done = subprocess.run([tmp_path / "one"], capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


def test_lean_header(tmp_path):
    """`#include <clew/clew.h>` costs little: at most 0.6 s of preprocessing."""
    import resource

    (tmp_path / "one.cpp").write_text("#include <clew/clew.h>\n")
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            ["g++", "-std=c++20", f"-I{ROOT / 'include'}", "-E", tmp_path / "one.cpp", "-o", os.devnull],
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best <= 0.6
