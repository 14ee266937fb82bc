"""Processes that share tensors."""

from __future__ import annotations

import pytest

import clew
import clew.multiprocessing as mp
from clew import nn


def add(rank, tensor, queue):
    tensor[rank] += rank + 1
    queue.put((rank, tensor.is_shared(), float(tensor[rank])))


def fill(rank, parameter, part):
    with clew.no_grad():
        parameter.fill_(7.0)
    part.mul_(2)


def fail(rank):
    if rank == 1:
        raise KeyError("of process one")


def leave(rank):
    raise SystemExit(3)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_writes_are_seen_by_all(method: str) -> None:
    shared = clew.zeros(2).share_memory_()
    queue = mp.get_context(method).SimpleQueue()
    mp.start_processes(add, (shared, queue), nprocs=2, start_method=method)
    assert shared.tolist() == [1.0, 2.0]
    assert sorted(queue.get() for _ in range(2)) == [(0, True, 1.0), (1, True, 2.0)]


def test_parameters_and_views_keep_what_they_are() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    assert layer.share_memory() is layer and all(p.is_shared() for p in layer.parameters())
    assert clew.equal(layer.weight, before) and layer.weight.requires_grad
    table = clew.arange(12.0).reshape(3, 4).clone().share_memory_()
    column = table[:, 1]
    assert column.is_shared() and not clew.ones(2).is_shared()
    mp.spawn(fill, (layer.weight, column), nprocs=1)
    assert layer.weight.detach().tolist() == [[7.0] * 3] * 2
    assert table[:, 1].tolist() == [2.0, 10.0, 18.0] and table[0].tolist() == [0.0, 2.0, 2.0, 3.0]
    layer(clew.ones(1, 3)).sum().backward()
    assert layer.weight.grad is not None


def test_a_view_is_refused() -> None:
    with pytest.raises(ValueError, match="memory of its own, got a view"):
        clew.zeros(4)[:2].share_memory_()


def test_a_failed_process_is_reported() -> None:
    with pytest.raises(mp.ProcessRaisedException, match="KeyError: 'of process one'") as e:
        mp.spawn(fail, nprocs=2)
    assert e.value.error_index == 1
    with pytest.raises(mp.ProcessExitedException, match="exit status 0, got exit status 3") as e:
        mp.spawn(leave, nprocs=1)
    assert e.value.exit_code == 3


def test_memory_comes_back() -> None:
    from clew.utils._shared_memory import _mappings

    start = len(_mappings)
    t = clew.zeros(1000).share_memory_()
    assert len(_mappings) == start + 1
    del t
    assert len(_mappings) == start
