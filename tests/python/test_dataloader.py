"""Batches of a loader, with and without workers: order, streams, random numbers, samplers."""

from __future__ import annotations

import os
import random
import threading
import time

import numpy as np
import pytest
from loader_parts import START, Augmented, Numbers, Squares, epoch, generator, gone, plain, rows, wait_until

import clew
from clew.utils import data
from clew.utils.data import DataLoader, TensorDataset, get_worker_info

# -- batches do not depend on who makes them -----------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"shuffle": True}, {"shuffle": True, "drop_last": True}])
def test_batches_do_not_depend_on_the_number_of_workers(how):
    found = []
    for workers in (0, 1, 2, 3):
        loader = DataLoader(Augmented(), 4, num_workers=workers, generator=generator(), **how)
        found.append([epoch(loader), epoch(loader)])
    assert found[0] == found[1] == found[2] == found[3]
    first, second = found[0]
    assert first != second  # another epoch, other random numbers
    values = [v for batch in first for v in batch[1]]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("context", START)
def test_ways_to_start_workers(context):
    loader = DataLoader(
        Augmented(7), 2, num_workers=2, generator=generator(), multiprocessing_context=context
    )
    assert epoch(loader) == epoch(DataLoader(Augmented(7), 2, generator=generator()))


def test_the_default_seed_decides():
    def run(workers):
        clew.manual_seed(11)
        return epoch(DataLoader(Augmented(), 5, shuffle=True, num_workers=workers))

    assert run(0) == run(2) == run(0)


def test_without_workers_the_generators_are_put_back():
    random.seed(1), np.random.seed(1), clew.manual_seed(1)
    batches = iter(DataLoader(Augmented(), 4, generator=generator()))
    want = []
    for _ in range(3):
        want.append((random.random(), np.random.standard_normal(), clew.rand(1).item()))
    random.seed(1), np.random.seed(1), clew.manual_seed(1)
    for numbers in want:
        next(batches)
        assert numbers == (random.random(), np.random.standard_normal(), clew.rand(1).item())


def mixed(samples):
    share = random.random()
    return share, float(clew.rand(1)), data.default_collate(samples)


def test_random_numbers_of_collate_do_not_depend_on_workers():
    found = [
        epoch(DataLoader(range(9), 2, collate_fn=mixed, num_workers=n, generator=generator()))
        for n in (0, 1, 2)
    ]
    assert found[0] == found[1] == found[2]
    assert len({batch[0] for batch in found[0]}) == 5


def test_a_sample_does_not_depend_on_its_batch():
    one = epoch(DataLoader(Augmented(), 1, generator=generator()))
    all_ = epoch(DataLoader(Augmented(), 23, generator=generator()))
    assert [batch[1][0] for batch in one] == all_[0][1]


def test_repeated_indices_draw_anew():
    sampler = data.WeightedRandomSampler([1.0], 6)
    found = [epoch(DataLoader(Augmented(1), 2, sampler=sampler, num_workers=n)) for n in (0, 2)]
    values = [v for batch in found[0] for v in batch[1]]
    assert len(set(values)) == 6


def test_samples_without_batching():
    found = [
        epoch(DataLoader(Augmented(), None, num_workers=n, shuffle=True, generator=generator()))
        for n in (0, 2)
    ]
    assert found[0] == found[1] and len(found[0]) == 23


def test_getitems_in_workers():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [(i, random.random()) for i in indices]

    found = [epoch(DataLoader(Batched(), 3, num_workers=n, generator=generator())) for n in (0, 2)]
    assert found[0] == found[1] and found[0][0][0] == [0, 1, 2]


# -- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 11])
def test_streams(size):
    loader = DataLoader(Numbers(size), 3, num_workers=2)
    for _ in range(2):
        batches = epoch(loader)
        assert sorted(i for batch in batches for i in batch[0]) == list(range(size))
    if size == 11:
        assert [batch[0] for batch in batches] == [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9]]


def test_a_stream_is_the_same_with_no_and_one_worker():
    found = [epoch(DataLoader(Numbers(10), 3, num_workers=n, generator=generator())) for n in (0, 1)]
    assert found[0] == found[1]
    assert [len(b[0]) for b in epoch(DataLoader(Numbers(10), 3, num_workers=1, drop_last=True))] == [3, 3, 3]
    assert [i for i, _ in DataLoader(Numbers(4), None, num_workers=2)] == [0, 1, 2, 3]


class Info(data.IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        yield info.id, info.num_workers, info.seed, info.dataset is self, type(info).__name__


def test_worker_info():
    assert get_worker_info() is None
    loader = DataLoader(Info(), None, num_workers=3)
    first, second = [sorted(loader), sorted(loader)]
    assert [(a, b, d, e) for a, b, _, d, e in first] == [(i, 3, True, "WorkerInfo") for i in range(3)]
    assert len({row[2] for row in first + second}) == 6


def test_worker_init_fn():
    class Marked(Squares):
        def __getitem__(self, i):
            return os.environ["CLEW_TEST_WORKER"], get_worker_info().id, os.getpid()

    def init(worker):
        os.environ["CLEW_TEST_WORKER"] = f"worker {worker}"

    loader = DataLoader(Marked(8), None, num_workers=2, worker_init_fn=init)
    rows = list(loader)
    assert {tuple(row[:2]) for row in rows} == {("worker 0", 0), ("worker 1", 1)}
    # In memory, too, a worker_init_fn means that there are workers.
    seen = DataLoader(TensorDataset(clew.arange(3)), num_workers=1, worker_init_fn=lambda i: os._exit(7))
    with pytest.raises(RuntimeError, match="exit code 7"):
        list(seen)


def test_an_error_in_worker_init_fn():
    def init(worker):
        raise KeyError("no such disk")

    with pytest.raises(KeyError, match="no such disk"):
        list(DataLoader(Squares(), num_workers=2, worker_init_fn=init))


# -- order, prefetch, persistence ----------------------------------------------------------------


class Uneven(Squares):
    def __getitem__(self, i):
        if i == 0:
            time.sleep(0.5)
        return i


def test_order():
    assert epoch(DataLoader(Uneven(), 1, num_workers=2)) == [[i] for i in range(10)]
    loose = [b[0] for b in epoch(DataLoader(Uneven(), 1, num_workers=2, in_order=False))]
    assert sorted(loose) == list(range(10)) and loose[0] != 0


class Touch(Squares):
    def __init__(self, size, folder):
        super().__init__(size)
        self.folder = folder

    def __getitem__(self, i):
        (self.folder / str(i)).touch()
        return i


@pytest.mark.parametrize("factor", [1, 3])
def test_prefetch(tmp_path, factor):
    loader = DataLoader(Touch(50, tmp_path), None, num_workers=2, prefetch_factor=factor)
    batches = iter(loader)
    assert next(batches) == 0
    # What was asked for ahead, and one more for the sample that was taken.
    assert wait_until(lambda: len(os.listdir(tmp_path)) == 2 * factor + 1)
    time.sleep(0.1)
    assert len(os.listdir(tmp_path)) == 2 * factor + 1


class Pid(Squares):
    def __getitem__(self, i):
        return os.getpid()


def test_workers_stay_by_default():
    loader = DataLoader(Pid(), None, num_workers=2)
    assert loader.persistent_workers and set(loader) == set(loader) and len(set(loader)) == 2
    fresh = DataLoader(Pid(), None, num_workers=2, persistent_workers=False)
    pids = set(fresh)
    assert not fresh.persistent_workers and pids.isdisjoint(set(fresh))
    assert wait_until(lambda: all(gone(pid) for pid in pids))


def test_two_iterators_of_one_loader():
    loader = DataLoader(Squares(9), 2, num_workers=2)
    pairs = [(plain(a[1]), plain(b[1])) for a, b in zip(loader, loader, strict=True)]
    assert pairs == [(x, x) for x in ([0, 1], [2, 3], [4, 5], [6, 7], [8])]
    nested = [[plain(b[1]) for b in loader] for _ in loader]
    assert len(nested) == 5 and all(inner == nested[0] for inner in nested)


def test_leaving_an_epoch_and_starting_another():
    loader = DataLoader(Squares(100, width=20000), 2, num_workers=2)
    for _ in range(5):
        for number, (_, i) in enumerate(loader):
            assert i.tolist() == [2 * number, 2 * number + 1]
            if number == 3:
                break
    assert [plain(i) for _, i in loader][-1] == [98, 99]


def test_properties_and_length():
    loader = DataLoader(Squares(), 3, num_workers=2)
    assert loader.prefetch_factor == 2 and len(loader) == 4 and len(iter(loader)) == 4
    assert loader.multiprocessing_context.get_start_method() == "fork"
    assert DataLoader(Squares()).multiprocessing_context is None
    with pytest.raises(ValueError, match="fork.*got 'thread'"):
        DataLoader(Squares(), num_workers=1, multiprocessing_context="thread")
    with pytest.raises(TypeError, match="got int"):
        DataLoader(Squares(), num_workers=1, multiprocessing_context=3)
    with pytest.raises(ValueError, match="prefetch_factor as an int >= 1"):
        DataLoader(Squares(), num_workers=1, prefetch_factor=0)


# -- in memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"shuffle": True}, {"sampler": data.SubsetRandomSampler(range(7))}])
def test_in_memory_batches_are_read_ahead_on_a_thread(how):
    def run(workers):
        clew.manual_seed(4)
        loader = DataLoader(rows(), 8, num_workers=workers, **how)
        assert loader._pool is None
        return [epoch(loader), epoch(loader), clew.rand(1).item()]

    before = threading.active_count()
    assert run(0) == run(1) == run(4)
    assert wait_until(lambda: threading.active_count() == before)


def test_leaving_a_thread_behind_is_not_possible():
    before = threading.active_count()
    for _ in range(20):
        for _ in DataLoader(rows(1000), 2, num_workers=2):
            break
    assert wait_until(lambda: threading.active_count() == before)


# -- samplers and datasets -----------------------------------------------------------------------


def test_weighted_sampler():
    clew.manual_seed(0)
    drawn = list(data.WeightedRandomSampler([0.1, 0.0, 0.9], 1000))
    assert len(drawn) == 1000 and drawn.count(1) == 0 and 50 < drawn.count(0) < 150
    assert sorted(data.WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    for bad in ((0, True), (-1, True), (3, 1)):
        with pytest.raises(ValueError):
            data.WeightedRandomSampler([1.0], *bad)
    with pytest.raises(ValueError, match="one dimension"):
        data.WeightedRandomSampler([[1.0]], 1)


def test_chain_and_stack():
    chained = Numbers(2) + Numbers(3)
    assert isinstance(chained, data.ChainDataset)
    assert [i for i, _ in chained] == [0, 1, 0, 1, 2]
    with pytest.raises(TypeError, match="got range"):
        list(data.ChainDataset([range(3)]))
    stacked = data.StackDataset(range(4), Squares(4))
    assert len(stacked) == 4 and stacked[2][0] == 2 and stacked[2][1][1] == 2
    assert [plain(b) for b in DataLoader(data.StackDataset(a=range(3), b=[5, 6, 7]), 2)][0]["a"].tolist() == [
        0,
        1,
    ]
    for args, named in (((), {}), ((range(2),), {"b": range(2)}), ((range(2), range(3)), {})):
        with pytest.raises(ValueError, match="StackDataset"):
            data.StackDataset(*args, **named)


def test_distributed_sampler():
    parts = [list(data.distributed.DistributedSampler(range(10), 3, rank, seed=5)) for rank in range(3)]
    assert [len(p) for p in parts] == [4, 4, 4] and {i for p in parts for i in p} == set(range(10))
    short = [list(data.distributed.DistributedSampler(range(10), 3, r, drop_last=True)) for r in range(3)]
    assert [len(p) for p in short] == [3, 3, 3] and len({i for p in short for i in p}) == 9
    sampler = data.distributed.DistributedSampler(range(10), 2, 0)
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)
    with pytest.raises(ValueError, match="rank in"):
        data.distributed.DistributedSampler(range(10), 2, 2)
    with pytest.raises(ValueError, match="num_replicas and rank"):
        data.distributed.DistributedSampler(range(10))
