"""Streams, which are queues of work on a device, and events, which are marks in them."""

from __future__ import annotations

from typing import Any

from clew import _C


def _index(device: Any, what: str) -> int:
    from clew.cuda import index_of

    return index_of(device, what)


class Stream:
    """A queue of work on a device; work of different streams may run at once.

    Args:
        device: default: the current one.
        priority: 0, or -1 for work that goes first.
    Raises:
        clew.DeviceError: the device is not there.
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self._stream = _C._cuda_new_stream(_index(device, "Stream"), priority)

    @classmethod
    def _of(cls, stream: Any) -> Stream:
        new = cls.__new__(cls)
        new._stream = stream
        return new

    @property
    def device(self) -> Any:
        """The device whose queue this is."""
        return self._stream.device

    @property
    def cuda_stream(self) -> int:
        """The driver's handle, for other libraries."""
        return self._stream.address

    def synchronize(self) -> None:
        """Waits for all work in this stream."""
        self._stream.synchronize()

    def query(self) -> bool:
        """True when all work in this stream is done."""
        return self._stream.query()

    def record_event(self, event: Event | None = None) -> Event:
        """Marks this place in the stream; returns the mark."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Work that follows waits for the event, without the host."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Work that follows waits for all that `stream` has by now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return self.device == other.device and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<clew.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream: to wait for, to ask about, and to measure time between.

    Args:
        enable_timing: the event can measure time.
        blocking: accepted and without effect; waiting never spins for long.
        interprocess: must be False.
    Raises:
        clew.DeviceError: there is no device.
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        if interprocess:
            raise _C.NotImplementedError("cuda.Event: expected interprocess=False, got True")
        _index(None, "Event")
        self._timing = bool(enable_timing)
        self._event = _C._CudaEvent(-1, self._timing)

    def record(self, stream: Stream | None = None) -> None:
        """Puts the mark behind all work that the stream (default: the current one) has."""
        self._event.record((current_stream() if stream is None else stream)._stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Work that follows in the stream waits for this mark."""
        self._event.wait((current_stream() if stream is None else stream)._stream)

    def query(self) -> bool:
        """True when the work before the mark is done."""
        return self._event.query()

    def synchronize(self) -> None:
        """Waits for the work before the mark."""
        self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to the other.

        Raises:
            ValueError: an event without `enable_timing`, or not recorded.
        """
        return self._event.elapsed_time(end_event._event)


def current_stream(device: Any = None) -> Stream:
    """The stream that this thread's work on the device goes to.

    Raises:
        clew.DeviceError: the device is not there.
    """
    return Stream._of(_C._cuda_current_stream(_index(device, "current_stream")))


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to at first.

    Raises:
        clew.DeviceError: the device is not there.
    """
    return Stream._of(_C._cuda_default_stream(_index(device, "default_stream")))


def set_stream(stream: Stream) -> None:
    """Makes `stream` the one that this thread's work on its device goes to."""
    if stream is not None:
        _C._cuda_set_stream(stream._stream)


class StreamContext:
    """`with stream(s):` sends this thread's work to `s`; None does nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: tuple[Any, Stream] | None = None

    def __enter__(self) -> Stream | None:
        if self.stream is not None:
            device = self.stream.device
            self._before = _C._cuda_current_device(), current_stream(device)
            _C._cuda_set_device(device.index)
            set_stream(self.stream)
        return self.stream

    def __exit__(self, *exc_info: object) -> None:
        if self._before is not None:
            device, before = self._before
            set_stream(before)
            _C._cuda_set_device(device)
            self._before = None


def stream(stream: Stream | None) -> StreamContext:
    """Sends this thread's work to `stream` within a block."""
    return StreamContext(stream)
