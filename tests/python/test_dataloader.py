"""Worker processes, shared memory, random numbers inside samples, and going on where a loader stood."""

from __future__ import annotations

import faulthandler
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings
import weakref

import numpy as np
import pytest

import clew
from clew.utils import data
from clew.utils.data import DataLoader, TensorDataset, get_worker_info

START = ["fork", "spawn", "forkserver"]


class Augmented(data.Dataset):
    """Samples that draw from all three generators, in amounts that depend on the sample."""

    def __init__(self, size=23):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        for _ in range(i % 3):
            random.random()
        return clew.randn(4), random.random(), np.random.rand(2), np.random.standard_normal(), i


class Squares(data.Dataset):
    def __init__(self, size=10, width=1):
        self.size, self.width = size, width

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return clew.full((self.width,), float(i * i)), i


class Failing(Squares):
    def __init__(self, what, at=5, size=10):
        super().__init__(size)
        self.what, self.at = what, at

    def __getitem__(self, i):
        if i == self.at:
            self.what()
        return super().__getitem__(i)


class Numbers(data.IterableDataset):
    """Each worker gives its share."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(first, self.size, step):
            yield i, random.random()


def plain(batch):
    if isinstance(batch, clew.Tensor):
        return batch.tolist()
    if isinstance(batch, (list, tuple)):
        return [plain(item) for item in batch]
    return batch


def epoch(loader):
    return [plain(batch) for batch in loader]


def generator(seed=3):
    g = clew.Generator()
    g.manual_seed(seed)
    return g


def workers_of(loader):
    return [w.process for w in loader._pool.workers]


def wait_until(condition, seconds=5.0):
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.02)
    return condition()


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


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


# -- what batches hold ---------------------------------------------------------------------------


class Everything(data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        big = clew.arange(20000) + i
        strided = clew.arange(60000).reshape(200, 300).t()[::2]
        return {
            **{
                name: clew.arange(9000).to(getattr(clew, name))
                for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16")
            },
            "float32": big.float(),
            "float64": big.double(),
            "strided": strided,
            "empty": clew.empty(0, 3),
            "scalar": clew.tensor(2.5),
            "grad": clew.ones(3, requires_grad=True),
            "array": np.arange(20000, dtype=np.uint16),
            "fortran": np.asfortranarray(np.arange(20000.0).reshape(100, 200)),
            "twice": [big, big],
            "text": "x" * 50000,
            "other": (None, 1, 2.5, b"bytes", {3: frozenset({4})}),
        }


def same(value):
    return value


def test_every_kind_of_value_comes_through():
    _, here = DataLoader(Everything(), None, collate_fn=same)
    _, sent = DataLoader(Everything(), None, collate_fn=same, num_workers=1)
    assert list(here) == list(sent)
    for name, value in here.items():
        other = sent[name]
        assert type(value) is type(other), name
        if isinstance(value, clew.Tensor):
            assert value.dtype == other.dtype and value.shape == other.shape
            assert value.requires_grad == other.requires_grad
            assert value.tolist() == other.tolist()
        elif isinstance(value, np.ndarray):
            assert value.dtype == other.dtype and np.array_equal(value, other)
    assert sent["twice"][0] is sent["twice"][1] and sent["twice"][0].tolist() == here["twice"][0].tolist()
    assert sent["text"] == here["text"] and sent["other"] == here["other"]
    for name in ("float32", "array", "bfloat16"):
        sent[name][0] = 1  # batches can be written to


def test_blocks_are_used_again_and_kept_batches_stay():
    loader = DataLoader(Squares(60, width=20000), 2, num_workers=2)
    for x, i in loader:
        assert (x == (i.double() ** 2).float().unsqueeze(1)).all()
        del x
    blocks = sum(len(w.blocks) for w in loader._pool.workers)
    assert 1 <= blocks <= 8
    kept = list(loader)
    for x, i in kept:
        assert (x == (i.double() ** 2).float().unsqueeze(1)).all()
    # A batch outlives the loader.
    del loader, x, i
    gc.collect()
    assert kept[29][0][1, 0].item() == 59.0**2


def test_pages_are_shared_and_not_copied():
    loader = DataLoader(Squares(4, width=1 << 20), 1, num_workers=1)
    x, _ = next(iter(loader))
    with open("/proc/self/maps") as file:
        ranges = [line for line in file if "clew-batch" in line]
    bounds = [tuple(int(v, 16) for v in line.split()[0].split("-")) for line in ranges]
    assert any(low <= x.data_ptr() < high for low, high in bounds)


# -- errors --------------------------------------------------------------------------------------


class Broken(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(first)


def raise_(error):
    raise error


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [ValueError, KeyError, clew.ShapeError, IndexError, OSError])
def test_exceptions_keep_their_class(kind, workers):
    loader = DataLoader(Failing(lambda: raise_(kind("wrong sample"))), 2, num_workers=workers)
    seen = []
    with pytest.raises(kind, match="wrong sample") as caught:
        for batch in loader:
            seen.append(plain(batch[1]))
    assert seen == [[0, 1], [2, 3]]
    text = "".join(traceback.format_exception(caught.value))
    assert "in __getitem__" in text and "self.what()" in text
    if workers:
        assert "DataLoader worker 0 (pid " in text
        # The workers are fine.
        assert [plain(b[1]) for b in DataLoader(Squares(3), 2, num_workers=workers)] == [[0, 1], [2]]


def test_exceptions_that_pickle_badly():
    with pytest.raises(RuntimeError, match=r"Odd: one") as caught:
        list(DataLoader(Failing(lambda: raise_(Odd("one", "two"))), 2, num_workers=1))
    assert "in __getitem__" in "".join(traceback.format_exception(caught.value))

    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match=r"Local: here"):
        list(DataLoader(Failing(lambda: raise_(Local("here"))), 2, num_workers=1))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Failing(lambda: raise_(StopIteration())), 2, num_workers=1))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Failing(lambda: raise_(StopIteration())), 2))


def test_the_epoch_goes_on_after_an_exception():
    batches = iter(DataLoader(Failing(lambda: raise_(ValueError("x"))), 2, num_workers=2))
    seen = []
    while True:
        try:
            seen.append(plain(next(batches)[1]))
        except ValueError:
            seen.append("error")
        except StopIteration:
            break
    assert seen == [[0, 1], [2, 3], "error", [6, 7], [8, 9]]


def crash():
    faulthandler.disable()  # of the test runner; its report would look like one of a fault here
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    "end, text",
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"signal 9 \(SIGKILL\)"),
        (crash, r"signal 11 \(SIGSEGV\)"),
        (lambda: os._exit(3), "exit code 3"),
        (lambda: sys.exit(4), "exit code 4"),
    ],
)
def test_a_worker_that_ends_is_named(end, text):
    loader = DataLoader(Failing(end), 1, num_workers=2)
    batches = iter(loader)
    processes = workers_of(loader)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"worker 1 \(pid {processes[1].pid}\).*{text}"):
        list(batches)
    assert time.monotonic() - start < 5
    assert wait_until(lambda: all(gone(p.pid) for p in processes))
    # The next epoch has new workers; the old one is over.
    with pytest.raises(RuntimeError, match="worker 1"):
        list(loader)
    with pytest.raises((RuntimeError, StopIteration)):
        next(batches)


def test_a_worker_killed_while_it_waits():
    loader = DataLoader(Squares(200), 1, num_workers=2)
    batches = iter(loader)
    next(batches)
    victim = workers_of(loader)[0]
    os.kill(victim.pid, signal.SIGTERM)
    with pytest.raises(RuntimeError, match=rf"pid {victim.pid}.*SIGTERM"):
        for _ in range(200):
            next(batches)


def test_timeout():
    loader = DataLoader(Failing(lambda: time.sleep(60), at=1), 1, num_workers=1, timeout=0.3)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"within 0.3 s.*timed out; pids \d+"):
        list(loader)
    assert time.monotonic() - start < 5
    del loader


def test_a_dataset_that_cannot_be_sent():
    dataset = Failing(lambda: None)
    with pytest.raises((AttributeError, TypeError, Exception), match="pickle"):
        list(DataLoader(dataset, num_workers=1, multiprocessing_context="spawn"))


class Unsendable(Squares):
    def __getitem__(self, i):
        return threading.Lock()


def test_a_sample_that_cannot_be_sent():
    with pytest.raises(TypeError, match="pickle"):
        list(DataLoader(Unsendable(), None, num_workers=1))


# -- memory --------------------------------------------------------------------------------------


def limit_files(worker):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))


def test_no_room_in_shared_memory_falls_back_to_pipes():
    loader = DataLoader(Squares(8, width=100000), 2, num_workers=2, worker_init_fn=limit_files)
    with pytest.warns(RuntimeWarning, match=r"asked for \d+ bytes, got .*free of \d+.*pipes") as caught:
        batches = list(loader)
    assert len(caught) == 1
    assert [b[1].tolist() for b in batches] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert all((x == (i.double() ** 2).float().unsqueeze(1)).all() for x, i in batches)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(loader)


def test_a_full_folder_is_reported_with_figures(tmp_path, monkeypatch):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        monkeypatch.setenv("CLEW_SHARED_MEMORY", str(tmp_path))
        small = DataLoader(Squares(8, width=10000), 2, num_workers=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(list(small)) == 4
        assert os.listdir(tmp_path) == []
        del small
        loader = DataLoader(Squares(8, width=300000), 2, num_workers=1)
        with pytest.warns(RuntimeWarning, match=rf"No space left.*{tmp_path}: \d+ bytes free of 1048576"):
            assert [b[1].tolist() for b in loader] == [[0, 1], [2, 3], [4, 5], [6, 7]]
        del loader
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def private_bytes(pid):
    total = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith(("Private_Clean", "Private_Dirty")):
                total += int(line.split()[1]) * 1024
    return total


class Holding(data.Dataset):
    """A lot of memory beside what samples need."""

    def __init__(self, content):
        self.content = content

    def __len__(self):
        return 2000

    def __getitem__(self, i):
        gc.collect(0) if i % 100 else gc.collect()
        return i, int(self.content[i * 7])


def test_workers_do_not_grow_over_an_epoch():
    """Neither the dataset's arrays nor Python objects that samples leave alone are copied."""
    ballast = [[i] for i in range(400_000)]  # what a collection would touch
    dataset = Holding(np.arange(5_000_000))
    dataset.ballast = ballast
    loader = DataLoader(dataset, 50, num_workers=1)
    batches = iter(loader)
    next(batches)
    pid = workers_of(loader)[0].pid
    before = private_bytes(pid)
    for _ in batches:
        pass
    grown = private_bytes(pid) - before
    assert grown < 4 << 20, f"{grown} bytes"


def test_nothing_is_left(tmp_path):
    """Early break, end of the program, Ctrl-C, SIGTERM and SIGKILL of the loading process."""
    code = textwrap.dedent("""
        import os, sys, time, signal
        import clew
        from clew.utils.data import DataLoader, Dataset
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for its background
        class Slow(Dataset):
            def __len__(self): return 1000
            def __getitem__(self, i):
                time.sleep(0.01)
                return clew.zeros(50000)
        loader = DataLoader(Slow(), 2, num_workers=2)
        for n, x in enumerate(loader):
            if n == 2:
                print(*[w.pid for w in loader._pool.workers], flush=True)
                if sys.argv[1] == "break":
                    break
    """)
    for how in ("break", "SIGINT", "SIGTERM", "SIGKILL"):
        before = set(os.listdir("/dev/shm"))
        child = subprocess.Popen(
            [sys.executable, "-c", code, how],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        pids = [int(p) for p in child.stdout.readline().split()]
        assert len(pids) == 2
        if how == "SIGINT":
            os.killpg(child.pid, signal.SIGINT)  # as a terminal does
        elif how != "break":
            os.kill(child.pid, getattr(signal, how))
        _, errors = child.communicate(timeout=20)
        if how == "SIGINT":
            assert "KeyboardInterrupt" in errors and "Process" not in errors, errors
        elif how == "break":
            assert child.returncode == 0 and errors == ""
        assert wait_until(lambda pids=pids: all(gone(pid) for pid in pids)), how
        assert set(os.listdir("/dev/shm")) <= before


def test_a_loader_that_dies_ends_its_workers():
    loader = DataLoader(Squares(), 2, num_workers=2)
    list(loader)
    pids = [p.pid for p in workers_of(loader)]
    seen = weakref.ref(loader)
    del loader
    assert seen() is None
    assert wait_until(lambda: all(gone(pid) for pid in pids))


def test_descriptors_do_not_leak():
    def count():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    list(DataLoader(Squares(20, width=20000), 2, num_workers=2))
    before = count()
    for _ in range(3):
        list(DataLoader(Squares(20, width=20000), 2, num_workers=2, persistent_workers=False))
    assert count() <= before


# -- forks and threads ---------------------------------------------------------------------------


class Multiplying(Squares):
    def __getitem__(self, i):
        clew.set_num_threads(2)
        a = clew.ones(300, 300) * float(i)
        return (a @ a).sum() + clew.arange(2_000_000).float().sum() * 0


def test_forking_after_threads_have_worked():
    """The child of a process with a thread pool, BLAS threads and threads that allocate works."""
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            clew.randn(30000).exp()

    threads = [threading.Thread(target=busy) for _ in range(2)]
    number = clew.get_num_threads()
    clew.set_num_threads(2)
    (clew.ones(400, 400) @ clew.ones(400, 400)).exp()
    try:
        for t in threads:
            t.start()
        for _ in range(10):
            loader = DataLoader(Multiplying(4), None, num_workers=2, timeout=60)
            assert [x.item() for x in loader] == [300.0 * 300 * 300 * i * i for i in range(4)]
    finally:
        stop.set()
        for t in threads:
            t.join()
        clew.set_num_threads(number)


# -- in memory -----------------------------------------------------------------------------------


def rows(n=50, width=3):
    return TensorDataset(clew.arange(n * width).reshape(n, width), clew.arange(n))


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


# -- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dataset", [Augmented(), rows(23)], ids=["samples", "memory"])
@pytest.mark.parametrize("stop", [1, 3, 6])
def test_going_on_in_the_middle_of_an_epoch(tmp_path, workers, own, dataset, stop):
    def build():
        return DataLoader(
            dataset, 4, shuffle=True, num_workers=workers, generator=generator() if own else None
        )

    clew.manual_seed(9)
    loader = build()
    first = epoch(loader)
    rest, noise = [], []
    for number, batch in enumerate(loader, start=1):
        noise.append(clew.rand(1).item())
        if number > stop:
            rest.append((plain(batch), noise[-1]))
        if number == stop:
            clew.save(
                {"loader": loader.state_dict(), "random": clew.default_generator.get_state()}, tmp_path / "x"
            )
    after = epoch(loader)
    assert after != first

    clew.manual_seed(12345)
    saved = clew.load(tmp_path / "x")
    again = build()
    again.load_state_dict(saved["loader"])
    assert again.state_dict() == saved["loader"]
    state = saved["random"]
    clew.default_generator.set_state(state if isinstance(state, clew.Tensor) else tuple(state))
    got = [(plain(batch), clew.rand(1).item()) for batch in again]
    assert got == rest
    assert epoch(again) == after


def test_going_on_between_epochs():
    loader = DataLoader(Augmented(), 4, shuffle=True, generator=generator())
    epoch(loader)
    state = loader.state_dict()
    want = epoch(loader)
    other = DataLoader(Augmented(), 4, shuffle=True, generator=generator(77), num_workers=2)
    other.load_state_dict(state)
    assert epoch(other) == want
    with pytest.raises(ValueError, match="state of a DataLoader"):
        other.load_state_dict({"epoch": 3})


def test_going_on_in_a_stream():
    loader = DataLoader(Numbers(20), 3, num_workers=2, generator=generator())
    batches = iter(loader)
    next(batches), next(batches), next(batches)
    state = loader.state_dict()
    want = epoch(batches)
    again = DataLoader(Numbers(20), 3, num_workers=2, generator=generator(5))
    again.load_state_dict(state)
    assert epoch(again) == want


class Drawing(data.Sampler):
    """Draws while it gives indices, and can say where it stands."""

    def __init__(self):
        self.random = random.Random(1)

    def __iter__(self):
        for _ in range(9):
            yield self.random.randrange(10)

    def __len__(self):
        return 9

    def state_dict(self):
        return {"random": self.random.getstate()}

    def load_state_dict(self, state):
        self.random.setstate(state["random"])


def test_a_sampler_with_a_state():
    loader = DataLoader(Augmented(), 2, sampler=Drawing(), generator=generator())
    epoch(loader)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    want = epoch(batches)
    again = DataLoader(Augmented(), 2, sampler=Drawing(), generator=generator())
    again.load_state_dict(state)
    assert epoch(again) == want


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
