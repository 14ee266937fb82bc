"""Losses over alignments and over sets of labels."""

from __future__ import annotations

from typing import Any

import clew
from clew import _C, Tensor
from clew.nn._losses import _reduce, _reduction

_ops = _C.ops

__all__ = ["ctc_loss", "multilabel_margin_loss"]

# Stands for log(0): sums of it stay finite, so gradients do.
_NEVER = -1e30


def _lengths(name: str, lengths: Any, n: int, most: int) -> Tensor:
    given = lengths if isinstance(lengths, Tensor) else clew.tensor(lengths, dtype=clew.int64)
    given = given.reshape(-1).to(clew.int64)
    if given.numel() != n:
        raise clew.ShapeError(f"ctc_loss: expected {n} {name}, got {given.numel()}")
    if n and (int(given.min()) < 0 or int(given.max()) > most):
        raise ValueError(
            f"ctc_loss: expected {name} in [0, {most}], got {int(given.min())} to {int(given.max())}"
        )
    return given


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification: the labels in order, wherever in the input they stand.

        loss_n = -log sum over alignments a of targets_n of prod_t exp(log_probs[t, n, a_t])

    An alignment repeats labels and puts blanks between them; blanks stand between equal neighbours.

    Args:
        log_probs: shape (T, N, C), or (T, C) without N, floating point; logarithms of probabilities.
        targets: labels other than `blank`, shape (N, S), or all in a row, shape (sum of target_lengths,).
        input_lengths, target_lengths: how much of each is in use, shape (N,), at most T and S.
        blank: the class that stands for no label.
        reduction: mean (of the losses divided by their target lengths), sum or none.
        zero_infinity: no loss, instead of an infinite one, where no alignment fits.
    Returns:
        0-dim Tensor, or shape (N,) for none.
    Raises:
        clew.ShapeError: shapes that do not fit.
        ValueError: a length or label out of range.
    Reference:
        Graves et al. Connectionist Temporal Classification. 2006.
    Example:
        >>> log_probs = clew.full((2, 1, 2), 0.5).log()
        >>> loss = clew.nn.functional.ctc_loss(log_probs, clew.tensor([[1]]), [2], [1])
        >>> round(loss.exp().item(), 4)  # 1 / P(1-, -1 or 11)
        1.3333
    """
    if log_probs.dim() not in (2, 3) or not log_probs.is_floating_point():
        raise clew.ShapeError(
            f"ctc_loss: expected log_probs of shape (T, N, C) or (T, C), got {tuple(log_probs.shape)}"
        )
    single = log_probs.dim() == 2
    probs = log_probs.unsqueeze(1) if single else log_probs
    if probs.dtype in (clew.float16, clew.bfloat16):
        probs = probs.float()
    T, N, C = probs.shape
    if not 0 <= blank < C:
        raise ValueError(f"ctc_loss: expected blank in [0, {C}), got {blank}")
    if targets.is_floating_point():
        raise clew.DTypeError(f"ctc_loss: expected targets of integers, got {targets.dtype}")
    given = target_lengths if isinstance(target_lengths, Tensor) else clew.tensor(target_lengths)
    longest = max((int(v) for v in given.reshape(-1).tolist()), default=0)
    in_lengths = _lengths("input_lengths", input_lengths, N, T)
    labels = targets.to(clew.int64)
    if single and labels.dim() == 1:
        labels = labels.unsqueeze(0)
    if labels.dim() == 1:
        out_lengths = _lengths("target_lengths", target_lengths, N, max(longest, 0))
        if int(out_lengths.sum()) != labels.numel():
            raise clew.ShapeError(
                f"ctc_loss: expected {int(out_lengths.sum())} targets, the sum of target_lengths, got "
                f"{labels.numel()}"
            )
        rows, start = clew.full((N, longest), blank, dtype=clew.int64), 0
        for n, count in enumerate(out_lengths.tolist()):
            rows[n, :count] = labels[start : start + count]
            start += count
        labels = rows
    else:
        if labels.dim() != 2 or labels.shape[0] != N:
            raise clew.ShapeError(
                f"ctc_loss: expected targets of shape ({N}, S) or in a row, got {tuple(targets.shape)}"
            )
        out_lengths = _lengths("target_lengths", target_lengths, N, labels.shape[1])
        labels = labels[:, :longest]
    used = clew.arange(longest).unsqueeze(0) < out_lengths.unsqueeze(1)
    labels = _ops.where(used, labels, clew.full_like(labels, blank))
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= C):
        raise ValueError(
            f"ctc_loss: expected targets in [0, {C}), got {int(labels.min())} to {int(labels.max())}"
        )

    # Labels with blanks around each; a step goes on by one place, or by two to another label.
    places = clew.full((N, 2 * longest + 1), blank, dtype=clew.int64)
    places[:, 1::2] = labels
    jumps = clew.full((N, places.shape[1]), _NEVER, dtype=probs.dtype)
    jumps[:, 2:] = jumps[:, 2:].masked_fill((places[:, 2:] != blank) & (places[:, 2:] != places[:, :-2]), 0.0)
    emitted = probs.clamp(min=_NEVER).gather(2, places.expand(T, N, places.shape[1]))
    first = clew.arange(places.shape[1]).expand(N, places.shape[1])
    alpha = clew.where(first == 0, 0.0, _NEVER).to(probs.dtype)  # before the first step: one blank's way off
    rows = [alpha]
    for t in range(T):
        if t == 0:
            alpha = emitted[0] + clew.where(first <= 1, 0.0, _NEVER).to(probs.dtype)
        else:
            before = _ops.pad(alpha, [2, 0], "constant", _NEVER)
            ways = clew.stack([alpha, before[:, 1:-1], before[:, :-2] + jumps])
            alpha = ways.logsumexp(0) + emitted[t]
        rows.append(alpha)
    last = clew.stack(rows).gather(0, in_lengths.reshape(1, N, 1).expand(1, N, places.shape[1]))[0]
    ends = clew.stack([2 * out_lengths, (2 * out_lengths - 1).clamp(min=0)], 1)
    final = last.gather(1, ends)
    # Without labels there is one end.
    only = (out_lengths == 0).unsqueeze(1) & clew.tensor([[False, True]])
    loss = -final.masked_fill(only, _NEVER).logsumexp(1)
    impossible = loss > -0.5 * _NEVER
    loss = loss.masked_fill(impossible, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        result = (loss / out_lengths.clamp(min=1).to(loss.dtype)).mean()
    elif reduction == "sum":
        result = loss.sum()
    elif reduction == "none":
        result = loss[0] if single else loss
    else:
        raise clew.ArgumentError(f"ctc_loss: expected reduction mean, sum or none, got {reduction!r}")
    return result.to(log_probs.dtype)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Asks that the scores of all labels exceed those of all other classes.

        loss_n = sum over labels j and other classes i of max(0, 1 - (x[n, j] - x[n, i])) / C

    Args:
        input: scores, shape (N, C) or (C,), floating point.
        target: the labels of each row up to the first -1, shape of `input`, int64.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or shape (N,) for none.
    Raises:
        clew.ShapeError: `target` of another shape.
        IndexError: a label outside of [0, C).
    Example:
        >>> x = clew.tensor([0.0, 1.0])
        >>> clew.nn.functional.multilabel_margin_loss(x, clew.tensor([1, -1])).item()
        0.0
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("multilabel_margin_loss", size_average, reduce, reduction)
    if input.dim() not in (1, 2) or target.shape != input.shape:
        raise clew.ShapeError(
            f"multilabel_margin_loss: expected input and target of one shape (N, C) or (C,), got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    if target.dtype != clew.int64:
        raise clew.DTypeError(f"multilabel_margin_loss: expected target of dtype int64, got {target.dtype}")
    single = input.dim() == 1
    x, y = (input.unsqueeze(0), target.unsqueeze(0)) if single else (input, target)
    C = x.shape[1]
    used = (y >= 0).to(clew.int64).cumprod(1)
    if y.numel() and int((y * used).max()) >= C:
        raise IndexError(f"multilabel_margin_loss: expected labels in [0, {C}), got {int((y * used).max())}")
    labels = y.clamp(min=0) * used
    is_label = clew.zeros(x.shape, dtype=x.dtype).scatter_add(1, labels, used.to(x.dtype)).clamp(max=1)
    margins = (1 - x.gather(1, labels).unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)
    counted = used.to(x.dtype).unsqueeze(2) * (1 - is_label).unsqueeze(1)
    loss = (margins * counted).sum((1, 2)) / max(C, 1)
    return _reduce("multilabel_margin_loss", loss[0] if single else loss, reduction)
