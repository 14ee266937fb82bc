"""Sequences of different lengths: padded into one tensor, or packed step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import clew
from clew import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedFields):
    """The steps of several sequences without padding, as recurrent layers take them.

    `pack_padded_sequence` and `pack_sequence` make one.

    Args:
        data: the first step of every sequence, then the second, ...; the longest sequence first;
            shape (steps of all sequences, *).
        batch_sizes: how many sequences have a step t; int64, shape (T,), on the CPU.
        sorted_indices: which sequence stands where, or None when they came sorted.
        unsorted_indices: the inverse of `sorted_indices`.
    Raises:
        ValueError: `batch_sizes` is not on the CPU.
    Example:
        >>> packed = clew.nn.utils.rnn.pack_sequence([clew.tensor([1, 2, 3]), clew.tensor([4])])
        >>> packed.data.tolist(), packed.batch_sizes.tolist()
        ([1, 4, 2, 3], [2, 1, 1])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            raise ValueError("PackedSequence: expected batch_sizes, got None")
        if batch_sizes.device.type not in ("cpu", "meta"):
            raise ValueError(
                f"PackedSequence: expected batch_sizes on the CPU, got {batch_sizes.device} "
                "(they steer the time loop)"
            )
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Converts dtype or device of `data`; the indices follow to the device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = [None if t is None else t.to(data.device) for t in self[2:]]
        return type(self)(data, self.batch_sizes, *moved)

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a CUDA device."""
        return self.to("cuda")

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(clew.float64)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(clew.float32)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(clew.float16)

    def long(self) -> PackedSequence:
        """As int64."""
        return self.to(clew.int64)

    def int(self) -> PackedSequence:
        """As int32."""
        return self.to(clew.int32)

    def short(self) -> PackedSequence:
        """As int16."""
        return self.to(clew.int16)

    def char(self) -> PackedSequence:
        """As int8."""
        return self.to(clew.int8)

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self.to(clew.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a CUDA device."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Returns the permutation that undoes another.

    Args:
        permutation: int64, shape (n,), or None.
    Returns:
        int64 tensor of shape (n,), or None.
    Example:
        >>> clew.nn.utils.rnn.invert_permutation(clew.tensor([2, 0, 1])).tolist()
        [1, 2, 0]
    """
    return None if permutation is None else permutation.argsort()


def _lengths(name: str, lengths: Any, batch: int) -> Tensor:
    lengths = lengths.to("cpu", clew.int64) if isinstance(lengths, Tensor) else clew.tensor(list(lengths))
    lengths = lengths.to(clew.int64)
    if lengths.ndim != 1 or lengths.shape[0] != batch:
        raise clew.ShapeError(
            f"{name}: expected one length per sequence ({batch}), got lengths of shape {tuple(lengths.shape)}"
        )
    return lengths


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences: leaves out the padding.

    Args:
        input: shape (T, B, *), or (B, T, *) with `batch_first`.
        lengths: length of each sequence, 1 to T.
        batch_first: whether the batch comes first.
        enforce_sorted: raise unless the lengths fall; else the sequences are sorted by length.
    Returns:
        The packed sequences; gradients flow back into `input`.
    Raises:
        ValueError: a length below 1 or above T, or lengths that are not sorted.
        clew.ShapeError: another number of lengths than sequences.
    Example:
        >>> x = clew.tensor([[1, 2, 3], [4, 0, 0]])
        >>> clew.nn.utils.rnn.pack_padded_sequence(x, [3, 1], batch_first=True).data.tolist()
        [1, 4, 2, 3]
    """
    if input.ndim < 2:
        raise clew.ShapeError(
            f"pack_padded_sequence: expected input of shape (T, B, *), got {tuple(input.shape)}"
        )
    batch, steps = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    lengths = _lengths("pack_padded_sequence", lengths, batch)
    values = lengths.tolist()
    if not values or min(values) <= 0 or max(values) > steps:
        raise clew.ShapeError(f"pack_padded_sequence: expected lengths in [1, {steps}], got {values}")
    order = None
    if not enforce_sorted:
        order = lengths.argsort(descending=True, stable=True)
        lengths = lengths[order]
        order = order.to(input.device)
    elif any(a < b for a, b in zip(values, values[1:], strict=False)):
        raise clew.ShapeError(
            f"pack_padded_sequence: expected lengths that fall, got {values} "
            "(enforce_sorted=False sorts the sequences)"
        )
    if batch_first:
        input = input.transpose(0, 1)
    if order is not None:
        input = input.index_select(1, order)
    longest = int(lengths[0])
    present = clew.arange(longest).unsqueeze(1) < lengths.unsqueeze(0)
    rows = present.flatten().nonzero()[:, 0].to(input.device)
    flat = input[:longest].reshape(longest * batch, *input.shape[2:])
    return PackedSequence(flat.index_select(0, rows), present.sum(1), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undoes `pack_padded_sequence`.

    Args:
        sequence: packed sequences.
        batch_first: whether the batch comes first in the result.
        padding_value: what stands after the end of a sequence.
        total_length: length of the result; default: that of the longest sequence.
    Returns:
        (padded, lengths): shape (T, B, *) or (B, T, *), and int64 of shape (B,), in the original order.
    Raises:
        ValueError: `total_length` is less than the longest sequence.
    Example:
        >>> packed = clew.nn.utils.rnn.pack_sequence([clew.tensor([1, 2, 3]), clew.tensor([4])])
        >>> padded, lengths = clew.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        >>> padded.tolist(), lengths.tolist()
        ([[1, 2, 3], [4, 0, 0]], [3, 1])
    """
    data, batch_sizes, _, unsorted_indices = sequence
    sizes = batch_sizes.tolist()
    steps, batch = len(sizes), sizes[0]
    if total_length is not None and total_length < steps:
        raise ValueError(
            f"pad_packed_sequence: expected total_length >= {steps}, the longest sequence, got {total_length}"
        )
    total = steps if total_length is None else total_length
    places = clew.arange(batch).unsqueeze(0) < batch_sizes.unsqueeze(1)
    rows = places.flatten().nonzero()[:, 0].to(data.device)
    shape = tuple(data.shape[1:])
    padded = clew.full((total * batch, *shape), padding_value, dtype=data.dtype, device=data.device)
    padded = clew.index_put(padded, (rows,), data).reshape(total, batch, *shape)
    lengths = places.sum(0)
    if unsorted_indices is not None:
        padded = padded.index_select(1, unsorted_indices)
        lengths = lengths[unsorted_indices.to("cpu")]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stacks sequences of different lengths into one tensor.

    Args:
        sequences: tensors of shapes (T_i, *), alike but for T_i.
        batch_first: whether the batch comes first in the result.
        padding_value: what stands where a sequence has no step.
        padding_side: "right" pads after the end, "left" before the start.
    Returns:
        Tensor of shape (T, B, *), or (B, T, *) with `batch_first`; T is the longest T_i.
    Raises:
        ValueError: no sequence, or another `padding_side`.
        clew.ShapeError: sequences that differ in more than their length.
    Example:
        >>> clew.nn.utils.rnn.pad_sequence([clew.ones(1), clew.ones(2)], batch_first=True).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    if padding_side not in ("right", "left"):
        raise clew.ShapeError(f"pad_sequence: expected padding_side 'right' or 'left', got {padding_side!r}")
    sequences = list(sequences.unbind(0)) if isinstance(sequences, Tensor) else list(sequences)
    if not sequences:
        raise clew.ShapeError("pad_sequence: expected at least one sequence, got none")
    first = sequences[0]
    for i, s in enumerate(sequences):
        if s.ndim == 0 or s.shape[1:] != first.shape[1:]:
            raise clew.ShapeError(
                f"pad_sequence: expected sequences alike but for their length, got {tuple(first.shape)} "
                f"at index 0 and {tuple(s.shape)} at index {i}"
            )
    batch = len(sequences)
    lengths = clew.tensor([s.shape[0] for s in sequences])
    steps = max(s.shape[0] for s in sequences)
    at = clew.arange(steps).unsqueeze(0)
    present = at < lengths.unsqueeze(1) if padding_side == "right" else at >= steps - lengths.unsqueeze(1)
    rows = present.flatten().nonzero()[:, 0]
    if not batch_first:
        rows = rows % max(steps, 1) * batch + rows // max(steps, 1)
    shape = tuple(first.shape[1:])
    padded = clew.full((steps * batch, *shape), padding_value, dtype=first.dtype, device=first.device)
    padded = clew.index_put(padded, (rows.to(first.device),), clew.cat(sequences).to(first.dtype))
    return padded.reshape(*((batch, steps) if batch_first else (steps, batch)), *shape)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """Undoes `pad_sequence`.

    Args:
        padded_sequences: shape (T, B, *), or (B, T, *) with `batch_first`.
        lengths: length of each sequence.
        batch_first: whether the batch comes first.
    Returns:
        The sequences, shapes (T_i, *), views of `padded_sequences`.
    Example:
        >>> x = clew.tensor([[1, 2, 3], [4, 0, 0]])
        >>> [s.tolist() for s in clew.nn.utils.rnn.unpad_sequence(x, [3, 1], batch_first=True)]
        [[1, 2, 3], [4]]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    values = _lengths("unpad_sequence", lengths, padded_sequences.shape[0]).tolist()
    return [s[:n] for s, n in zip(padded_sequences.unbind(0), values, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of different lengths.

    Args:
        sequences: tensors of shapes (T_i, *), alike but for T_i.
        enforce_sorted: raise unless the lengths fall; else the sequences are sorted by length.
    Returns:
        The packed sequences; gradients flow back into `sequences`.
    Raises:
        ValueError: an empty sequence, or lengths that are not sorted.
    Example:
        >>> clew.nn.utils.rnn.pack_sequence([clew.tensor([1, 2]), clew.tensor([3])]).data.tolist()
        [1, 3, 2]
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undoes `pack_sequence`.

    Args:
        packed_sequences: packed sequences.
    Returns:
        The sequences, shapes (T_i, *), in the original order.
    Example:
        >>> packed = clew.nn.utils.rnn.pack_sequence([clew.tensor([1, 2]), clew.tensor([3])])
        >>> [s.tolist() for s in clew.nn.utils.rnn.unpack_sequence(packed)]
        [[1, 2], [3]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
