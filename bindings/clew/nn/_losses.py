"""Losses and distances that are composed of other ops."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import clew
from clew import _C, Tensor

_ops = _C.ops


def _reduction(name: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the old flags stand for, where they are given."""
    if size_average is None and reduce is None:
        return reduction
    mean = size_average is None or size_average
    kept = "none" if reduce is False else "mean" if mean else "sum"
    warnings.warn(f"{name}: expected reduction={kept!r} in place of size_average and reduce", stacklevel=3)
    return kept


def _reduce(name: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise clew.ArgumentError(f"{name}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    return loss


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str, name: str) -> Tensor:
    if weight is None:
        return _reduce(name, loss, reduction)
    loss = loss * weight
    return (
        loss.sum() / weight.expand_as(loss).sum() if reduction == "mean" else _reduce(name, loss, reduction)
    )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy between logits and target classes.

        loss_n = -sum_c weight[c] * p[n, c] * log_softmax(input)[n, c]

    p is 1 at the target class, or the given probabilities; label smoothing e makes it (1 - e) * p + e / C.

    Args:
        input: logits, shape (C,), (N, C) or (N, C, d1, ...), floating point.
        target: class indices, shape (), (N,) or (N, d1, ...), int64; or probabilities of the input's shape.
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        ignore_index: targets of this value count for nothing.
        reduction: mean, sum or none.
        label_smoothing: in [0, 1].
    Returns:
        0-dim Tensor, or one loss per target for none.
    Raises:
        IndexError: a target is outside of [0, C).
        clew.ShapeError: the shapes do not fit together.
    Example:
        >>> round(clew.nn.functional.cross_entropy(clew.zeros(1, 2), clew.tensor([1])).item(), 4)
        0.6931
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("cross_entropy", size_average, reduce, reduction)
    return _ops.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of the target classes, given log-probabilities.

        loss_n = -weight[target_n] * input[n, target_n]

    Args:
        input: log-probabilities, shape (C,), (N, C) or (N, C, d1, ...), floating point.
        target: class indices, shape (), (N,) or (N, d1, ...), int64.
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        ignore_index: targets of this value count for nothing.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or one loss per target for none.
    Raises:
        IndexError: a target is outside of [0, C).
    Example:
        >>> clew.nn.functional.nll_loss(clew.tensor([[-1.0, -2.0]]), clew.tensor([1])).item()
        2.0
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("nll_loss", size_average, reduce, reduction)
    return _ops.nll_loss(input, target, weight, ignore_index, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean squared error.

        loss_i = weight_i * (input_i - target_i)^2

    Args:
        input, target: shapes that broadcast together, floating point.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none; the mean divides by the sum of the weights.
        weight: broadcast against the losses; None means 1.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Example:
        >>> clew.nn.functional.mse_loss(clew.tensor([1.0, 3.0]), clew.tensor([1.0, 1.0])).item()
        2.0
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("mse_loss", size_average, reduce, reduction)
    if weight is not None:
        return _weighted(_ops.mse_loss(input, target, "none"), weight, reduction, "mse_loss")
    return _ops.mse_loss(input, target, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean absolute error.

        loss_i = weight_i * |input_i - target_i|

    Args:
        input, target: shapes that broadcast together, floating point.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none; the mean divides by the sum of the weights.
        weight: broadcast against the losses; None means 1.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Example:
        >>> clew.nn.functional.l1_loss(clew.tensor([1.0, 3.0]), clew.tensor([1.0, 1.0])).item()
        1.0
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("l1_loss", size_average, reduce, reduction)
    if weight is not None:
        return _weighted(_ops.l1_loss(input, target, "none"), weight, reduction, "l1_loss")
    return _ops.l1_loss(input, target, reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy between independent yes-or-no probabilities.

        loss_i = -weight_i * (t_i * log x_i + (1 - t_i) * log(1 - x_i))

    Logarithms below -100 count as -100.

    Args:
        input: probabilities x in [0, 1], any shape, floating point.
        target: probabilities t, the same shape and dtype.
        weight: broadcast against `input`; None means 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or with the shape of `input` for none.
    Raises:
        ValueError: an input outside of [0, 1], or `target` of another shape.
    Example:
        >>> round(clew.nn.functional.binary_cross_entropy(clew.full((2,), 0.5), clew.ones(2)).item(), 4)
        0.6931
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("binary_cross_entropy", size_average, reduce, reduction)
    return _ops.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy between independent yes-or-no logits and their probabilities.

        loss_i = -weight_i * (pos_weight_i * t_i * log sigmoid(x_i) + (1 - t_i) * log(1 - sigmoid(x_i)))

    Args:
        input: logits x, any shape, floating point.
        target: probabilities t, the same shape.
        weight, pos_weight: broadcast against `input`; None means 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or with the shape of `input` for none.
    Raises:
        clew.ShapeError: `target` has another shape than `input`, or a weight does not broadcast.
    Example:
        >>> loss = clew.nn.functional.binary_cross_entropy_with_logits(clew.zeros(2), clew.ones(2))
        >>> round(loss.item(), 4)
        0.6931
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction("binary_cross_entropy_with_logits", size_average, reduce, reduction)
    return _ops.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared error below beta, absolute error above.

        loss_i = d^2 / (2 * beta) where |d| < beta, else |d| - beta / 2;  d = input_i - target_i

    Args:
        input, target: shapes that broadcast together, floating point.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
        beta: where the two pieces meet, >= 0.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Raises:
        ValueError: beta < 0.
    Reference:
        Girshick. Fast R-CNN. 2015. arXiv:1504.08083.
    Example:
        >>> clew.nn.functional.smooth_l1_loss(clew.tensor([1.0, 3.0]), clew.zeros(2), reduction="sum").item()
        3.0
    """
    reduction = _reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise clew.ArgumentError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    if beta == 0:
        return _ops.l1_loss(input, target, reduction)
    d = (input - target).abs()
    return _reduce("smooth_l1_loss", clew.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared error below delta, absolute error above.

        loss_i = d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2);  d = input_i - target_i

    Args:
        input, target: shapes that broadcast together, floating point.
        reduction: mean, sum or none; the mean divides by the sum of the weights.
        delta: where the two pieces meet, > 0.
        weight: broadcast against the losses; None means 1.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Raises:
        ValueError: delta <= 0.
    Example:
        >>> clew.nn.functional.huber_loss(clew.tensor([1.0, 3.0]), clew.zeros(2), reduction="none").tolist()
        [0.5, 2.5]
    """
    if delta <= 0:
        raise clew.ArgumentError(f"huber_loss: expected delta > 0, got {delta}")
    d = (input - target).abs()
    loss = clew.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))
    return _weighted(loss, weight, reduction, "huber_loss")


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from a target distribution.

        loss_i = t_i * (log t_i - input_i), and 0 where t_i is 0

    Args:
        input: log-probabilities, floating point.
        target: probabilities, or their logarithms with `log_target`; broadcast against `input`.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, batchmean (sum divided by the first size), sum or none.
        log_target: `target` holds logarithms.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Example:
        >>> p = clew.tensor([0.5, 0.5])
        >>> clew.nn.functional.kl_div(p.log(), p, reduction="sum").item()
        0.0
    """
    reduction = _reduction("kl_div", size_average, reduce, reduction)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        # 0 * log 0 is 0, also for gradients.
        safe = clew.where(target > 0, target, 1)
        loss = clew.where(target > 0, target * safe.log(), target.detach() * 0) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.ndim else loss.sum()
    if reduction == "mean":
        warnings.warn(
            "kl_div: expected reduction 'batchmean' for the divergence; 'mean' differs", stacklevel=2
        )
    return _reduce("kl_div", loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of counts under a Poisson distribution.

        loss_i = exp(x_i) - t_i * x_i, or x_i - t_i * log(x_i + eps)

    Args:
        input: x, the rate or its logarithm.
        target: t, the counts.
        log_input: `input` is a logarithm.
        full: add Stirling's approximation of log t! where t > 1.
        size_average, reduce: old spellings of `reduction`.
        eps: keeps the logarithm finite.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Example:
        >>> clew.nn.functional.poisson_nll_loss(clew.zeros(2), clew.ones(2)).item()
        1.0
    """
    reduction = _reduction("poisson_nll_loss", size_average, reduce, reduction)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        t = clew.where(target > 1, target, 1)
        stirling = t * t.log() - t + 0.5 * (2 * math.pi * t).log()
        loss = loss + clew.where(target > 1, stirling, 0)
    return _reduce("poisson_nll_loss", loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Negative log likelihood under normal distributions.

        loss_i = (log max(var_i, eps) + (input_i - target_i)^2 / max(var_i, eps)) / 2

    Args:
        input: the means.
        target: the samples.
        var: the variances: a number, the input's shape, or with a last size of 1 or none.
        full: add log(2 pi) / 2.
        eps: least variance; constant for gradients.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the input's shape for none.
    Raises:
        ValueError: a negative variance, or another shape.
    Example:
        >>> clew.nn.functional.gaussian_nll_loss(clew.zeros(2), clew.ones(2), clew.ones(2)).item()
        0.5
    """
    if not clew.is_tensor(var):
        if var < 0:
            raise clew.ArgumentError(f"gaussian_nll_loss: expected var >= 0, got {var}")
        var = var * clew.ones_like(input)
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif (
            not (tuple(input.shape[:-1]) == tuple(var.shape[:-1]) and var.shape[-1] == 1) and var.numel() != 1
        ):
            raise clew.ArgumentError(
                f"gaussian_nll_loss: expected var of a shape that fits {list(input.shape)}, "
                f"got {list(var.shape)}"
            )
    if bool((var.detach() < 0).any()):
        raise clew.ArgumentError("gaussian_nll_loss: expected var >= 0, got a negative value")
    with clew.no_grad():
        lift = var.clamp(min=eps) - var
    var = var + lift
    loss = 0.5 * (var.log() + (input - target).square() / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce("gaussian_nll_loss", loss, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Asks that one input exceeds the other.

        loss_i = max(0, -target_i * (input1_i - input2_i) + margin)

    Args:
        input1, input2, target: of one rank; target is 1 or -1.
        margin: by how much.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Raises:
        clew.ShapeError: the ranks differ.
    Example:
        >>> clew.nn.functional.margin_ranking_loss(clew.ones(1), clew.zeros(1), clew.tensor([-1.0])).item()
        1.0
    """
    reduction = _reduction("margin_ranking_loss", size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise clew.ShapeError(
            f"margin_ranking_loss: expected tensors of one rank, got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(target.shape)}"
        )
    return _reduce("margin_ranking_loss", (-target * (input1 - input2) + margin).clamp(min=0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Small distances for targets of 1, large ones for targets of -1.

        loss_i = x_i where target_i is 1, max(0, margin - x_i) where it is -1

    Args:
        input: distances x.
        target: 1 or -1.
        margin: what distance is large enough.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the broadcast shape for none.
    Example:
        >>> clew.nn.functional.hinge_embedding_loss(clew.tensor([0.5]), clew.tensor([-1.0])).item()
        0.5
    """
    reduction = _reduction("hinge_embedding_loss", size_average, reduce, reduction)
    near = clew.where(target != -1, input, 0)
    far = clew.where(target != 1, (margin - input).clamp(min=0), 0)
    return _reduce("hinge_embedding_loss", near + far, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Like directions for targets of 1, unlike ones for targets of -1.

        loss = 1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1

    Args:
        input1, input2: shape (N, D) or (D,), floating point.
        target: shape (N,) or (), 1 or -1.
        margin: the cosine that is unlike enough.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the target's shape for none.
    Raises:
        clew.ShapeError: the shapes do not fit together.
    Example:
        >>> x = clew.ones(1, 2)
        >>> round(clew.nn.functional.cosine_embedding_loss(x, -x, clew.ones(1)).item(), 4)
        2.0
    """
    reduction = _reduction("cosine_embedding_loss", size_average, reduce, reduction)
    if target.ndim not in (0, 1) or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise clew.ShapeError(
            f"cosine_embedding_loss: expected inputs (N, D) and target (N,), or (D,) and (), "
            f"got {list(input1.shape)}, {list(input2.shape)} and {list(target.shape)}"
        )
    eps = 1e-12
    dot = (input1 * input2).sum(-1)
    cosine = dot / ((input1.square().sum(-1) + eps) * (input2.square().sum(-1) + eps)).sqrt()
    like = clew.where(target == 1, 1 - cosine, 0)
    unlike = clew.where(target == -1, (cosine - margin).clamp(min=0), 0)
    return _reduce("cosine_embedding_loss", like + unlike, reduction)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of the difference of vectors.

        out = |x1 - x2 + eps|_p

    Args:
        x1, x2: shapes (N, D) or (D,) that broadcast together.
        p: which norm.
        eps: added to each difference.
        keepdim: keep the last dimension with size 1.
    Returns:
        Tensor of shape (N,) or ().
    Example:
        >>> x = clew.tensor([[3.0, 4.0]])
        >>> round(clew.nn.functional.pairwise_distance(x, clew.zeros(1, 2)).item(), 4)
        5.0
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Asks that the anchor is nearer to the positive than to the negative.

        loss = max(0, d(anchor, positive) - d(anchor, negative) + margin)

    Args:
        anchor, positive, negative: shape (N, D), floating point.
        distance_function: d; None means pairwise_distance.
        margin: by how much, > 0.
        swap: take the smaller of d(anchor, negative) and d(positive, negative).
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of shape (N,) for none.
    Raises:
        ValueError: margin <= 0.
    Example:
        >>> a, n = clew.zeros(1, 2), clew.ones(1, 2)
        >>> clew.nn.functional.triplet_margin_with_distance_loss(a, a, n, margin=0.5).item()
        0.0
    """
    name = "triplet_margin_with_distance_loss"
    if margin <= 0:
        raise clew.ArgumentError(f"{name}: expected margin > 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise clew.ShapeError(
            f"{name}: expected tensors of one rank, got {list(anchor.shape)}, {list(positive.shape)} "
            f"and {list(negative.shape)}"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    far = distance(anchor, negative)
    if swap:
        far = clew.minimum(far, distance(positive, negative))
    return _reduce(name, (distance(anchor, positive) - far + margin).clamp(min=0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Asks that the anchor is nearer to the positive than to the negative.

        loss = max(0, |anchor - positive|_p - |anchor - negative|_p + margin)

    Args:
        anchor, positive, negative: shape (N, D) or (D,), floating point.
        margin: by how much, > 0.
        p: which norm.
        eps: added to each difference.
        swap: take the smaller of the distances of anchor and positive to the negative.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of shape (N,) for none.
    Raises:
        ValueError: margin <= 0.
    Example:
        >>> a, n = clew.zeros(1, 2), clew.ones(1, 2)
        >>> clew.nn.functional.triplet_margin_loss(a, a, n, margin=0.5).item()
        0.0
    """
    reduction = _reduction("triplet_margin_loss", size_average, reduce, reduction)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Logistic loss of targets 1 and -1.

        loss_i = log(1 + exp(-target_i * input_i))

    Args:
        input: any shape, floating point.
        target: the same shape, 1 or -1.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the input's shape for none.
    Example:
        >>> round(clew.nn.functional.soft_margin_loss(clew.zeros(2), clew.ones(2)).item(), 4)
        0.6931
    """
    reduction = _reduction("soft_margin_loss", size_average, reduce, reduction)
    return _reduce("soft_margin_loss", -_ops.log_sigmoid(target * input), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of logits, averaged over the classes.

        loss_n = -mean_c weight_c * (t * log sigmoid(x) + (1 - t) * log sigmoid(-x))

    Args:
        input: logits, shape (*, C), floating point.
        target: the same shape, 0 or 1.
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of shape (*) for none.
    Example:
        >>> round(clew.nn.functional.multilabel_soft_margin_loss(clew.zeros(1, 2), clew.ones(1, 2)).item(), 4)
        0.6931
    """
    reduction = _reduction("multilabel_soft_margin_loss", size_average, reduce, reduction)
    loss = -(target * _ops.log_sigmoid(input) + (1 - target) * _ops.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce("multilabel_soft_margin_loss", loss.mean(-1), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Asks that the target's score exceeds all others.

        loss_n = sum over c != t of weight[t] * max(0, margin - x[t] + x[c])^p / C

    Args:
        input: scores, shape (N, C) or (C,), floating point.
        target: classes, shape (N,) or (), int64.
        p: 1 or 2.
        margin: by how much.
        weight: shape (C,), or None for 1.
        size_average, reduce: old spellings of `reduction`.
        reduction: mean, sum or none.
    Returns:
        0-dim Tensor, or of the target's shape for none.
    Raises:
        ValueError: p is neither 1 nor 2.
    Example:
        >>> x, t = clew.tensor([[1.0, 1.0]]), clew.tensor([0])
        >>> clew.nn.functional.multi_margin_loss(x, t).item()
        0.5
    """
    reduction = _reduction("multi_margin_loss", size_average, reduce, reduction)
    if p not in (1, 2):
        raise clew.ArgumentError(f"multi_margin_loss: expected p 1 or 2, got {p}")
    if (
        input.ndim not in (1, 2)
        or target.ndim != input.ndim - 1
        or target.numel() != input.numel() // max(1, input.shape[-1])
    ):
        raise clew.ShapeError(
            f"multi_margin_loss: expected input (N, C) and target (N,), or (C,) and (), "
            f"got {list(input.shape)} and {list(target.shape)}"
        )
    if weight is not None and tuple(weight.shape) != (input.shape[-1],):
        raise clew.ShapeError(
            f"multi_margin_loss: expected weight of shape ({input.shape[-1]},), got {list(weight.shape)}"
        )
    index = target.unsqueeze(-1)
    terms = (margin - input.gather(-1, index) + input).clamp(min=0)
    if p == 2:
        terms = terms.square()
    if weight is not None:
        terms = terms * weight[target].unsqueeze(-1)
    others = clew.ones_like(input.detach()).scatter(-1, index, clew.zeros_like(index, dtype=input.dtype))
    return _reduce("multi_margin_loss", (terms * others).sum(-1) / input.shape[-1], reduction)


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "pairwise_distance",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]
