"""The loader: samples in, batches out."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import clew
from clew import Tensor
from clew.utils.data._fetch import END, MapFetcher, StreamFetcher
from clew.utils.data._info import get_worker_info
from clew.utils.data._random import Kept, draw_seed
from clew.utils.data.collate import default_collate, default_convert
from clew.utils.data.dataset import Dataset, IterableDataset, Subset, TensorDataset
from clew.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
)

if TYPE_CHECKING:
    from clew.utils.data._pool import Pool

__all__ = ["DataLoader", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_STATE_VERSION = 1


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches, one epoch per `iter()`.

    Where samples come from:

    - A TensorDataset, also under Subset, with the default collate is read with one gather per tensor and
      batch; `num_workers` above 0 then means a thread that reads ahead.
    - Everything else is asked sample by sample, here or in `num_workers` processes. These send batches
      through shared memory, without a copy on this side, and stay for the next epoch. A worker has the
      dataset as it was when the worker started: `persistent_workers=False` starts new ones each epoch.

    Random numbers: shuffling draws one permutation per epoch from `generator`, or from the default generator,
    and one seed. Before each sample, the default generators of clew, `random` and NumPy are seeded from that
    seed and the sample's index, so batches do not depend on the number of workers; here they are put back
    afterwards. A stream is seeded by its worker and the position in it.

    Memory: a forked worker shares the pages of this process until one of the two writes to them. Python
    writes to an object when it merely looks at it, so a dataset with a long list of Python objects grows in
    each worker; one array or tensor of numbers, or of bytes with offsets, does not.

    Args:
        dataset: with `__getitem__` and `__len__`, or an IterableDataset.
        batch_size: samples per batch; None turns batching off.
        shuffle: a new random order each epoch.
        sampler: gives the indices instead; excludes `shuffle`.
        batch_sampler: gives lists of indices; excludes `batch_size`, `shuffle`, `sampler`, `drop_last`.
        num_workers: processes that load; 0 loads in this one.
        collate_fn: makes a batch of a list of samples; None means `default_collate`.
        pin_memory: batches in pinned memory, for copies to a device; without one it warns, no more.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a batch of a worker; 0 means no limit.
        worker_init_fn: called in each worker with its number when it starts.
        multiprocessing_context: "fork", "spawn", "forkserver", or a context; None means the one
            that is set, else "fork" where there is one.
        generator: where the random numbers come from.
        prefetch_factor: batches that each worker makes ahead; None means 2.
        persistent_workers: whether workers stay for the next epoch; None means True.
        in_order: give batches in the order of the indices; otherwise as they come.
    Raises:
        ValueError: arguments that exclude each other, or out of range.
        RuntimeError: on the way, a worker that ended, with its pid and how, or the timeout.
    Example:
        >>> dataset = clew.utils.data.TensorDataset(clew.arange(5))
        >>> [batch[0].tolist() for batch in clew.utils.data.DataLoader(dataset, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    dataset: Dataset[T_co]
    batch_size: int | None

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool | None = None,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: expected num_workers as an int >= 0, got {num_workers!r}")
        if timeout < 0:
            raise ValueError(f"DataLoader: expected timeout >= 0, got {timeout}")
        if num_workers == 0:
            for name, value, default in (
                ("prefetch_factor", prefetch_factor, None),
                ("persistent_workers", persistent_workers or None, None),
                ("multiprocessing_context", multiprocessing_context, None),
                ("timeout", timeout, 0),
            ):
                if value != default:
                    raise ValueError(
                        f"DataLoader: expected {name}={default} with num_workers=0, got {value!r}"
                    )
        elif prefetch_factor is not None and (not isinstance(prefetch_factor, int) or prefetch_factor < 1):
            raise ValueError(
                f"DataLoader: expected prefetch_factor as an int >= 1 or None, got {prefetch_factor!r}"
            )
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value not in (None, False):
                    raise ValueError(
                        f"DataLoader: expected {name} unset with an IterableDataset, got {value!r} "
                        "(the dataset gives the order)"
                    )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: expected sampler or shuffle, got both")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: expected batch_sampler alone, "
                    "got it with batch_size, shuffle, sampler or drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "DataLoader: expected drop_last=False without batching (batch_size=None), got True"
            )
        if pin_memory and not clew.cuda.is_available():
            import warnings

            warnings.warn("DataLoader: pin_memory=True has no effect without a device", stacklevel=2)
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
                raise ValueError(
                    f"DataLoader: expected batch_size as a positive int or None, got {batch_size!r}"
                )
            if batch_sampler is None and not iterable:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self._context = _context_of(multiprocessing_context) if num_workers else None
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = num_workers > 0 and persistent_workers is not False
        self.in_order = in_order
        self._pool: Pool | None = None
        self._epochs = 0  # begun so far
        self._run: weakref.ref[_Epoch] | None = None
        self._resume: dict[str, Any] | None = None
        if collate_fn is None:
            batched = batch_size is not None or batch_sampler is not None
            collate_fn = default_collate if batched else default_convert
        self.collate_fn = collate_fn

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes are started; None without workers."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, value: Any) -> None:
        if value is not None and self.num_workers == 0:
            raise ValueError(
                f"DataLoader: expected multiprocessing_context=None with num_workers=0, got {value!r}"
            )
        self._context = _context_of(value) if self.num_workers else None

    def __iter__(self) -> Iterator[Any]:
        resume, self._resume = self._resume, None
        epoch = _Epoch(self, resume)
        self._epochs = epoch.number + 1
        self._run = weakref.ref(epoch)
        return epoch

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            size = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return size
            return size // self.batch_size if self.drop_last else -(-size // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, as plain data: between epochs, or after the last batch that was taken.

        A loader over the same dataset with the same arguments goes on there after `load_state_dict`, with
        the same order and the same random numbers inside samples. The order is drawn anew from the state that
        the generator had when the epoch began, so a sampler that draws while it gives indices goes on exactly
        only if it has `state_dict` and `load_state_dict` of its own. A stream is read again up to that place.
        With `in_order=False` batches may be missed or come twice.

        Returns:
            A dict for `clew.save`.
        Example:
            >>> loader = clew.utils.data.DataLoader(range(4), shuffle=True)
            >>> batches = iter(loader)
            >>> first = next(batches)
            >>> again = clew.utils.data.DataLoader(range(4), shuffle=True)
            >>> again.load_state_dict(loader.state_dict())
            >>> [x.item() for x in again] == [x.item() for x in batches]
            True
        """
        if self._resume is not None:
            return dict(self._resume)
        state: dict[str, Any] = {"version": _STATE_VERSION, "epoch": self._epochs, "given": 0}
        if self.generator is not None:
            state["generator"] = self.generator.get_state()
        epoch = self._run() if self._run is not None else None
        if epoch is not None and not epoch.over:
            state |= {
                "epoch": epoch.number,
                "given": epoch.given,
                "seed": epoch.seed,
                "begin": epoch.begin,
            }
            if epoch.sampler_begin is not None:
                state["sampler"] = epoch.sampler_begin
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on, with the next `iter()`, where `state_dict` was taken.

        Args:
            state_dict: what `state_dict()` returned.
        Raises:
            ValueError: it is something else.
        """
        if not isinstance(state_dict, dict) or state_dict.get("version") != _STATE_VERSION:
            raise ValueError(
                f"load_state_dict: expected the state of a DataLoader, got {str(state_dict)[:80]}"
            )
        if "generator" in state_dict and self.generator is not None and "seed" not in state_dict:
            self.generator.set_state(state_dict["generator"])
        self._resume = dict(state_dict)

    # -- the ways to iterate ---------------------------------------------------------------------

    def _workers(self) -> Pool:
        """The pool of this loader, with processes started."""
        if self._pool is not None and self._pool.usable:
            return self._pool
        import os

        # Imported when processes are wanted: they lean on much that other programs do not need.
        from clew.utils.data._pool import Pool
        from clew.utils.data._worker import Job

        stream = isinstance(self.dataset, IterableDataset)
        jobs = [
            Job(
                id=i,
                num_workers=self.num_workers,
                dataset=self.dataset,
                collate=self.collate_fn,
                batched=self.batch_sampler is not None,
                stream=stream,
                stream_size=self.batch_size if stream else None,
                drop_last=self.drop_last,
                init=self.worker_init_fn,
                first_seed=i,
                parent=os.getpid(),
            )
            for i in range(self.num_workers)
        ]
        pool = Pool(self._context, jobs)
        if self.persistent_workers:
            self._pool = pool
        return pool

    def _unique(self) -> bool:
        """Whether no index comes twice in an epoch."""
        batches: Any = self.batch_sampler
        sampler: Any = batches.sampler if type(batches) is BatchSampler else self.sampler
        if type(sampler) is RandomSampler:
            return not sampler.replacement and sampler.num_samples <= len(sampler.data_source)
        return type(sampler) is SequentialSampler

    def __getstate__(self) -> dict[str, Any]:
        # A loader inside a dataset, or copied: processes do not go along.
        return self.__dict__ | {"_pool": None, "_run": None}

    def _in_memory(self) -> tuple[tuple[Tensor, ...], Tensor | None] | None:
        """The tensors behind the dataset and which of their rows are its samples; None if not in memory."""
        if self.collate_fn is not default_collate:
            return None
        dataset: Any = self.dataset
        rows: Tensor | None = None
        while type(dataset) is Subset:
            indices = dataset.indices
            if not isinstance(indices, Tensor):
                if not all(type(i) is int for i in indices):
                    return None
                indices = clew.tensor(list(indices), dtype=clew.int64)
            # Negative indices count from the end, as they do for a list.
            size = len(dataset.dataset)
            if indices.shape[0] and (int(indices.min()) < -size or int(indices.max()) >= size):
                return None
            indices = clew.where(indices < 0, indices + size, indices)
            rows = indices if rows is None else indices.index_select(0, rows)
            dataset = dataset.dataset
        # A subclass with its own __getitem__ decides what a sample is.
        plain = isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__
        return (dataset.tensors, rows) if plain and not hasattr(dataset, "__getitems__") else None

    def _gather(
        self, tensors: tuple[Tensor, ...], rows: Tensor | None, skip: int
    ) -> tuple[Iterator[list[Tensor]], bool]:
        """The batches from number `skip` on, and whether their order is known by now."""
        batches: Any = self.batch_sampler
        sampler = batches.sampler if type(batches) is BatchSampler else None
        kind = type(sampler)
        order: Tensor | None
        if kind is SequentialSampler:
            count, order = len(sampler), rows
        elif kind is RandomSampler:
            order = sampler._order()
            count = order.shape[0]
            if rows is not None or len(sampler.data_source) != len(self.dataset):
                order = _translate(order, rows, tensors)
        elif kind is SubsetRandomSampler and all(type(i) is int for i in sampler.indices):
            places = clew.randperm(len(sampler.indices), generator=sampler.generator)
            chosen = clew.tensor(list(sampler.indices), dtype=clew.int64)
            order = _translate(chosen.index_select(0, places), rows, tensors)
            count = order.shape[0]
        else:
            return _gather_lists(iter(batches), tensors, rows, skip), False
        size = batches.batch_size
        end = count - count % size if batches.drop_last else count
        return _gather_order(tensors, order, skip * size, end, size), True


def _gather_order(
    tensors: tuple[Tensor, ...], order: Tensor | None, begin: int, end: int, size: int
) -> Iterator[list[Tensor]]:
    for start in range(begin, end, size):
        stop = min(start + size, end)
        if order is None:
            # A copy, so that changing a batch in place leaves the dataset as it is.
            yield [t[start:stop].clone() for t in tensors]
        else:
            index = order[start:stop]
            yield [t.index_select(0, index) for t in tensors]


def _gather_lists(
    batches: Iterator[Any], tensors: tuple[Tensor, ...], rows: Tensor | None, skip: int
) -> Iterator[list[Tensor]]:
    # A sampler that is not known here may be endless: take it batch by batch.
    for number, indices in enumerate(batches):
        if number < skip:
            continue
        chosen = clew.tensor([int(i) for i in indices], dtype=clew.int64)
        index = _translate(chosen, rows, tensors)
        yield [t.index_select(0, index) for t in tensors]


def _translate(chosen: Tensor, rows: Tensor | None, tensors: tuple[Tensor, ...]) -> Tensor:
    """Indices of samples to indices of rows; negative ones count from the end."""
    size = tensors[0].shape[0] if rows is None else rows.shape[0]
    if chosen.shape[0]:
        low, high = int(chosen.min()), int(chosen.max())
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise IndexError(f"DataLoader: expected indices in [{-size}, {size}), got {wrong}")
        if low < 0:
            chosen = clew.where(chosen < 0, chosen + size, chosen)
    return chosen if rows is None else rows.index_select(0, chosen)


class _Epoch:
    """One epoch of a loader: an iterator over its batches that knows how to be resumed."""

    def __init__(self, loader: DataLoader, resume: dict[str, Any] | None) -> None:
        self._loader = loader
        self._pinned = loader.pin_memory and clew.cuda.is_available()
        self.over = False
        self.number = loader._epochs if resume is None else resume["epoch"]
        self.given = 0 if resume is None else resume["given"]
        generator = loader.generator if loader.generator is not None else clew.default_generator
        restarts = resume is not None and "seed" in resume
        sampler: Any = loader.sampler if loader.sampler is not None else loader.batch_sampler
        keeps = hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict")
        now = generator.get_state()
        if restarts:
            generator.set_state(resume["begin"])
            if keeps and "sampler" in resume:
                sampler.load_state_dict(resume["sampler"])
        self.begin = generator.get_state()
        self.sampler_begin = sampler.state_dict() if keeps else None
        self._batches = self._open(loader, resume["seed"] if restarts else None)
        if restarts and loader.generator is None:
            # The default generator goes on where the program has put it.
            generator.set_state(now)

    def _open(self, loader: DataLoader, seed: int | None) -> Iterator[Any]:
        """Draws the order and the seed of the epoch, in this order, and opens the way the batches come."""
        stream = isinstance(loader.dataset, IterableDataset)
        source = None if stream or loader.batch_sampler is None else loader._in_memory()
        skip = self.given
        if source is not None and loader.worker_init_fn is None:
            gathered, known = loader._gather(*source, skip)
            self.seed = draw_seed(loader.generator)
            if loader.num_workers and known:
                from clew.utils.data._threads import PrefetchIterator

                return PrefetchIterator(gathered, loader.num_workers * (loader.prefetch_factor or 2))
            return gathered
        indices: Iterator[Any] = iter(())
        if not stream:
            # The first index makes the samplers that draw an epoch's order at once do it now.
            indices = _begun(
                iter(loader.batch_sampler if loader.batch_sampler is not None else loader.sampler)
            )
        drawn = draw_seed(loader.generator)
        self.seed = drawn if seed is None else seed
        if not stream:
            for _ in range(skip):
                next(indices, None)
        if loader.num_workers == 0:
            return _local(loader, indices, self.seed, stream, skip)
        from clew.utils.data._pool import WorkerIterator

        return WorkerIterator(
            loader._workers(),
            indices,
            seed=self.seed,
            unique=loader._unique(),
            stream=stream,
            in_order=loader.in_order,
            prefetch=loader.prefetch_factor or 2,
            timeout=loader.timeout,
            skip=skip,
            keep=loader.persistent_workers,
        )

    def __iter__(self) -> _Epoch:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            self.over = True
            raise
        self.given += 1
        if self._pinned:
            from clew.utils.data._device import pin_batch

            batch = pin_batch(batch)
        return batch


def _begun(indices: Iterator[Any]) -> Iterator[Any]:
    from itertools import chain

    for first in indices:
        return chain((first,), indices)
    return iter(())


def _local(loader: DataLoader, indices: Iterator[Any], seed: int, stream: bool, skip: int) -> Iterator[Any]:
    """Batches made in this process."""
    fetcher: Any
    if stream:
        with Kept():
            fetcher = StreamFetcher(
                loader.dataset, loader.collate_fn, loader.batch_size, loader.drop_last, seed, 0
            )
        number = 0
        while True:
            with Kept():
                batch = fetcher.fetch(number, None)
            if batch is END:
                return
            number += 1
            if number > skip:
                yield batch
    fetcher = MapFetcher(
        loader.dataset, loader.collate_fn, loader.batch_sampler is not None, seed, loader._unique()
    )
    for number, chosen in enumerate(indices, start=skip):
        if fetcher.draws:
            with Kept():
                batch = fetcher.fetch(number, chosen)
        else:
            batch = fetcher.fetch(number, chosen)
        yield batch


def _context_of(value: Any) -> Any:
    from clew.utils.data._pool import context_of

    return context_of(value)
