"""Which kernel runs scaled_dot_product_attention; there is one, so the choice has no effect."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's kernels of scaled_dot_product_attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: SDPBackend | list[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Accepted, without effect: the one kernel takes every call.

    Args:
        backends: a kernel, or those to choose from.
        set_priority: whether their order counts.
    Raises:
        TypeError: something else than a kernel.
        ValueError: no kernel.
    Example:
        >>> with clew.nn.attention.sdpa_kernel(clew.nn.attention.SDPBackend.MATH):
        ...     q = clew.ones(1, 2)
        ...     clew.nn.functional.scaled_dot_product_attention(q, q, q).tolist()
        [[1.0, 1.0]]
    """
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(chosen, list | tuple | set) or not all(isinstance(b, SDPBackend) for b in chosen):
        raise TypeError(f"sdpa_kernel: expected an SDPBackend or a list of them, got {backends!r}")
    if not chosen:
        raise ValueError("sdpa_kernel: expected at least one SDPBackend, got none")
    yield
