"""Worker processes: what they send, how they fail and end, memory, forks."""

from __future__ import annotations

import faulthandler
import gc
import os
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
from loader_parts import Failing, Squares, gone, plain, wait_until, workers_of

import clew
from clew.utils import data
from clew.utils.data import DataLoader

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
