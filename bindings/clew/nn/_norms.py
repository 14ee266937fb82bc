"""Normalisations, dropouts and lookups that are composed of other ops."""

from __future__ import annotations

from typing import Any

import clew
from clew import _C, Tensor

_ops = _C.ops


def _channel_shape(input: Tensor) -> list[int]:
    return [1, -1] + [1] * (input.ndim - 2)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises groups of channels of each sample, then scales and shifts each channel.

        y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

    Args:
        input: shape (N, C, ...), floating point.
        num_groups: how many groups the channels are split into.
        weight, bias: shape (C,); None means 1 and 0.
        eps: added to the variance.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        clew.ShapeError: `num_groups` does not divide the channels.
    Reference:
        Wu, He. Group Normalization. 2018. arXiv:1803.08494.
    Example:
        >>> clew.nn.functional.group_norm(clew.tensor([[1.0, 3.0]]), 1, eps=0.0).tolist()
        [[-1.0, 1.0]]
    """
    if input.ndim < 2:
        raise clew.ShapeError(f"group_norm: expected input of shape (N, C, ...), got {list(input.shape)}")
    n, c = input.shape[:2]
    if num_groups < 1 or c % num_groups:
        raise clew.ShapeError(
            f"group_norm: expected num_groups >= 1 that divides the {c} channels, got {num_groups}"
        )
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != (c,):
            raise clew.ShapeError(f"group_norm: expected {name} of shape ({c},), got {list(parameter.shape)}")
    if input.numel() == 0:
        y = input * 1
    else:
        rows = input.reshape(n * num_groups, -1)
        y = _ops.layer_norm(rows, (rows.shape[1],), None, None, eps).reshape(input.shape)
    if weight is not None:
        y = y * weight.reshape(_channel_shape(input))
    return y if bias is None else y + bias.reshape(_channel_shape(input))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel of each sample, then scales and shifts each channel.

        y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

    Args:
        input: shape (N, C, ...), floating point.
        running_mean, running_var: shape (C,), changed in place with `use_input_stats`; or None.
        weight, bias: shape (C,); None means 1 and 0.
        use_input_stats: otherwise the running statistics are used.
        momentum: how far the running statistics move.
        eps: added to the variance.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: one value per channel, or no running statistics where they are needed.
    Reference:
        Ulyanov, Vedaldi, Lempitsky. Instance Normalization. 2016. arXiv:1607.08022.
    Example:
        >>> clew.nn.functional.instance_norm(clew.tensor([[[1.0, 3.0]]]), eps=0.0).tolist()
        [[[-1.0, 1.0]]]
    """
    if input.ndim < 3:
        raise clew.ShapeError(f"instance_norm: expected input of shape (N, C, ...), got {list(input.shape)}")
    n, c = input.shape[:2]
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise clew.ArgumentError(
                "instance_norm: expected running statistics without use_input_stats, got None"
            )
        return _ops.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    size = input.numel() // max(1, n * c)
    if size <= 1:
        raise clew.ArgumentError(
            f"instance_norm: expected more than 1 value per channel, got input of shape {list(input.shape)}"
        )
    each = input.reshape(1, n * c, -1)
    stats = [None if r is None else r.detach().repeat(n) for r in (running_mean, running_var)]
    y = _ops.batch_norm(each, *stats, None, None, True, momentum, eps).reshape(input.shape)
    with clew.no_grad():
        for running, moved in zip((running_mean, running_var), stats, strict=True):
            if running is not None and moved is not None:
                running.copy_(moved.reshape(n, c).mean(0))
    if weight is not None:
        y = y * weight.reshape(_channel_shape(input))
    return y if bias is None else y + bias.reshape(_channel_shape(input))


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divides by the root mean square over the last dimensions.

        y = x / sqrt(mean(x^2) + eps) * weight

    Args:
        input: shape (*, normalized_shape), floating point.
        normalized_shape: the trailing sizes; an int means the last one.
        weight: shape `normalized_shape`; None means 1.
        eps: added to the mean; None means the machine epsilon of the dtype that it is computed in.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        clew.ShapeError: the input's shape does not end in `normalized_shape`.
    Reference:
        Zhang, Sennrich. Root Mean Square Layer Normalization. 2019. arXiv:1910.07467.
    Example:
        >>> clew.nn.functional.rms_norm(clew.tensor([3.0, 3.0]), (2,), eps=0.0).tolist()
        [1.0, 1.0]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    k = len(shape)
    if k == 0 or tuple(input.shape[input.ndim - k :]) != shape or k > input.ndim:
        raise clew.ShapeError(
            f"rms_norm: expected input whose last sizes are {list(shape)}, got {list(input.shape)}"
        )
    if weight is not None and tuple(weight.shape) != shape:
        raise clew.ShapeError(f"rms_norm: expected weight of shape {list(shape)}, got {list(weight.shape)}")
    wide = input.float() if input.dtype in (clew.float16, clew.bfloat16) else input
    if eps is None:
        eps = 2.0**-52 if wide.dtype == clew.float64 else 2.0**-23
    y = wide * (wide.square().mean(list(range(-k, 0)), True) + eps).rsqrt()
    return (y if weight is None else y * weight).to(input.dtype)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divides by a power of the mean square over neighbouring channels.

        y[c] = x[c] / (k + alpha * mean of x^2 over `size` channels around c)^beta

    Args:
        input: shape (N, C, ...), floating point.
        size: how many channels are averaged, zeros beyond the ends included.
        alpha, beta, k: see the formula.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        clew.ShapeError: fewer than 3 dimensions.
    Reference:
        Krizhevsky, Sutskever, Hinton. ImageNet Classification with Deep CNNs. 2012.
    Example:
        >>> clew.nn.functional.local_response_norm(clew.zeros(1, 2, 1), 2).tolist()
        [[[0.0], [0.0]]]
    """
    if input.ndim < 3:
        raise clew.ShapeError(
            f"local_response_norm: expected at least 3 dimensions, got shape {list(input.shape)}"
        )
    if input.numel() == 0:
        return input
    columns = input.reshape(input.shape[0], 1, input.shape[1], -1).square()
    padded = _ops.pad(columns, (0, 0, size // 2, (size - 1) // 2))
    means = _ops.avg_pool2d(padded, (size, 1), (1, 1)).reshape(input.shape)
    return input / (means * alpha + k).pow(beta)


# --- dropout ---------------------------------------------------------------------------------------


def _check_p(name: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise clew.ArgumentError(f"{name}: expected p in [0, 1], got {p}")


def _drop_channels(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, ranks: tuple[int, ...]
) -> Tensor:
    _check_p(name, p)
    if input.ndim not in ranks:
        raise clew.ShapeError(
            f"{name}: expected input of {' or '.join(map(str, ranks))} dimensions, got {list(input.shape)}"
        )
    if not training or p == 0:
        return input
    lead = 2 if input.ndim == ranks[-1] else 1
    shape = list(input.shape[:lead]) + [1] * (input.ndim - lead)
    mask = _ops.dropout(clew.ones(shape, dtype=input.dtype, device=input.device), p, True)
    return input.mul_(mask) if inplace else input * mask


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        input: shape (N, C, L) or (C, L), floating point.
        p: probability of zero, in [0, 1].
        training: otherwise the result is `input`.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: p outside [0, 1].
    Example:
        >>> clew.nn.functional.dropout1d(clew.ones(1, 2), training=False).tolist()
        [[1.0, 1.0]]
    """
    return _drop_channels("dropout1d", input, p, training, inplace, (2, 3))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        input: shape (N, C, H, W) or (N, C, L), floating point.
        p: probability of zero, in [0, 1].
        training: otherwise the result is `input`.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: p outside [0, 1].
    Reference:
        Tompson et al. Efficient Object Localization Using Convolutional Networks. 2014. arXiv:1411.4280.
    Example:
        >>> clew.nn.functional.dropout2d(clew.ones(1, 1, 1, 2), training=False).tolist()
        [[[[1.0, 1.0]]]]
    """
    _check_p("dropout2d", p)
    # Three dimensions are (N, C, L) here.
    return _drop_channels("dropout2d", input, p, training, inplace, (4,) if input.ndim == 4 else (3,))


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        input: shape (N, C, D, H, W) or (C, D, H, W), floating point.
        p: probability of zero, in [0, 1].
        training: otherwise the result is `input`.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: p outside [0, 1].
    Example:
        >>> clew.nn.functional.dropout3d(clew.ones(1, 1, 1, 1, 2), training=False).tolist()
        [[[[[1.0, 1.0]]]]]
    """
    return _drop_channels("dropout3d", input, p, training, inplace, (4, 5))


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of selu's outputs.

    Args:
        input: any shape, floating point.
        p: probability of being dropped to selu's lower limit, in [0, 1].
        training: otherwise the result is `input`.
        inplace: overwrite `input`.
    Returns:
        Tensor with the shape and dtype of `input`.
    Raises:
        ValueError: p outside [0, 1].
    Reference:
        Klambauer et al. Self-Normalizing Neural Networks. 2017. arXiv:1706.02515.
    Example:
        >>> clew.nn.functional.alpha_dropout(clew.ones(2)).tolist()
        [1.0, 1.0]
    """
    _check_p("alpha_dropout", p)
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    low = -1.7580993408473766
    keep = (clew.rand_like(input) >= p).to(input.dtype)
    a = ((1 - p) * (1 + p * low * low)) ** -0.5
    # Dropped elements are `low`; then the affine map that restores mean 0 and variance 1.
    scale, shift = keep * a, (1 - keep) * (low * a) - low * a * p
    return input.mul_(scale).add_(shift) if inplace else input * scale + shift


# --- lookups ---------------------------------------------------------------------------------------


embedding = _ops.embedding


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of a table.

    Args:
        input: int64 or int32 row numbers, shape (B, N): B bags; or (N,), cut into bags at `offsets`.
        weight: shape (num_embeddings, embedding_dim).
        offsets: where each bag begins in a one-dimensional `input`.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in embedding.
        mode: sum, mean or max.
        per_sample_weights: factors of the rows, shape of `input`; for sum.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that counts for nothing.
    Returns:
        Tensor of shape (B, embedding_dim); an empty bag gives zeros.
    Raises:
        ValueError: unknown mode, or offsets that do not fit.
    Example:
        >>> clew.nn.functional.embedding_bag(clew.tensor([[0, 1]]), clew.eye(2), mode="sum").tolist()
        [[1.0, 1.0]]
    """
    if mode not in ("sum", "mean", "max"):
        raise clew.ArgumentError(f"embedding_bag: expected mode sum, mean or max, got {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: expected per_sample_weights only for mode sum, got {mode}")
    if input.ndim == 2:
        if offsets is not None:
            raise clew.ArgumentError(
                "embedding_bag: expected no offsets with a two-dimensional input, got offsets"
            )
        bags, length = input.shape
        starts = list(range(0, bags * length, length)) if length else [0] * bags
        flat = input.reshape(-1)
        weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    elif input.ndim == 1:
        if offsets is None or offsets.ndim != 1:
            raise clew.ArgumentError(
                "embedding_bag: expected one-dimensional offsets with a one-dimensional input"
            )
        starts = offsets.tolist()
        if include_last_offset:
            starts = starts[:-1]
        if starts and (starts[0] != 0 or starts[-1] > input.shape[0] or starts != sorted(starts)):
            raise clew.ArgumentError(
                f"embedding_bag: expected rising offsets from 0 to at most {input.shape[0]}, got {starts}"
            )
        flat, weights = input, per_sample_weights
    else:
        raise clew.ArgumentError(
            f"embedding_bag: expected input of 1 or 2 dimensions, got {list(input.shape)}"
        )
    count, total = len(starts), flat.shape[0]
    ends = [*starts[1:], total]
    lengths = [e - s for s, e in zip(starts, ends, strict=True)]
    bag = clew.tensor(
        [b for b, n in enumerate(lengths) for _ in range(n)], dtype=clew.int64, device=input.device
    )
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    keep = None
    if padding_idx is not None:
        keep = flat != (padding_idx % weight.shape[0])
    if mode == "max":
        out = []
        for s, e in zip(starts, ends, strict=True):
            part = rows[s:e] if keep is None else rows[s:e][keep[s:e]]
            out.append(part.max(0)[0] if part.shape[0] else clew.zeros_like(weight[0]))
        return clew.stack(out) if out else rows.new_zeros((0, weight.shape[1]))
    if weights is not None:
        rows = rows * weights.unsqueeze(1)
    if keep is not None:
        rows = rows * keep.unsqueeze(1).to(rows.dtype)
    sums = clew.zeros(count, weight.shape[1], dtype=weight.dtype, device=weight.device)
    sums = sums.index_add(0, bag, rows)
    if mode == "sum":
        return sums
    used = (
        clew.ones(total, dtype=weight.dtype, device=weight.device) if keep is None else keep.to(weight.dtype)
    )
    counts = clew.zeros(count, dtype=weight.dtype, device=weight.device).index_add(0, bag, used)
    return sums / counts.clamp(min=1).unsqueeze(1)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A form that is linear in each of two inputs.

        y[..., k] = sum_ij x1[..., i] * weight[k, i, j] * x2[..., j] + bias[k]

    Args:
        input1: shape (*, I), floating point.
        input2: shape (*, J).
        weight: shape (K, I, J).
        bias: shape (K,), or None for 0.
    Returns:
        Tensor of shape (*, K).
    Raises:
        clew.ShapeError: the sizes do not fit together.
    Example:
        >>> one = clew.ones(1, 2)
        >>> clew.nn.functional.bilinear(one, one, clew.ones(1, 2, 2)).tolist()
        [[4.0]]
    """
    if (
        weight.ndim != 3
        or tuple(input1.shape[:-1]) != tuple(input2.shape[:-1])
        or tuple(weight.shape[1:]) != (input1.shape[-1], input2.shape[-1])
    ):
        raise clew.ShapeError(
            f"bilinear: expected (*, I), (*, J) and weight (K, I, J), got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(weight.shape)}"
        )
    k, i, j = weight.shape
    flat1, flat2 = input1.reshape(-1, i), input2.reshape(-1, j)
    # (B, K, J): the first input contracted with the form.
    half = flat1.matmul(weight.permute(1, 0, 2).reshape(i, k * j)).reshape(-1, k, j)
    y = half.bmm(flat2.unsqueeze(-1)).squeeze(-1).reshape(*input1.shape[:-1], k)
    return y if bias is None else y + bias


__all__ = [
    "alpha_dropout",
    "bilinear",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "embedding_bag",
    "group_norm",
    "instance_norm",
    "local_response_norm",
    "rms_norm",
]
