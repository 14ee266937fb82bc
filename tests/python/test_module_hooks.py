"""Hooks on backward and on state dicts, parameter containers and buffers, beside PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import clew
from clew import nn


def both() -> list[Any]:
    libs: list[Any] = [clew]
    try:
        import torch
    except ImportError:
        return libs
    return [*libs, torch]


@pytest.fixture(params=both(), ids=lambda lib: lib.__name__)
def lib(request: pytest.FixtureRequest) -> Any:
    """Each test says what holds for both libraries."""
    return request.param


def layer(lib: Any) -> Any:
    module = lib.nn.Linear(2, 2, bias=False)
    with lib.no_grad():
        module.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
    return module


def test_full_backward_hook_sees_both_gradients(lib: Any) -> None:
    module, seen = layer(lib), []
    handle = module.register_full_backward_hook(
        lambda m, gi, go: seen.append((m, [g.tolist() for g in gi], [g.tolist() for g in go]))
    )
    x = lib.tensor([[1.0, 1.0]], requires_grad=True)
    (module(x) * lib.tensor([[1.0, 10.0]])).sum().backward()
    assert seen == [(module, [[[31.0, 42.0]]], [[[1.0, 10.0]]])]
    assert x.grad.tolist() == [[31.0, 42.0]]
    assert module.weight.grad.tolist() == [[1.0, 1.0], [10.0, 10.0]]
    handle.remove()
    module(x).sum().backward()
    assert len(seen) == 1


def test_full_backward_hook_changes_the_gradient(lib: Any) -> None:
    module = layer(lib)
    module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    module.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x = lib.tensor([[1.0, 1.0]], requires_grad=True)
    module(x).sum().backward()
    assert x.grad.tolist() == [[9.0, 13.0]]
    assert module.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_full_backward_pre_hook(lib: Any) -> None:
    module, order = layer(lib), []
    module.register_full_backward_hook(lambda m, gi, go: order.append(("hook", go[0].tolist())))
    module.register_full_backward_pre_hook(lambda m, go: (order.append("pre"), (go[0] * 3,))[1])
    module.register_full_backward_pre_hook(lambda m, go: order.append("first"), prepend=True)
    x = lib.tensor([[1.0, 1.0]], requires_grad=True)
    module(x).sum().backward()
    assert order == ["first", "pre", ("hook", [[3.0, 3.0]])]
    assert x.grad.tolist() == [[12.0, 18.0]]


def test_full_backward_hook_without_input_gradient(lib: Any) -> None:
    module, seen = layer(lib), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    module(lib.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0, 1.0]])]
    assert module.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_full_backward_hook_with_structured_outputs(lib: Any) -> None:
    class Two(lib.nn.Module):
        def forward(self, x: Any, scale: float, y: Any) -> Any:
            return x * scale, {"sum": x + y}

    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
    first, second = module(x, 3.0, y)
    (first * 2).sum().backward(retain_graph=True)
    (gi, go) = seen[0]
    assert len(gi) == 3 and gi[0].tolist() == [6.0, 6.0] and gi[1] is None
    assert go[0].tolist() == [2.0, 2.0]
    assert x.grad.tolist() == [6.0, 6.0]
    assert second["sum"].tolist() == [2.0, 2.0]


def test_full_backward_hook_with_wrong_number(lib: Any) -> None:
    module = layer(lib)
    module.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError):
        module(lib.ones(1, 2, requires_grad=True)).sum().backward()


def test_backward_hooks_leave_second_derivatives(lib: Any) -> None:
    class Cube(lib.nn.Module):
        def forward(self, x: Any) -> Any:
            return x**3

    module, seen = Cube(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0].item()))
    x = lib.tensor(2.0, requires_grad=True)
    (g,) = lib.autograd.grad(module(x), x, create_graph=True)
    assert seen == [12.0]
    g.backward()
    assert x.grad.item() == 12.0


def test_state_dict_hooks(lib: Any) -> None:
    net = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Linear(1, 1))
    order = []
    net[0].register_state_dict_post_hook(lambda m, sd, prefix, meta: order.append(("post", prefix, len(sd))))
    net.register_state_dict_post_hook(lambda m, sd, prefix, meta: sd.__setitem__("extra", 1))
    net.register_state_dict_pre_hook(lambda m, prefix, keep: order.append(("pre", prefix, keep)))
    state = net.state_dict()
    assert order == [("pre", "", False), ("post", "0.", 2)]
    assert state["extra"] == 1


def test_load_state_dict_hooks(lib: Any) -> None:
    net = lib.nn.Sequential(lib.nn.Linear(1, 1, bias=False))
    seen = []

    def rename(module: Any, state: dict, prefix: str, meta: Any, strict: bool, *lists: list) -> None:
        assert strict and len(lists) == 3
        if prefix + "old" in state:
            state[prefix + "weight"] = state.pop(prefix + "old")

    net[0].register_load_state_dict_pre_hook(rename)
    net[0].register_load_state_dict_post_hook(lambda m, keys: seen.append(tuple(map(list, keys))))
    given = {"0.old": lib.full((1, 1), 5.0)}
    net.load_state_dict(given)
    assert net[0].weight.item() == 5.0
    assert list(given) == ["0.old"]
    assert seen == [([], [])]


def test_to_empty(lib: Any) -> None:
    module = lib.nn.Linear(3, 2, device="meta")
    assert module.to_empty(device="cpu") is module
    assert module.weight.device.type == "cpu" and tuple(module.weight.shape) == (2, 3)
    assert module.weight.requires_grad


def test_parameter_list(lib: Any) -> None:
    values = lib.nn.ParameterList([lib.nn.Parameter(lib.ones(2)), lib.zeros(3)])
    values.append(lib.nn.Parameter(lib.ones(1)))
    values.extend([lib.ones(1), "word"])
    assert len(values) == 5 and values[4] == "word"
    assert [n for n, _ in values.named_parameters()] == ["0", "1", "2", "3"]
    assert isinstance(values[1], lib.nn.Parameter)
    assert [tuple(p.shape) for p in values[:2]] == [(2,), (3,)]
    values[0] = lib.ones(7)
    assert tuple(values[0].shape) == (7,)
    values = lib.nn.ParameterList(list(values)[:4])
    with pytest.raises(IndexError):
        values[4]
    with pytest.raises(TypeError):
        values.extend(3)
    with pytest.raises(RuntimeError):
        values(1)
    assert list(values.state_dict()) == ["0", "1", "2", "3"]
    again = copy.deepcopy(values)
    assert len(again) == 4 and again[0] is not values[0]
    assert "size 7" in repr(values)


def test_parameter_dict(lib: Any) -> None:
    values = lib.nn.ParameterDict({"b": lib.ones(2)})
    values["a"] = lib.nn.Parameter(lib.zeros(1))
    values.update([("c", lib.ones(3))])
    assert list(values) == list(values.keys()) == ["b", "a", "c"]
    assert {n for n, _ in values.named_parameters()} == {"a", "b", "c"}
    assert "a" in values and values.get("z") is None and len(values) == 3
    assert tuple(values.pop("c").shape) == (3,)
    assert tuple(values.setdefault("d", lib.ones(4)).shape) == (4,)
    assert [k for k, _ in values.items()] == ["b", "a", "d"]
    del values["d"]
    assert values.popitem()[0] == "a"
    both = values | lib.nn.ParameterDict({"x": lib.ones(1)})
    assert sorted(both) == ["b", "x"] and list(values) == ["b"]
    values.clear()
    assert not list(values.parameters())
    with pytest.raises((KeyError, AttributeError)):
        values["b"]


def test_buffer(lib: Any) -> None:
    module = lib.nn.Module()
    module.a = lib.nn.Buffer(lib.ones(2))
    module.b = lib.nn.Buffer(lib.ones(2), persistent=False)
    assert [n for n, _ in module.named_buffers()] == ["a", "b"]
    assert list(module.state_dict()) == ["a"]
    assert isinstance(module.a, lib.nn.Buffer) and not isinstance(lib.ones(1), lib.nn.Buffer)
    module.a = lib.zeros(2)
    assert [n for n, _ in module.named_buffers()] == ["a", "b"]


def test_parameters_train_and_repr_is_ours() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterList(clew.ones(2) for _ in range(2))

        def forward(self, x: clew.Tensor) -> clew.Tensor:
            for w in self.weights:
                x = x * w
            return x

    net = Net()
    optimizer = clew.optim.SGD(net.parameters(), lr=0.5)
    net(clew.ones(2)).sum().backward()
    optimizer.step()
    assert [w.tolist() for w in net.weights] == [[0.5, 0.5], [0.5, 0.5]]
    assert repr(net).splitlines()[1] == "  (weights): ParameterList("
