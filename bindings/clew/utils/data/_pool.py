"""The worker processes of one loader, seen from the process that iterates."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from multiprocessing import connection, reduction
from typing import Any

from clew.utils.data import _shared, _worker

__all__ = ["Pool", "WorkerIterator"]

# How long workers may finish what they do before they are ended.
_GRACE_SECONDS = 1.0
# So many batches per worker may stay on shared memory; what is kept beyond that is copied.
_LEASES_PER_WORKER = 8


class _Worker:
    """One process, the pipe to it, and its blocks."""

    def __init__(self, context: Any, job: _worker.Job) -> None:
        self.id = job.id
        self.pipe, other = context.Pipe(duplex=True)
        _worker.parent_ends.add(self.pipe)
        # A fork server, not this process, is the parent of what it starts.
        watch_parent = context.get_start_method() != "forkserver"
        self.process = context.Process(
            target=_worker.main, args=(other, job, watch_parent), name=f"clew-loader-{job.id}", daemon=True
        )
        try:
            self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            other.close()
        self.pid = self.process.pid
        self.blocks: dict[int, _shared.Mapped] = {}
        self.returned: deque[int] = deque()  # names of blocks that may be written again
        self.pending = 0

    def send(self, order: Any) -> None:
        self.pipe.send_bytes(pickle.dumps(order, protocol=5))

    def take_returned(self) -> list[int]:
        names = []
        while self.returned:
            names.append(self.returned.popleft())
        return names

    def receive(self) -> dict[str, Any]:
        message = pickle.loads(self.pipe.recv_bytes())
        for name in message.get("dropped", ()):
            self.blocks.pop(name, None)
        if message.get("size") is not None:
            descriptor = reduction.recv_handle(self.pipe)
            name = message["block"]
            self.blocks[name] = _shared.Mapped(name, descriptor, message["size"], self.returned)
        return message

    def release(self, message: dict[str, Any]) -> None:
        """A batch that nobody takes: its block is free again."""
        if message["kind"] == "shared":
            self.returned.append(message["block"])

    def batch(self, message: dict[str, Any]) -> Any:
        if message["kind"] == "inline":
            return _shared.unpack(message["body"], message["data"])
        block = self.blocks[message["block"]]
        if sum(b.in_use for b in self.blocks.values()) < _LEASES_PER_WORKER:
            return _shared.unpack(message["body"], block.views(message["spans"]))
        copies = block.copies(message["spans"])
        self.returned.append(block.name)
        return _shared.unpack(message["body"], copies)


def _close(workers: list[_Worker], owner: int) -> None:
    """Ends the processes: a word, then SIGTERM, then SIGKILL."""
    if os.getpid() != owner:
        return  # a forked copy of the pool: the processes are not this one's
    for worker in workers:
        try:
            worker.send(None)
        except (OSError, ValueError):
            pass
        worker.pipe.close()
    for end in (None, "terminate", "kill"):
        for worker in workers:
            if end is not None and worker.process.is_alive():
                getattr(worker.process, end)()
        limit = time.monotonic() + _GRACE_SECONDS
        for worker in workers:
            worker.process.join(max(0.0, limit - time.monotonic()))
        if not any(worker.process.is_alive() for worker in workers):
            break
    workers.clear()


def _start(context: Any, jobs: list[_worker.Job]) -> list[_Worker]:
    workers: list[_Worker] = []
    # A collection in a forked child would write to every page that holds a Python object, and so copy them.
    freezes = context.get_start_method() == "fork" and gc.get_freeze_count() == 0
    if freezes:
        gc.freeze()
    try:
        for job in jobs:
            workers.append(_Worker(context, job))
    except BaseException:
        _close(workers, os.getpid())
        raise
    finally:
        if freezes:
            gc.unfreeze()
    return workers


class Pool:
    """Worker processes that serve any number of iterators of one loader."""

    def __init__(self, context: Any, jobs: list[_worker.Job]) -> None:
        self.workers = _start(context, jobs)
        self.runs: weakref.WeakValueDictionary[int, WorkerIterator] = weakref.WeakValueDictionary()
        self._next_run = 0
        self._owner = os.getpid()
        self._warned = False
        # Also at the end of the program.
        self.close = weakref.finalize(self, _close, self.workers, self._owner)

    @property
    def usable(self) -> bool:
        return bool(self.workers) and self._owner == os.getpid()

    def begin(self, run: WorkerIterator, seed: int, unique: bool) -> int:
        number = self._next_run
        self._next_run += 1
        self.runs[number] = run
        for worker in self.workers:
            self._tell(worker, ("begin", number, seed, unique))
        return number

    def end(self, number: int) -> None:
        self.runs.pop(number, None)
        if not self.usable:
            return
        for worker in self.workers:
            try:
                worker.send(("end", number))
            except OSError:
                pass  # found out by who asks for a batch

    def order(self, worker: _Worker, run: int, number: int, indices: Any) -> None:
        worker.pending += 1
        self._tell(worker, ("fetch", run, number, indices, worker.take_returned()))

    def _tell(self, worker: _Worker, order: Any) -> None:
        try:
            worker.send(order)
        except OSError:
            self._dead(worker)

    def poll(self, timeout: float | None) -> bool:
        """Takes in what has come, and waits for something to come; False when the time is over."""
        try:
            ready = connection.wait([w.pipe for w in self.workers], timeout)
            if not ready:
                return False
            for worker in list(self.workers):
                if worker.pipe in ready:
                    self._take(worker)
            return True
        except Exception:
            raise
        except BaseException:
            # Ctrl-C may have come in the middle of a message.
            self.close()
            raise

    def _take(self, worker: _Worker) -> None:
        try:
            message = worker.receive()
        except (EOFError, OSError):
            self._dead(worker)
        if message["kind"] == "warning":
            if not self._warned:
                self._warned = True
                warnings.warn(
                    "DataLoader: expected room in shared memory for a batch, "
                    f"{message['body']} (worker {worker.id}; batches come through pipes now)",
                    RuntimeWarning,
                    stacklevel=6,
                )
            return
        worker.pending -= 1
        run = self.runs.get(message["run"])
        if run is None:
            worker.release(message)
        else:
            run.arrived(worker, message)

    def _dead(self, worker: _Worker) -> None:
        """Says how the worker ended, and ends the others."""
        process = worker.process
        process.join(_GRACE_SECONDS)
        code = process.exitcode
        if code is None:
            how = "no end of the process but a closed pipe"
        elif code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = "unknown"
            how = f"its end by signal {-code} ({name})"
            if -code == signal.SIGKILL:
                how += "; the system does that when memory runs out"
        else:
            how = f"its end with exit code {code}"
        self.close()
        raise RuntimeError(
            f"DataLoader: expected worker {worker.id} (pid {worker.pid}) to send batches, got {how}"
        )


class WorkerIterator:
    """One epoch out of worker processes."""

    def __init__(
        self,
        pool: Pool,
        indices: Iterator[Any],
        *,
        seed: int,
        unique: bool,
        stream: bool,
        in_order: bool,
        prefetch: int,
        timeout: float,
        skip: int,
        keep: bool,
    ) -> None:
        self._pool = pool
        self._indices = indices
        self._stream = stream
        self._in_order = in_order
        self._timeout = timeout
        self._keep = keep
        self._made = 0  # batches ordered
        self._given = 0  # the number that comes next
        self._ready: dict[int, tuple[_Worker, dict[str, Any]]] = {}
        self._ordered: dict[int, _Worker] = {}
        self._turn = 0
        self._open = True
        self._streaming = list(pool.workers) if stream else pool.workers
        self._run = pool.begin(self, seed, unique)
        # Batches of a stream can only be passed over by making them.
        self._unwanted = skip if stream else 0
        self._made = self._given = 0 if stream else skip
        for _ in range(prefetch * len(pool.workers)):
            self._order()

    def __iter__(self) -> WorkerIterator:
        return self

    def _order(self) -> None:
        workers = self._streaming
        if not workers:
            return
        indices = next(self._indices, None) if not self._stream else ()
        if indices is None:
            return
        if self._in_order:
            worker = workers[self._turn % len(workers)]
            self._turn += 1
        else:
            worker = min(workers, key=lambda w: w.pending)
        number = self._made
        self._made += 1
        self._ordered[number] = worker
        self._pool.order(worker, self._run, number, indices)

    def arrived(self, worker: _Worker, message: dict[str, Any]) -> None:
        """Called by the pool."""
        number = message["number"]
        self._ordered.pop(number, None)
        self._ready[number] = (worker, message)

    def _wait(self) -> int:
        """The number of a batch that is there."""
        if self._in_order:
            found = self._given in self._ready
        else:
            found = bool(self._ready)
        limit = time.monotonic() + self._timeout if self._timeout else None
        while not found:
            left = None if limit is None else limit - time.monotonic()
            if left is not None and left <= 0 or not self._pool.poll(left):
                pids = sorted({worker.pid for worker in self._ordered.values()})
                raise RuntimeError(
                    f"DataLoader: expected a batch within {self._timeout} s, got none (timed out; "
                    f"pids {', '.join(map(str, pids))})"
                )
            found = self._given in self._ready if self._in_order else bool(self._ready)
        return self._given if self._in_order else next(iter(self._ready))

    def __next__(self) -> Any:
        while True:
            if not self._open or (not self._ready and not self._ordered):
                self.close()
                raise StopIteration
            if not self._pool.usable:
                self.close()
                raise RuntimeError("DataLoader: expected running workers, got an iterator of ended ones")
            number = self._wait()
            worker, message = self._ready.pop(number)
            self._given = number + 1
            if message["kind"] == "end":
                if worker in self._streaming:
                    self._streaming.remove(worker)
                continue
            self._order()
            if message["kind"] == "error":
                raise message["body"].exception()
            if self._unwanted:
                self._unwanted -= 1
                worker.release(message)
                continue
            return worker.batch(message)

    def close(self) -> None:
        """Leaves the epoch: what was ordered is dropped, and workers that are not kept end."""
        if not self._open:
            return
        self._open = False
        for worker, message in self._ready.values():
            worker.release(message)
        self._ready.clear()
        self._ordered.clear()
        self._pool.end(self._run)
        if not self._keep:
            self._pool.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False) and hasattr(self, "_run"):
            self.close()


def context_of(value: Any) -> Any:
    """The way to start processes: a context, the name of one, or None for the usual."""
    if value is None:
        chosen = multiprocessing.get_start_method(allow_none=True)
        if chosen is None:
            chosen = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        return multiprocessing.get_context(chosen)
    if isinstance(value, str):
        known = multiprocessing.get_all_start_methods()
        if value not in known:
            raise ValueError(
                f"DataLoader: expected multiprocessing_context in {', '.join(known)}, got {value!r}"
            )
        return multiprocessing.get_context(value)
    if not isinstance(value, multiprocessing.context.BaseContext):
        raise TypeError(
            f"DataLoader: expected multiprocessing_context as a name or a context, got {type(value).__name__}"
        )
    return value
