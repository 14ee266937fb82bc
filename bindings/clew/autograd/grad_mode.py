"""Switches for recording the tape, each a context manager and a decorator."""

from __future__ import annotations

from typing import Any

from clew import _C

__all__ = [
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


class _Mode:
    """A scope with one switch; a decorated function runs inside such a scope."""

    def __call__(self, function: Any) -> Any:
        import functools
        import inspect

        if isinstance(function, type):
            raise TypeError(
                f"{type(self).__name__}: expected a function to decorate, got class {function.__name__}"
            )
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args, **kwargs):
                generator = function(*args, **kwargs)
                value = None
                while True:  # the mode holds while the generator runs, not while it waits
                    with self._clone():
                        try:
                            item = generator.send(value)
                        except StopIteration as stop:
                            return stop.value
                    value = yield item

            return generate

        @functools.wraps(function)
        def run(*args, **kwargs):
            with self._clone():
                return function(*args, **kwargs)

        return run

    def _clone(self) -> _Mode:
        return type(self)()


class no_grad(_Mode):
    """No recording on this thread: results of ops have no history.

    Example:
        >>> x = clew.ones(1, requires_grad=True)
        >>> with clew.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    def __new__(cls, function: Any = None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._previous = _C.is_grad_enabled()
        _C._set_grad_enabled(False)

    def __exit__(self, *exc_info: object) -> None:
        _C._set_grad_enabled(self._previous)


class enable_grad(_Mode):
    """Recording on this thread, also inside no_grad."""

    def __new__(cls, function: Any = None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._previous = _C.is_grad_enabled()
        _C._set_grad_enabled(True)

    def __exit__(self, *exc_info: object) -> None:
        _C._set_grad_enabled(self._previous)


class set_grad_enabled(_Mode):
    """Switches recording on or off, at once; as a context manager it restores the old state."""

    def __init__(self, mode: bool) -> None:
        self._mode = bool(mode)
        self._previous = _C.is_grad_enabled()
        _C._set_grad_enabled(self._mode)

    def __call__(self, function: Any) -> Any:
        _C._set_grad_enabled(self._previous)  # as a decorator it acts only inside of the function
        return super().__call__(function)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self._mode)

    def __exit__(self, *exc_info: object) -> None:
        _C._set_grad_enabled(self._previous)

    def _clone(self) -> set_grad_enabled:
        return set_grad_enabled(self._mode)


class inference_mode(_Mode):
    """As no_grad, and results can never join a tape later."""

    def __new__(cls, mode: Any = True):
        self = super().__new__(cls)
        if callable(mode):
            self._mode = True
            return self(mode)
        self._mode = bool(mode)
        return self

    def __enter__(self) -> None:
        self._previous = (_C.is_inference_mode_enabled(), _C.is_grad_enabled())
        _C._set_inference_mode(self._mode)
        if self._mode:
            _C._set_grad_enabled(False)

    def __exit__(self, *exc_info: object) -> None:
        inference, grad = self._previous
        _C._set_inference_mode(inference)
        _C._set_grad_enabled(grad)

    def _clone(self) -> inference_mode:
        return inference_mode(self._mode)


class detect_anomaly(_Mode):
    """Backward refuses NaN gradients and names the forward line that recorded the failing op.

    Args:
        check_nan: whether NaN is an error.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._previous = _C.is_anomaly_enabled()
        _C._set_anomaly_enabled(self._check_nan)

    def __exit__(self, *exc_info: object) -> None:
        _C._set_anomaly_enabled(self._previous)


class set_detect_anomaly(detect_anomaly):
    """Switches anomaly detection on or off, at once; as a context manager it restores the old state."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(mode and check_nan)
        self.__enter__()

    def __enter__(self) -> None:
        if not hasattr(self, "_previous"):
            super().__enter__()
