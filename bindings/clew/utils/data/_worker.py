"""A worker process: takes orders for batches, sends batches."""

from __future__ import annotations

import os
import pickle
import queue
import random
import signal
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, reduction
from typing import Any

import clew
from clew.utils.data import _info, _shared
from clew.utils.data._fetch import END, MapFetcher, StreamFetcher
from clew.utils.data._random import mix, seed_all

__all__ = ["Failure", "Job", "main"]

# The ends that this process holds of the pipes to its workers. A forked worker inherits those of its
# elder siblings and must close them, or nobody would notice the end of this process.
parent_ends: weakref.WeakSet[Any] = weakref.WeakSet()

# How often a worker looks whether the process that started it still lives.
_WATCH_SECONDS = 1.0


@dataclass
class Job:
    """What a worker is started with."""

    id: int
    num_workers: int
    dataset: Any
    collate: Callable
    batched: bool
    stream: bool
    stream_size: int | None
    drop_last: bool
    init: Callable[[int], None] | None
    first_seed: int
    parent: int


class Failure:
    """An exception on its way to the process that iterates."""

    def __init__(self, error: BaseException, worker: int) -> None:
        self.kind = f"{type(error).__module__}.{type(error).__qualname__}"
        self.text = str(error)
        self.trace = "".join(traceback.format_exception(error)).rstrip()
        self.origin = f"worker {worker} (pid {os.getpid()})"
        self.content: bytes | None
        error.__traceback__ = error.__cause__ = error.__context__ = None
        try:
            self.content = pickle.dumps(error)
            pickle.loads(self.content)
        except Exception:
            self.content = None
        try:
            self.type: bytes | None = pickle.dumps(type(error))
        except Exception:
            self.type = None

    def exception(self) -> BaseException:
        """The exception again, of its own class; the worker's traceback is a note on it."""
        error: BaseException | None = None
        try:
            if self.content is not None:
                error = pickle.loads(self.content)
            elif self.type is not None:
                error = pickle.loads(self.type)(self.text)
        except Exception:
            error = None
        if not isinstance(error, BaseException):
            error = RuntimeError(f"DataLoader: expected a sample, got {self.kind}: {self.text}")
        if isinstance(error, StopIteration):
            # It would end the caller's loop without a word.
            error = RuntimeError(f"DataLoader: expected a sample, got StopIteration: {self.text}")
        error.add_note(f"in DataLoader {self.origin}:\n{self.trace}")
        return error


def _watch(pipe: Any, orders: queue.SimpleQueue, parent: int) -> None:
    """Reads orders; ends the process when the one that gives them is gone."""
    try:
        while True:
            while not connection.wait([pipe], _WATCH_SECONDS):
                if os.getppid() != parent:
                    os._exit(1)
            order = pickle.loads(pipe.recv_bytes())
            orders.put(order)
            if order is None:
                return
    except (EOFError, OSError):
        os._exit(1)


def main(pipe: Any, job: Job, watch_parent: bool) -> None:
    """Runs in the worker process until it is told to stop."""
    for end in list(parent_ends):
        end.close()
    parent_ends.clear()
    # Ctrl-C goes to all processes of a terminal; the one that iterates decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clew.set_num_threads(1)
    random.seed(job.first_seed)
    orders: queue.SimpleQueue = queue.SimpleQueue()
    parent = job.parent if watch_parent else os.getppid()
    threading.Thread(target=_watch, args=(pipe, orders, parent), name="clew-orders", daemon=True).start()
    try:
        _Loop(pipe, job, orders).run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # nobody waits for this batch any more


class _Loop:
    def __init__(self, pipe: Any, job: Job, orders: queue.SimpleQueue) -> None:
        self.pipe = pipe
        self.job = job
        self.orders = orders
        self.arena = _shared.Arena()
        self.pipes_only: str | None = None  # why no shared memory is used
        self.failure: Failure | None = None  # of worker_init_fn
        self.fetchers: dict[int, Any] = {}
        self.started = False

    def run(self) -> None:
        while (order := self.orders.get()) is not None:
            kind, run, *rest = order
            if kind == "begin":
                self._begin(run, *rest)
            elif kind == "end":
                self.fetchers.pop(run, None)
            elif kind == "fetch":
                number, indices, returned = rest
                self.arena.give_back(returned)
                self._fetch(run, number, indices)

    def _begin(self, run: int, seed: int, unique: bool) -> None:
        job = self.job
        _info.current = _info.WorkerInfo(job.id, job.num_workers, mix(seed, job.id) >> 1, job.dataset)
        try:
            if not self.started:
                self.started = True
                seed_all(_info.current.seed)
                if job.init is not None:
                    job.init(job.id)
            if job.stream:
                fetcher: Any = StreamFetcher(
                    job.dataset, job.collate, job.stream_size, job.drop_last, seed, job.id
                )
            else:
                fetcher = MapFetcher(job.dataset, job.collate, job.batched, seed, unique)
        except Exception as error:
            fetcher = Failure(error, job.id)
        self.fetchers[run] = fetcher

    def _fetch(self, run: int, number: int, indices: Any) -> None:
        fetcher = self.fetchers.get(run)
        if fetcher is None:
            return  # an epoch that was left in the meantime
        if isinstance(fetcher, Failure):
            self._send(run, number, "error", fetcher)
            return
        if fetcher is END:
            self._send(run, number, "end", None)
            return
        try:
            batch = fetcher.fetch(number, indices)
            if batch is END:
                self.fetchers[run] = END
                self._send(run, number, "end", None)
                return
            packed = _shared.Packed(batch)
        except Exception as error:
            self._send(run, number, "error", Failure(error, self.job.id))
            return
        del batch
        self._send_batch(run, number, packed)

    def _send(self, run: int, number: int, kind: str, body: Any, **more: Any) -> None:
        message = {"run": run, "number": number, "kind": kind, "body": body, **more}
        self.pipe.send_bytes(pickle.dumps(message, protocol=5))

    def _send_batch(self, run: int, number: int, packed: _shared.Packed) -> None:
        if packed.room > _shared.INLINE_BYTES and self.pipes_only is None:
            dropped: list[int] = []
            try:
                try:
                    block, new = self.arena.take(packed.room)
                except OSError:
                    # Idle blocks that are too small make room for one that fits.
                    dropped = self.arena.drop_idle()
                    block, new = self.arena.take(packed.room)
            except OSError as error:
                self.pipes_only = str(error)
                self._send(run, number, "warning", self.pipes_only, dropped=dropped)
            else:
                spans = self.arena.fill(block, packed.buffers)
                size = block.size if new else None
                self._send(
                    run, number, "shared", packed.content,
                    block=block.name, size=size, spans=spans, dropped=dropped,
                )  # fmt: skip
                if new:
                    reduction.send_handle(self.pipe, block.descriptor, self.job.parent)
                return
        data = [bytearray(buffer.raw()) for buffer in packed.buffers]
        self._send(run, number, "inline", packed.content, data=data)
