"""The profiler by its earlier name."""

from __future__ import annotations

from typing import Any

from clew import profiler as _profiler
from clew.profiler import record_function

__all__ = ["profile", "record_function"]


class profile(_profiler.profile):
    """As `clew.profiler.profile`, with the parameters it had earlier.

    Args:
        enabled: False measures nothing.
        use_cuda, use_device, use_cpu, use_kineto: accepted, without effect on the CPU.
        options: as in `clew.profiler.profile`.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: Any = None,
        use_cpu: bool = True,
        use_kineto: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.enabled = enabled

    def __enter__(self) -> Any:
        return super().__enter__() if self.enabled else self

    def __exit__(self, *exc_info: Any) -> Any:
        return super().__exit__(*exc_info) if self.enabled else None


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("autograd.profiler", name)
