"""Multi-head attention."""

from __future__ import annotations

from typing import Any

import clew
from clew import Tensor
from clew.nn import init
from clew.nn._attention import attend
from clew.nn.modules.linear import Linear
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention by several heads over projections of query, key and value.

        head_i = softmax(q_i @ k_i^T / sqrt(E / heads) + masks) @ v_i,  y = concat(heads) @ W_o^T + b_o

    Args:
        embed_dim: E, the features of query and output.
        num_heads: how many heads share E.
        dropout: probability of a weight to be zeroed, in training.
        bias: whether the projections have biases.
        add_bias_kv: whether to learn a further key and value.
        add_zero_attn: whether to add a key and value of zeros.
        kdim, vdim: features of key and value; default E.
        batch_first: whether the batch comes first in input and output.
        device, dtype: of the parameters.
    Shape:
        query (L, B, E), key (S, B, kdim), value (S, B, vdim), output (L, B, E); with batch_first
        (B, L, E), ...; all without B as well.
    Raises:
        ValueError: sizes that are not positive, or embed_dim not divisible by num_heads.
    Reference:
        Vaswani et al. Attention Is All You Need. 2017. arXiv:1706.03762.
    Example:
        >>> x = clew.randn(5, 2, 8)
        >>> y, weights = clew.nn.MultiheadAttention(8, 2)(x, x, x)
        >>> list(y.shape), list(weights.shape)
        ([5, 2, 8], [2, 5, 5])
    """

    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: expected embed_dim and num_heads > 0, got {embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: expected embed_dim divisible by num_heads, got {embed_dim} and "
                f"{num_heads}"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads

        def parameter(*shape: int) -> Parameter:
            return Parameter(clew.empty(*shape, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = parameter(3 * embed_dim)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k = parameter(1, 1, embed_dim)
            self.bias_v = parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attends.

        Args:
            query, key, value: see the class.
            key_padding_mask: shape (B, S); bool: True leaves a key out; floating: added to the scores.
            need_weights: whether to return the weights, which costs speed and memory.
            attn_mask: shape (L, S) or (B * heads, L, S); bool: True leaves out; floating: added.
            average_attn_weights: whether the weights are averaged over the heads.
            is_causal: a hint that attn_mask is the causal mask.
        Returns:
            (y, weights): y as query; weights (B, L, S), or (B, heads, L, S) when not averaged, or None.
        Raises:
            clew.ShapeError: the shapes do not fit together.
            clew.DTypeError: a mask of integers.
        """
        if query.shape[-1] != self.embed_dim:
            raise clew.ShapeError(
                f"MultiheadAttention: expected query of {self.embed_dim} features (embed_dim), got "
                f"{tuple(query.shape)}"
            )
        separate = None
        if not self._qkv_same_embed_dim:
            separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        return attend(
            query,
            key,
            value,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            separate,
            None,
            None,
            average_attn_weights,
            is_causal,
            self.batch_first,
        )
