"""Modules: attributes, state, hooks, errors with paths, and layers against PyTorch."""

import copy
import doctest
import importlib
import math
import pathlib
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import clew
from clew import nn


class Block(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.linear1 = nn.Linear(width, 4)
        self.linear2 = nn.Linear(4, width)
        self.register_buffer("scale", clew.ones(1))
        self.register_buffer("cache", clew.zeros(2), persistent=False)

    def forward(self, x):
        return self.linear2(self.linear1(x).relu()) * self.scale


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block(), Block(), Block(5)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()

    def forward(self, x):
        return self.encoder(x)


# -- attributes ----------------------------------------------------------------------------------


def test_registration_and_lookup():
    m = Block()
    assert [n for n, _ in m.named_parameters()] == [
        "linear1.weight",
        "linear1.bias",
        "linear2.weight",
        "linear2.bias",
    ]
    assert [n for n, _ in m.named_buffers()] == ["scale", "cache"]
    assert [n for n, _ in m.named_children()] == ["linear1", "linear2"]
    assert [n for n, _ in m.named_modules()] == ["", "linear1", "linear2"]
    assert isinstance(m.linear1.weight, nn.Parameter) and isinstance(m.linear1.weight, clew.Tensor)
    assert "linear1" in dir(m) and "scale" in dir(m)


def test_setattr_replaces_and_deletes():
    m = Block()
    m.linear1 = nn.Identity()
    assert [n for n, _ in m.named_parameters()] == ["linear2.weight", "linear2.bias"]
    m.linear1 = nn.Parameter(clew.ones(2))
    assert "linear1" not in m._modules and "linear1" in m._parameters
    m.linear1 = None
    assert m.linear1 is None
    del m.linear1
    assert not hasattr(m, "linear1")
    m.plain = 3
    assert m.plain == 3
    m.plain = nn.Parameter(clew.ones(1))
    assert "plain" not in m.__dict__ and list(m._parameters) == ["plain"]


def test_setattr_wrong_kinds():
    m = Block()
    with pytest.raises(TypeError, match="expected a Parameter or None for parameter 'weight'"):
        m.linear1.weight = clew.ones(2)
    with pytest.raises(TypeError, match="expected a Module or None for child module 'linear1'"):
        m.linear1 = 3
    with pytest.raises(TypeError, match="expected a Tensor or None for buffer 'scale'"):
        m.scale = 3


def test_setattr_before_init():
    class Bad(nn.Module):
        def __init__(self):
            self.layer = nn.Identity()

    with pytest.raises(AttributeError, match=r"expected super\(\).__init__\(\) before attribute 'layer'"):
        Bad()


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, "without '.'"),
        (lambda m: m.register_parameter("", None), KeyError, "non-empty"),
        (lambda m: m.register_parameter(3, None), TypeError, "str as name"),
        (lambda m: m.register_parameter("forward", None), KeyError, "new name"),
        (lambda m: m.register_parameter("p", clew.ones(1)), TypeError, "Parameter or None"),
        (lambda m: m.register_buffer("linear1", None), KeyError, "new name"),
        (lambda m: m.register_buffer("b", 3), TypeError, "Tensor or None"),
        (lambda m: m.add_module("b", 3), TypeError, "Module or None"),
        (lambda m: m.add_module("scale", nn.Identity()), KeyError, "new name"),
        (lambda m: m.train(3), ValueError, "expected a bool"),
        (lambda m: m.to(clew.int64), TypeError, "floating point dtype"),
        (lambda m: m.get_submodule("linear1.x"), AttributeError, "linear1.x"),
        (lambda m: m.get_parameter("linear1.x"), AttributeError, "linear1.x"),
    ],
)
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text):
        call(Block())


def test_get_by_path():
    m = Net()
    assert m.get_submodule("encoder.layers.3.linear1") is m.encoder.layers[3].linear1
    assert m.get_submodule("") is m
    assert m.get_parameter("encoder.layers.0.linear1.bias") is m.encoder.layers[0].linear1.bias
    assert m.get_buffer("encoder.layers.0.scale") is m.encoder.layers[0].scale
    m.set_submodule("encoder.layers.0", nn.Identity())
    assert isinstance(m.encoder.layers[0], nn.Identity)


def test_shared_modules_and_parameters_are_listed_once():
    layer = nn.Linear(2, 2)
    m = nn.Sequential(layer, layer)
    assert len(list(m.parameters())) == 2
    assert len(list(m.modules())) == 2
    assert len(list(m.named_parameters(remove_duplicate=False))) == 4
    assert list(m.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    tied = nn.Linear(2, 2)
    tied.bias = layer.bias
    assert len(list(nn.ModuleList([layer, tied]).parameters())) == 3


def test_unknown_attributes():
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'nothing'"):
        _ = Block().nothing
    with pytest.raises(NotImplementedError, match="register_backward_hook"):
        Block().register_backward_hook(print)


# -- calling -------------------------------------------------------------------------------------


def test_train_eval_apply_requires_grad_zero_grad():
    m = Net()
    assert m.eval() is m and not any(c.training for c in m.modules())
    assert m.train() is m and all(c.training for c in m.modules())
    seen = []
    m.apply(lambda c: seen.append(type(c).__name__))
    assert seen[-1] == "Net" and len(seen) == len(list(m.modules()))
    m.requires_grad_(False)
    assert not any(p.requires_grad for p in m.parameters())
    layer = nn.Linear(2, 1)
    layer(clew.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None


def test_forward_is_required():
    with pytest.raises(NotImplementedError, match="expected Module to define forward"):
        nn.Module()(1)


def test_hooks():
    m = nn.Identity()
    calls = []
    pre = m.register_forward_pre_hook(lambda mod, args: calls.append("pre") or (args[0] + 1,))
    post = m.register_forward_hook(lambda mod, args, out: calls.append("post") or out * 2)
    first = m.register_forward_pre_hook(lambda mod, args: calls.append("first"), prepend=True)
    assert m(3) == 8
    assert calls == ["first", "pre", "post"]
    pre.remove()
    first.remove()
    post.remove()
    post.remove()
    assert m(3) == 3
    with m.register_forward_hook(lambda mod, args, kwargs, out: kwargs, with_kwargs=True):
        assert m(input=3) == {"input": 3}
    m.register_forward_pre_hook(lambda mod, args, kwargs: ((5,), {}), with_kwargs=True)
    assert m(3) == 5


def test_hook_always_call():
    class Bad(nn.Module):
        def forward(self, x):
            raise RuntimeError("inside")

    m, seen = Bad(), []
    m.register_forward_hook(lambda mod, args, out: seen.append(out), always_call=True)
    with pytest.raises(RuntimeError, match="inside"):
        m(1)
    assert seen == [None]


def test_hooks_survive_copies():
    m = nn.Identity()
    m.register_forward_hook(lambda mod, args, out: out * 2)
    assert copy.deepcopy(m)(2) == 4


# -- errors with the module's path ---------------------------------------------------------------


def notes(error):
    return [note for note in getattr(error, "__notes__", []) if note.startswith("in module")]


def test_error_names_the_module():
    with pytest.raises(RuntimeError) as caught:
        Net()(clew.zeros(2, 3))
    assert notes(caught.value) == ["in module encoder.layers.3.linear1 (Linear)"]


def test_error_in_the_outermost_module_and_in_a_sequential():
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(3, 2)(clew.zeros(2, 5))
    assert notes(caught.value) == ["in module (Linear)"]
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(3, 2)))(clew.zeros(2, 5))
    assert notes(caught.value) == ["in module 1.0 (Linear)"]


def test_error_keeps_its_class_message_and_other_notes():
    class Special(Exception):
        pass

    class Bad(nn.Module):
        def forward(self, x):
            error = Special("the message")
            error.add_note("mine")
            raise error

    with pytest.raises(Special) as caught:
        nn.Sequential(Bad())(1)
    assert type(caught.value) is Special and str(caught.value) == "the message"
    assert caught.value.__notes__ == ["mine", "in module 0 (Bad)"]
    assert pickle.loads(pickle.dumps(caught.value.__notes__)) == ["mine", "in module 0 (Bad)"]


def test_error_through_an_unregistered_module_and_recursion():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.rest = [nn.Linear(3, 2)]

        def forward(self, x):
            return self.rest[0](x)

    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(Hidden())(clew.zeros(1, 2))
    assert notes(caught.value) == ["in module 0.<Linear> (Linear)"]

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)

        def forward(self, x, n):
            return self(x, n - 1) if n else self.last(x)

    with pytest.raises(RuntimeError) as caught:
        Loop()(clew.zeros(1, 2), 3)
    assert notes(caught.value) == ["in module last (Linear)"]


def test_error_that_is_caught_inside_leaves_no_trace():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad = nn.Linear(3, 2)

        def forward(self, x):
            try:
                return self.bad(x)
            except RuntimeError:
                return x

    assert Careful()(clew.zeros(1, 2)).shape == (1, 2)


# -- state ---------------------------------------------------------------------------------------


def test_state_dict_round_trip():
    a, b = Net(), Net()
    state = a.state_dict()
    assert list(state)[:3] == [
        "encoder.layers.0.scale",
        "encoder.layers.0.linear1.weight",
        "encoder.layers.0.linear1.bias",
    ]
    assert not any("cache" in key for key in state)
    assert not any(t.requires_grad for t in state.values())
    result = b.load_state_dict(state)
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert repr(result) == "<All keys matched successfully>"
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert p.tolist() == q.tolist() and q.requires_grad
    state["encoder.layers.0.scale"].fill_(7)
    assert a.encoder.layers[0].scale.item() == 7


def test_load_state_dict_differences_change_nothing():
    m = nn.Linear(2, 1)
    before = m.weight.tolist()
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict({"weight": clew.zeros(1, 2), "extra": clew.zeros(1)})
    assert "Missing key(s): 'bias'" in str(caught.value)
    assert "Unexpected key(s): 'extra'" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"size mismatch for bias: expected \[1\], got \[2\]"):
        m.load_state_dict({"weight": clew.zeros(1, 2), "bias": clew.zeros(2)})
    assert m.weight.tolist() == before
    result = m.load_state_dict({"weight": clew.zeros(1, 2), "extra": clew.zeros(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["extra"]
    assert m.weight.tolist() == [[0.0, 0.0]]
    with pytest.raises(TypeError, match="expected a dict"):
        m.load_state_dict([1])


def test_load_state_dict_assign():
    m = nn.Linear(2, 1)
    weight = clew.zeros(1, 2, dtype=clew.float64)
    m.load_state_dict({"weight": weight, "bias": clew.zeros(1)}, assign=True)
    assert m.weight.dtype == clew.float64 and isinstance(m.weight, nn.Parameter) and m.weight.requires_grad


def test_extra_state():
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = nn.Sequential(Counting()), nn.Sequential(Counting())
    a[0].count = 5
    assert a.state_dict() == {"0._extra_state": {"count": 5}}
    b.load_state_dict(a.state_dict())
    assert b[0].count == 5


def test_to_and_casts():
    m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = m[0].weight
    m.double()
    assert m[0].weight is weight and weight.dtype == clew.float64
    assert m[1].running_mean.dtype == clew.float64
    assert m[1].num_batches_tracked.dtype == clew.int64
    m.to("cpu", clew.float32)
    assert weight.dtype == clew.float32
    m.to(clew.zeros(1, dtype=clew.float64))
    assert weight.dtype == clew.float64
    m.to(dtype=clew.bfloat16).half().float().cpu()
    assert weight.dtype == clew.float32 and weight.requires_grad
    m(clew.randn(4, 2)).sum().backward()
    m.double()
    assert weight.grad.dtype == clew.float64
    with pytest.raises(TypeError, match="expected a device, a dtype or a tensor"):
        m.to(3.5)


def test_deepcopy_and_parameter():
    m = Block()
    twin = copy.deepcopy(m)
    assert twin.linear1.weight is not m.linear1.weight
    assert isinstance(twin.linear1.weight, nn.Parameter) and twin.linear1.weight.requires_grad
    assert twin.linear1.weight.tolist() == m.linear1.weight.tolist()
    data = clew.zeros(2)
    p = nn.Parameter(data, requires_grad=False)
    data.fill_(1)
    assert p.tolist() == [1.0, 1.0] and not p.requires_grad
    assert repr(p).startswith("Parameter containing:\n")
    assert not isinstance(p + 1, nn.Parameter)
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.Parameter(3)


# -- printing ------------------------------------------------------------------------------------


def test_repr():
    assert repr(nn.Linear(2, 3)) == "Linear(in_features=2, out_features=3, bias=True)"
    text = repr(nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3, padding=1), act=nn.ReLU())))
    assert text == (
        "Sequential(\n  (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (act): ReLU()\n)"
    )
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == (
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    )
    assert repr(nn.ModuleDict()) == "ModuleDict()"


def test_repr_as_torch():
    torch = pytest.importorskip("torch")

    def build(lib):
        n = lib.nn
        return n.Sequential(
            n.Conv2d(2, 4, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=2, bias=False),
            n.BatchNorm2d(4),
            n.ReLU(inplace=True),
            n.MaxPool2d(2),
            n.AvgPool2d(3, 1, 1),
            n.AdaptiveAvgPool2d((1, None)),
            n.Flatten(),
            n.ModuleList([n.Linear(2, 2), n.Linear(2, 2), n.Sequential(n.GELU(), n.SiLU())]),
            n.ModuleDict({"a": n.LayerNorm((2, 3)), "b": n.Embedding(3, 4, padding_idx=1)}),
            n.Dropout(0.25),
            n.LeakyReLU(0.2),
            n.Softmax(dim=1),
            n.LogSoftmax(-1),
            n.CrossEntropyLoss(),
            n.MSELoss(),
            n.Identity(),
            n.Sigmoid(),
            n.Tanh(),
            n.ModuleList(),
        )

    assert repr(build(clew)) == repr(build(torch))


# -- containers ----------------------------------------------------------------------------------


def test_sequential():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Identity()
    s = nn.Sequential(a, b)
    assert len(s) == 2 and s[-1] is b and list(s) == [a, b]
    assert s.append(c) is s and s[2] is c
    assert list(s[1:]) == [b, c] and isinstance(s[1:], nn.Sequential)
    del s[0]
    assert [n for n, _ in s.named_children()] == ["0", "1"] and s[0] is b
    s[0] = a
    assert s[0] is a
    s.insert(0, b)
    assert list(s) == [b, a, c]
    assert s.pop(0) is b and list(s + nn.Sequential(b)) == [a, c, b]
    with pytest.raises(IndexError, match=r"expected an index in \[-2, 2\), got 2"):
        s[2]


def test_module_list_and_dict():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Identity()
    layers = nn.ModuleList([a])
    layers += [b]
    layers.insert(0, c)
    assert list(layers) == [c, a, b] and layers[-1] is b and len(layers[1:]) == 2
    del layers[0]
    assert list(layers) == [a, b] and [n for n, _ in layers.named_children()] == ["0", "1"]
    assert layers.pop() is b and list(layers + [c]) == [a, c]
    with pytest.raises(TypeError, match="iterable of modules"):
        layers.extend(3)
    d = nn.ModuleDict({"x": a})
    d["y"] = b
    d.update([("z", c)])
    assert list(d) == ["x", "y", "z"] and "y" in d and d.pop("y") is b and len(d) == 2
    assert list(d.values()) == [a, c] and list(d.items())[0] == ("x", a)
    del d["x"]
    d.clear()
    assert len(d) == 0


# -- initialisation ------------------------------------------------------------------------------


def test_init_bounds():
    clew.manual_seed(0)
    layer = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for p in layer.parameters():
        assert abs(p).max().item() <= bound
    assert abs(layer.weight.std().item() - bound / math.sqrt(3)) < 0.02 * bound
    w = clew.empty(50, 40, 3, 3)
    nn.init.xavier_uniform_(w)
    assert w.abs().max().item() <= math.sqrt(6 / (90 * 9))
    nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")
    assert abs(w.std().item() / math.sqrt(2 / 450) - 1) < 0.05
    nn.init.xavier_normal_(w, gain=2.0)
    assert abs(w.std().item() / (2 * math.sqrt(2 / 810)) - 1) < 0.05
    nn.init.constant_(w, 3)
    assert w.min().item() == w.max().item() == 3
    assert nn.init.eye_(clew.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    e = nn.Embedding(100, 50, padding_idx=-1)
    assert e.padding_idx == 99 and e.weight[99].tolist() == [0.0] * 50
    assert abs(e.weight.std().item() - 1) < 0.05


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.init.xavier_uniform_(clew.empty(3)), "2 or more dimensions"),
        (lambda: nn.init.kaiming_uniform_(clew.empty(3, 3), mode="in"), "fan_in or fan_out"),
        (lambda: nn.init.calculate_gain("cubic"), "cubic"),
        (lambda: nn.init.calculate_gain("leaky_relu", "a"), "negative slope"),
        (lambda: nn.Dropout(1.5), r"expected p in \[0, 1\], got 1.5"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "divisible by groups=2, got 3"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "'same', 'valid'"),
        (lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same"), "stride 1"),
        (lambda: nn.Conv2d(1, 1, 0), "kernel_size"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2.0), "label_smoothing"),
        (lambda: nn.MSELoss(reduction="max"), "none, mean or sum"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx"),
        (lambda: nn.BatchNorm2d(3)(clew.ones(2, 3)), r"expected input of shape \(N, C, H, W\)"),
        (lambda: nn.BatchNorm1d(3)(clew.ones(3)), r"expected input of shape \(N, C\)"),
    ],
)
def test_bad_values(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# -- against PyTorch -----------------------------------------------------------------------------

LAYERS = {
    "linear": (lambda n: n.Linear(5, 3), (4, 5)),
    "linear_nobias_3d": (lambda n: n.Linear(5, 3, bias=False), (2, 4, 5)),
    "conv": (lambda n: n.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9, 8)),
    "conv_same_odd": (lambda n: n.Conv2d(3, 2, 3, padding="same", dilation=2), (2, 3, 7, 6)),
    "conv_same_even": (lambda n: n.Conv2d(3, 2, (4, 3), padding="same"), (2, 3, 7, 6)),
    "conv_valid": (lambda n: n.Conv2d(3, 2, 3, padding="valid"), (2, 3, 7, 6)),
    "batchnorm1d": (lambda n: n.BatchNorm1d(4), (6, 4)),
    "batchnorm1d_3d": (lambda n: n.BatchNorm1d(4), (6, 4, 5)),
    "batchnorm2d": (lambda n: n.BatchNorm2d(4), (3, 4, 5, 2)),
    "batchnorm2d_average": (lambda n: n.BatchNorm2d(4, momentum=None), (3, 4, 5, 2)),
    "batchnorm2d_plain": (lambda n: n.BatchNorm2d(4, affine=False, track_running_stats=False), (3, 4, 5, 2)),
    "layernorm": (lambda n: n.LayerNorm((3, 4)), (2, 3, 4)),
    "layernorm_nobias": (lambda n: n.LayerNorm(4, bias=False), (2, 3, 4)),
    "relu": (lambda n: n.ReLU(), (3, 4)),
    "leaky_relu": (lambda n: n.LeakyReLU(0.3), (3, 4)),
    "gelu": (lambda n: n.GELU(), (3, 4)),
    "gelu_tanh": (lambda n: n.GELU("tanh"), (3, 4)),
    "silu": (lambda n: n.SiLU(), (3, 4)),
    "sigmoid": (lambda n: n.Sigmoid(), (3, 4)),
    "tanh": (lambda n: n.Tanh(), (3, 4)),
    "softmax": (lambda n: n.Softmax(dim=0), (3, 4)),
    "log_softmax": (lambda n: n.LogSoftmax(dim=-1), (3, 4)),
    "maxpool": (lambda n: n.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 7)),
    "maxpool_dilated": (lambda n: n.MaxPool2d(2, 1, dilation=2), (2, 3, 8, 7)),
    "avgpool": (lambda n: n.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 8, 7)),
    "adaptive": (lambda n: n.AdaptiveAvgPool2d((3, 2)), (2, 3, 8, 7)),
    "adaptive_none": (lambda n: n.AdaptiveAvgPool2d((None, 2)), (2, 3, 8, 7)),
    "flatten": (lambda n: n.Flatten(0, 1), (2, 3, 4)),
    "identity": (lambda n: n.Identity(), (2, 3)),
    "net": (
        lambda n: n.Sequential(
            n.Conv2d(1, 4, 3), n.BatchNorm2d(4), n.ReLU(True), n.MaxPool2d(2), n.Flatten(), n.Linear(36, 5)
        ),
        (3, 1, 8, 8),
    ),
    "inplace": (
        lambda n: n.Sequential(n.Linear(4, 4), n.SiLU(True), n.Linear(4, 4), n.LeakyReLU(0.1, True)),
        (3, 4),
    ),
}


def from_torch(t):
    return clew.from_numpy(t.detach().numpy().copy())


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", LAYERS)
def test_layer_against_torch(name):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    ours, theirs = make(nn), make(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: from_torch(v) for k, v in theirs.state_dict().items()})
    for step in range(2):
        x = torch.randn(shape)
        xt = x.clone().requires_grad_()
        xc = from_torch(x).requires_grad_()
        # In-place layers need an input that is not a leaf.
        yt, yc = theirs(xt * 1), ours(xc * 1)
        close(yc, yt)
        g = torch.randn(yt.shape)
        yt.backward(g)
        yc.backward(from_torch(g))
        close(xc.grad, xt.grad, 2e-5)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(p.grad, q.grad, 5e-5)
        for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
            close(p, q)
        if step == 0:
            ours.zero_grad()
            theirs.zero_grad()
    ours.eval()
    theirs.eval()
    x = torch.randn(shape)
    close(ours(from_torch(x)), theirs(x))


def test_embedding_against_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Embedding(7, 3, padding_idx=2)
    ours = nn.Embedding.from_pretrained(from_torch(theirs.weight), freeze=False, padding_idx=2)
    index = torch.tensor([[1, 2, 2], [6, 1, 0]])
    yt, yc = theirs(index), ours(from_torch(index))
    close(yc, yt)
    g = torch.randn(yt.shape)
    yt.backward(g)
    yc.backward(from_torch(g))
    close(ours.weight.grad, theirs.weight.grad)


LOSSES = {
    "cross_entropy": (lambda n, w: n.CrossEntropyLoss(), "index"),
    "cross_entropy_full": (
        lambda n, w: n.CrossEntropyLoss(weight=w, ignore_index=1, label_smoothing=0.1),
        "index",
    ),
    "cross_entropy_sum": (lambda n, w: n.CrossEntropyLoss(weight=w, reduction="sum"), "index"),
    "cross_entropy_none": (lambda n, w: n.CrossEntropyLoss(reduction="none"), "index"),
    "cross_entropy_probabilities": (lambda n, w: n.CrossEntropyLoss(), "probability"),
    "nll": (lambda n, w: n.NLLLoss(weight=w, ignore_index=0), "index"),
    "mse": (lambda n, w: n.MSELoss(), "real"),
    "mse_sum": (lambda n, w: n.MSELoss(reduction="sum"), "real"),
    "l1": (lambda n, w: n.L1Loss(), "real"),
    "l1_none": (lambda n, w: n.L1Loss(reduction="none"), "real"),
    "bce_logits": (lambda n, w: n.BCEWithLogitsLoss(), "probability"),
    "bce_logits_weights": (lambda n, w: n.BCEWithLogitsLoss(weight=w, pos_weight=w * 2), "probability"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_against_torch(name):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    make, kind = LOSSES[name]
    weight = torch.rand(4) + 0.5
    x = torch.randn(6, 4)
    target = {
        "index": torch.randint(0, 4, (6,)),
        "real": torch.randn(6, 4),
        "probability": torch.rand(6, 4).softmax(1),
    }[kind]
    xt, xc = x.clone().requires_grad_(), from_torch(x).requires_grad_()
    yt = make(torch.nn, weight)(xt, target)
    yc = make(nn, from_torch(weight))(xc, from_torch(target))
    assert yc.shape == tuple(yt.shape)
    close(yc, yt)
    yt.sum().backward()
    yc.sum().backward()
    close(xc.grad, xt.grad)


def test_dropout():
    clew.manual_seed(0)
    m = nn.Dropout(0.25)
    x = clew.ones(10000)
    y = m(x)
    kept = (y != 0).to(clew.float32).mean().item()
    assert abs(kept - 0.75) < 0.03
    assert y.max().item() == pytest.approx(1 / 0.75)
    assert m.eval()(x).tolist() == x.tolist()
    x = clew.ones(100)
    assert nn.Dropout(0.5, inplace=True)(x) is x and x.min().item() == 0


def test_maxpool_indices():
    y, index = nn.MaxPool2d(2, return_indices=True)(clew.arange(16.0).reshape(1, 1, 4, 4))
    assert y.tolist() == [[[[5, 7], [13, 15]]]] and index.tolist() == [[[[5, 7], [13, 15]]]]


# -- nn.utils ------------------------------------------------------------------------------------


def parameters_with_grads():
    ps = [nn.Parameter(clew.zeros(3)), nn.Parameter(clew.zeros(2, 2)), nn.Parameter(clew.zeros(2))]
    ps[0].grad = clew.tensor([3.0, 0.0, 4.0])
    ps[1].grad = clew.full((2, 2), 6.0)
    return ps


@pytest.mark.parametrize("p, total", [(2.0, 13.0), (1.0, 31.0), (math.inf, 6.0)])
def test_clip_grad_norm(p, total):
    ps = parameters_with_grads()
    assert nn.utils.clip_grad_norm_(ps, 1.0, norm_type=p).item() == pytest.approx(total)
    after = nn.utils.get_total_norm([q.grad for q in ps if q.grad is not None], p).item()
    assert after == pytest.approx(1.0, rel=1e-5)
    assert ps[2].grad is None
    assert nn.utils.clip_grad_norm_(ps, 5.0, norm_type=p).item() == pytest.approx(1.0, rel=1e-5)
    assert ps[0].grad.norm().item() < 1.0


def test_clip_grad_other():
    ps = parameters_with_grads()
    nn.utils.clip_grad_value_(ps, 3.5)
    assert ps[0].grad.tolist() == [3.0, 0.0, 3.5] and ps[1].grad.max().item() == 3.5
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    ps[0].grad = clew.tensor([math.inf, 0.0, 1.0])
    with pytest.raises(RuntimeError, match="expected a finite norm, got inf"):
        nn.utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    ps[0].grad = clew.tensor([math.nan, 0.0, 1.0])
    assert math.isnan(nn.utils.clip_grad_norm_(ps, 1.0).item())
    assert math.isnan(ps[1].grad[0, 0].item())


def test_vector_of_parameters():
    m = nn.Linear(3, 2)
    v = nn.utils.parameters_to_vector(m.parameters())
    assert v.shape == (8,) and v.requires_grad
    nn.utils.vector_to_parameters(clew.arange(8.0), m.parameters())
    assert m.weight.tolist() == [[0, 1, 2], [3, 4, 5]] and m.bias.tolist() == [6, 7]
    with pytest.raises(ValueError, match="expected 8 elements, got 7"):
        nn.utils.vector_to_parameters(clew.arange(7.0), m.parameters())


# -- examples in docstrings ----------------------------------------------------------------------

MODULES = ["parameter", "functional", "init", "utils"]
MODULES += [
    f"modules.{path.stem}"
    for path in sorted(pathlib.Path(nn.modules.__file__).parent.glob("*.py"))
    if path.stem != "__init__"
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(f"clew.nn.{name}")
    assert doctest.testmod(module, extraglobs={"clew": clew}).failed == 0
