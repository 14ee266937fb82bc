"""Multi-head attention as a function: projections, masks and the weights that may be asked for."""

from __future__ import annotations

import math

import clew
from clew import _C, Tensor

__all__ = ["multi_head_attention_forward"]

_ops = _C.ops


def _check_mask(name: str, mask: Tensor | None) -> None:
    if mask is not None and mask.dtype != clew.bool and not mask.is_floating_point():
        raise clew.DTypeError(
            f"multi_head_attention_forward: expected {name} of dtype bool or floating, got {mask.dtype}"
        )


def _additive(mask: Tensor, dtype: clew.dtype) -> Tensor:
    """A bool mask (True: left out) as numbers to add."""
    if mask.dtype != clew.bool:
        return mask.to(dtype)
    return clew.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, -math.inf)


def _joined_mask(
    attn_mask: Tensor | None, padding: Tensor | None, heads: int, dtype: clew.dtype
) -> Tensor | None:
    """Both masks as one that broadcasts to (B, heads, L, S): bool (True: left out) if both are bool."""
    parts = []
    if attn_mask is not None:
        if attn_mask.ndim == 3:
            attn_mask = attn_mask.reshape(-1, heads, *attn_mask.shape[1:])
        parts.append(attn_mask)
    if padding is not None:
        parts.append(padding.unsqueeze(1).unsqueeze(2))
    if not parts:
        return None
    if all(p.dtype == clew.bool for p in parts):
        return parts[0] if len(parts) == 1 else clew.logical_or(parts[0], parts[1])
    joined = _additive(parts[0], dtype)
    return joined if len(parts) == 1 else joined + _additive(parts[1], dtype)


def _wider(mask: Tensor | None) -> Tensor | None:
    """One more key, which the mask lets through."""
    if mask is None:
        return None
    more = clew.zeros(*mask.shape[:-1], 1, dtype=mask.dtype, device=mask.device)
    return clew.cat([mask, more], -1)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    separate: tuple[Tensor, Tensor, Tensor] | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor | None]:
    """multi_head_attention_forward for either order of batch and time."""
    name = "multi_head_attention_forward"
    batched = query.ndim == 3
    if query.ndim not in (2, 3):
        raise clew.ShapeError(
            f"{name}: expected query of shape (L, B, E) or (L, E), got {tuple(query.shape)}"
        )
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise clew.ShapeError(
            f"{name}: expected key and value with {query.ndim} dimensions, as query has, got "
            f"{tuple(key.shape)} and {tuple(value.shape)}"
        )
    if not batched:
        batch_first = False
    at = 0 if batch_first else 1  # where the batch stands
    same_key, same_value = key is query, value is key
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None and key_padding_mask.ndim == 1:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    steps, batch, width = query.shape[1 - at], query.shape[at], query.shape[-1]
    head = width // num_heads
    if head * num_heads != width:
        raise clew.ShapeError(f"{name}: expected embed_dim divisible by num_heads, got {width}, {num_heads}")
    if key.shape[:2] != value.shape[:2] or key.shape[at] != batch:
        raise clew.ShapeError(
            f"{name}: expected key and value of one length and the batch of query, got query "
            f"{tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
        )
    keys = key.shape[1 - at]
    _check_mask("attn_mask", attn_mask)
    _check_mask("key_padding_mask", key_padding_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            f"{name}: expected attn_mask with is_causal, got None (is_causal is a hint that the mask "
            "is causal; Transformer.generate_square_subsequent_mask makes one)"
        )
    if attn_mask is not None:
        want = (steps, keys) if attn_mask.ndim == 2 else (batch * num_heads, steps, keys)
        if tuple(attn_mask.shape) != want:
            raise clew.ShapeError(f"{name}: expected attn_mask of shape {want}, got {tuple(attn_mask.shape)}")
    if key_padding_mask is not None and tuple(key_padding_mask.shape) != (batch, keys):
        raise clew.ShapeError(
            f"{name}: expected key_padding_mask of shape {(batch, keys)}, got {tuple(key_padding_mask.shape)}"
        )

    linear = _ops.linear
    if separate is not None:
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), separate, biases, strict=True))
    elif same_key and same_value:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        w_q, w_kv = in_proj_weight.split([width, 2 * width])
        b_q, b_kv = (None, None) if in_proj_bias is None else in_proj_bias.split([width, 2 * width])
        q = linear(query, w_q, b_q)
        if same_value:
            k, v = linear(key, w_kv, b_kv).chunk(2, -1)
        else:
            w_k, w_v = w_kv.chunk(2)
            b_k, b_v = (None, None) if b_kv is None else b_kv.chunk(2)
            k, v = linear(key, w_k, b_k), linear(value, w_v, b_v)
    if bias_k is not None and bias_v is not None:
        shape = (batch, 1, width) if batch_first else (1, batch, width)
        k = clew.cat([k, bias_k.reshape(1, 1, width).expand(*shape)], 1 - at)
        v = clew.cat([v, bias_v.reshape(1, 1, width).expand(*shape)], 1 - at)
        attn_mask, key_padding_mask = _wider(attn_mask), _wider(key_padding_mask)

    def heads(x: Tensor) -> Tensor:
        x = x.reshape(*x.shape[:2], num_heads, head)
        return x.permute(0, 2, 1, 3) if batch_first else x.permute(1, 2, 0, 3)

    q = heads(q)
    k = heads(k) if static_k is None else static_k.reshape(batch, num_heads, -1, head)
    v = heads(v) if static_v is None else static_v.reshape(batch, num_heads, -1, head)
    if add_zero_attn:
        zero = clew.zeros(batch, num_heads, 1, head, dtype=k.dtype, device=k.device)
        k, v = clew.cat([k, zero], 2), clew.cat([v, zero], 2)
        attn_mask, key_padding_mask = _wider(attn_mask), _wider(key_padding_mask)
    dropout_p = dropout_p if training else 0.0

    def join(y: Tensor) -> Tensor:
        y = y.permute(0, 2, 1, 3) if batch_first else y.permute(2, 0, 1, 3)
        y = linear(y.reshape(*y.shape[:2], width), out_proj_weight, out_proj_bias)
        return y if batched else y.squeeze(1)

    if not need_weights:
        causal = is_causal and key_padding_mask is None and not add_zero_attn and bias_k is None
        mask = None if causal else _joined_mask(attn_mask, key_padding_mask, num_heads, q.dtype)
        if mask is not None and mask.dtype == clew.bool:
            mask = clew.logical_not(mask)
        return join(_ops.scaled_dot_product_attention(q, k, v, mask, dropout_p, causal)), None
    mask = _joined_mask(attn_mask, key_padding_mask, num_heads, q.dtype)
    scores = clew.matmul(q * (1 / math.sqrt(head)), k.transpose(-2, -1))
    if mask is not None:
        scores = scores + _additive(mask, scores.dtype)
    weights = clew.softmax(scores, -1)
    if dropout_p > 0:
        weights = _ops.dropout(weights, dropout_p, True)
    y = join(clew.matmul(weights, v))
    if average_attn_weights:
        weights = weights.mean(1)
    return y, weights if batched else weights.squeeze(0)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention by several heads over projections of query, key and value; what MultiheadAttention calls.

        head_i = softmax(q_i @ k_i^T / sqrt(E / heads) + masks) @ v_i,  y = concat(heads) @ W_o^T + b_o

    Args:
        query, key, value: shapes (L, B, E), (S, B, Ek), (S, B, Ev), or without B.
        embed_dim_to_check: E.
        num_heads: how many heads share E.
        in_proj_weight: the projections of query, key and value, shape (3 E, E).
        in_proj_bias: shape (3 E,), or None.
        bias_k, bias_v: a further key and value, shape (1, 1, E), or None.
        add_zero_attn: whether to add a key and value of zeros.
        dropout_p: probability of a weight to be zeroed, in training.
        out_proj_weight, out_proj_bias: the last projection, (E, E) and (E,).
        training: whether dropout acts.
        key_padding_mask: shape (B, S); bool: True leaves a key out; floating: added to the scores.
        need_weights: whether to return the weights, which costs speed and memory.
        attn_mask: shape (L, S) or (B * heads, L, S); bool: True leaves out; floating: added.
        use_separate_proj_weight: take q_proj_weight (E, E), k_proj_weight (E, Ek), v_proj_weight (E, Ev).
        static_k, static_v: projected keys and values instead of those of `key` and `value`.
        average_attn_weights: whether the weights are averaged over the heads.
        is_causal: a hint that attn_mask is the causal mask.
    Returns:
        (y, weights): shapes (L, B, E) and (B, L, S), or (B, heads, L, S) when not averaged, or None.
    Raises:
        clew.ShapeError: the shapes do not fit together.
        clew.DTypeError: a mask of integers.
    Reference:
        Vaswani et al. Attention Is All You Need. 2017. arXiv:1706.03762.
    """
    if query.shape[-1] != embed_dim_to_check:
        raise clew.ShapeError(
            f"multi_head_attention_forward: expected query of {embed_dim_to_check} features (embed_dim), got "
            f"{tuple(query.shape)}"
        )
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    return attend(
        query,
        key,
        value,
        num_heads,
        in_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p,
        out_proj_weight,
        out_proj_bias,
        training,
        key_padding_mask,
        need_weights,
        attn_mask,
        separate,
        static_k,
        static_v,
        average_attn_weights,
        is_causal,
        False,
    )
