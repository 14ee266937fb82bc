"""Reading ahead on a thread, for batches that are made without Python code of the user's."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["PrefetchIterator"]

_END = object()


def _produce(batches: Iterator[Any], done: queue.SimpleQueue, room: threading.Semaphore, stop: list) -> None:
    try:
        for batch in batches:
            done.put((batch, None))
            del batch
            room.acquire()
            if stop:
                return
        done.put((_END, None))
    except BaseException as error:
        done.put((_END, error))


def _halt(stop: list, room: threading.Semaphore) -> None:
    stop.append(True)
    room.release()


class PrefetchIterator:
    """Takes batches from an iterator on a thread, at most `depth` ahead."""

    def __init__(self, batches: Iterator[Any], depth: int) -> None:
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._room = threading.Semaphore(depth - 1)
        stop: list = []
        self._thread = threading.Thread(
            target=_produce, args=(batches, self._done, self._room, stop), name="clew-prefetch", daemon=True
        )
        # A loop that is left early ends the thread when its iterator dies.
        self._halt = weakref.finalize(self, _halt, stop, self._room)
        self._thread.start()

    def __iter__(self) -> PrefetchIterator:
        return self

    def __next__(self) -> Any:
        if not self._halt.alive:
            raise StopIteration
        batch, error = self._done.get()
        self._room.release()
        if batch is _END:
            self._halt()
            if error is not None:
                raise error
            raise StopIteration
        return batch
