"""Layers that look rows up."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import functional as F
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["Embedding"]

_embedding = F.embedding


class Embedding(Module):
    """A table of rows, looked up by index.

        y[...] = weight[x[...]]

    Args:
        num_embeddings: rows of the table.
        embedding_dim: length of a row.
        padding_idx: row that starts as zero and gets no gradient; None means no such row.
        max_norm, norm_type, scale_grad_by_freq: see `nn.functional.embedding`.
        sparse: only False.
        device, dtype: of the table.
    Shape:
        input (*) of integers in [0, num_embeddings); output (*, embedding_dim);
        weight (num_embeddings, embedding_dim) from N(0, 1).
    Raises:
        ValueError: `padding_idx` outside the table.
    Example:
        >>> list(clew.nn.Embedding(10, 3)(clew.tensor([[1, 2], [4, 5]])).shape)
        [2, 2, 3]
    """

    num_embeddings: int
    embedding_dim: int
    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError(
                "Embedding: expected sparse=False, got True (gradients are dense tensors)"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: expected padding_idx in [-{num_embeddings}, {num_embeddings}), "
                    f"got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            _weight = clew.empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(_weight, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise ValueError(
                    f"Embedding: expected weight of shape {[num_embeddings, embedding_dim]}, "
                    f"got {list(_weight.shape)}"
                )
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with clew.no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, **options: Any
    ) -> Embedding:
        """Makes the layer from a table.

        Args:
            embeddings: shape (num_embeddings, embedding_dim), floating point; its memory is shared.
            freeze: keep the table fixed in training.
            padding_idx: see the class.
        Raises:
            ValueError: `embeddings` is not a matrix.
        """
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: expected a matrix, got {embeddings.ndim} dimensions")
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze, **options)

    def forward(self, input: Tensor) -> Tensor:
        if self.max_norm is None and not self.scale_grad_by_freq:
            return _embedding(input, self.weight, self.padding_idx)
        return _embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
