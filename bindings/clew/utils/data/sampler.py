"""In which order samples are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import clew
from clew import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base class: iterating gives the indices of one epoch."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"Sampler: expected {type(self).__name__} to define __iter__, got none")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...

    Args:
        data_source: anything with a length.
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order each epoch; with `replacement`, independent draws.

    Args:
        data_source: anything with a length.
        replacement: draw each index anew.
        num_samples: indices per epoch; None means the length of `data_source`.
        generator: where the random numbers come from; None means the default one.
    Raises:
        TypeError: `replacement` is no bool.
        ValueError: `num_samples` is not positive.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: expected replacement as a bool, got {replacement!r}")
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"RandomSampler: expected num_samples as a positive int, got {num_samples!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """Indices per epoch."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _order(self) -> Tensor:
        """The indices of one epoch, as one tensor."""
        size, count = len(self.data_source), self.num_samples
        if size == 0:
            return clew.empty(0, dtype=clew.int64)
        if self.replacement:
            return clew.randint(size, (count,), generator=self.generator)
        orders = [clew.randperm(size, generator=self.generator) for _ in range(-(-count // size))]
        order = orders[0] if len(orders) == 1 else clew.cat(orders)
        return order if order.shape[0] == count else order[:count]

    def __iter__(self) -> Iterator[int]:
        return iter(self._order().tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in a new random order each epoch.

    Args:
        indices: a sequence of ints.
        generator: where the random numbers come from; None means the default one.
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in clew.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with given probabilities.

    Args:
        weights: how likely each index is; need not sum to 1.
        num_samples: indices per epoch.
        replacement: draw each index anew.
        generator: where the random numbers come from; None means the default one.
    Raises:
        ValueError: `num_samples` is not a positive int, `replacement` no bool, or the weights no sequence.
    Example:
        >>> list(clew.utils.data.WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"WeightedRandomSampler: expected num_samples as a positive int, got {num_samples!r}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: expected replacement as a bool, got {replacement!r}")
        self.weights = clew.as_tensor(weights, dtype=clew.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                "WeightedRandomSampler: expected weights of one dimension, "
                f"got shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = clew.multinomial(
            self.weights, self.num_samples, replacement=self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Joins the indices of another sampler into lists.

    Args:
        sampler: gives single indices.
        batch_size: length of the lists.
        drop_last: leave out a last list that is shorter.
    Raises:
        ValueError: `batch_size` is not a positive int, or `drop_last` is no bool.
    Example:
        >>> list(clew.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"BatchSampler: expected batch_size as a positive int, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: expected drop_last as a bool, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
