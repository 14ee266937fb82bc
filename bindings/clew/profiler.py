"""What ran, when, and for how long: `profile`, `record_function`, Chrome traces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from clew import _C

__all__ = ["Event", "EventList", "EventSummary", "ProfilerActivity", "profile", "record_function"]


class ProfilerActivity:
    """What a profile may watch; this version watches the CPU."""

    CPU = "cpu"


class Event:
    """One op or range.

    Attributes:
        name: the op (with a trailing underscore in place), or the label of a range.
        is_op: False for ranges.
        parent: index of the event around this one; -1 at the top.
        start_us, duration_us: microseconds, `start_us` since the profile began.
        self_us: duration without that of the events inside.
        input_shapes: shapes of the tensor arguments, with `record_shapes=True`.
    """

    __slots__ = ("name", "is_op", "parent", "start_us", "duration_us", "self_us", "input_shapes")

    def __init__(
        self, name: str, is_op: bool, parent: int, start_ns: int, duration_ns: int, self_ns: int, shapes: list
    ) -> None:
        self.name, self.is_op, self.parent, self.input_shapes = name, is_op, parent, shapes
        self.start_us, self.duration_us, self.self_us = start_ns / 1e3, duration_ns / 1e3, self_ns / 1e3

    def __repr__(self) -> str:
        return f"<Event {self.name} start={self.start_us:.3f}us duration={self.duration_us:.3f}us>"


class EventSummary:
    """All events of one name. Times are in microseconds.

    Attributes:
        key: the name.
        count: how many events.
        cpu_time_total: their time; a recursive call counts once.
        self_cpu_time_total: the same without events inside.
        cpu_time: mean time of one event.
        input_shapes: shapes of the tensor arguments, where grouped by them.
    """

    __slots__ = ("key", "count", "cpu_time_total", "self_cpu_time_total", "input_shapes")

    def __init__(self, key: str, count: int, total_ns: int, self_ns: int, shapes: list) -> None:
        self.key, self.count, self.input_shapes = key, count, shapes
        self.cpu_time_total, self.self_cpu_time_total = total_ns / 1e3, self_ns / 1e3

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count

    def __repr__(self) -> str:
        return f"<EventSummary {self.key} count={self.count} self={self.self_cpu_time_total:.3f}us>"


def _time(us: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if us >= scale:
            return f"{us / scale:.3f}{unit}"
    return f"{us:.3f}us"


class EventList(list):
    """A list of EventSummary that prints as a table."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55) -> str:
        """The rows as text.

        Args:
            sort_by: "self_cpu_time_total" (default), "cpu_time_total", "cpu_time", "count" or "key".
            row_limit: at most this many rows; -1 for all.
            max_name_column_width: longer names are cut.
        Returns:
            The table, with the total self time in its last line.
        """
        field = sort_by or "self_cpu_time_total"
        known = ("self_cpu_time_total", "cpu_time_total", "cpu_time", "count", "key")
        if field not in known:
            raise ValueError(f"table: expected sort_by in {known}, got {sort_by!r}")
        rows = sorted(self, key=lambda e: getattr(e, field), reverse=field != "key")
        if row_limit >= 0:
            rows = rows[:row_limit]
        whole = sum(e.self_cpu_time_total for e in self) or 1.0
        shapes = any(e.input_shapes for e in self)
        head = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        lines = [head + (["Input Shapes"] if shapes else [])]
        for e in rows:
            name = e.key
            if len(name) > max_name_column_width:
                name = name[: max_name_column_width - 3] + "..."
            line = [
                name,
                f"{100 * e.self_cpu_time_total / whole:.2f}%",
                _time(e.self_cpu_time_total),
                f"{100 * e.cpu_time_total / whole:.2f}%",
                _time(e.cpu_time_total),
                _time(e.cpu_time),
                str(e.count),
            ]
            lines.append(line + ([str(e.input_shapes)] if shapes else []))
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rule = "  ".join("-" * w for w in widths)
        text = ["  ".join(cell.rjust(w) for cell, w in zip(line, widths)) for line in lines]
        total = _time(sum(e.self_cpu_time_total for e in self))
        return "\n".join([rule, text[0], rule, *text[1:], rule, f"Self CPU time total: {total}"]) + "\n"

    def __str__(self) -> str:
        return self.table()


class profile:
    """Records every op that this thread runs inside the context, those inside other ops nested under them.

    Args:
        activities: ignored but for its values; the CPU is what is watched.
        on_trace_ready: called with the profile when the context ends.
        record_shapes: keep the shapes of the ops' tensor arguments.
    Example:
        >>> with clew.profiler.profile() as prof:
        ...     y = clew.ones(2).exp()
        >>> [e.key for e in prof.key_averages() if e.key == "exp"]
        ['exp']
    """

    def __init__(
        self,
        *,
        activities: Iterable[str] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
    ) -> None:
        for activity in activities or ():
            if activity != ProfilerActivity.CPU:
                raise ValueError(f"profile: expected activities in ['cpu'], got {activity!r}")
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self._profiler: Any = None
        self._profile: Any = None

    def start(self) -> None:
        """Begins to record, on this thread."""
        if self._profiler is not None:
            raise RuntimeError(
                "profile: expected a profile that is not running, got one that is (stop it first)"
            )
        self._profile = None
        self._profiler = _C._Profiler(self.record_shapes)

    def stop(self) -> None:
        """Ends the recording, on the thread that began it."""
        if self._profiler is None:
            raise RuntimeError("profile: expected a running profile, got one that was not started")
        self._profile = self._profiler.end()
        self._profiler = None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _result(self) -> Any:
        if self._profile is None:
            raise RuntimeError(
                "profile: expected a profile that ended, got one that is running or was not started"
            )
        return self._profile

    def events(self) -> list[Event]:
        """Every event in order of start."""
        return [Event(*e) for e in self._result().events()]

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """One row per name, most self time first.

        Args:
            group_by_input_shape: one row per name and shapes instead (needs `record_shapes=True`).
        """
        return EventList(EventSummary(*r) for r in self._result().summary(group_by_input_shape))

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events as JSON for chrome://tracing or https://ui.perfetto.dev."""
        text = self._result().chrome_trace()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


class record_function:
    """Names a range in the profiles that are active: a context manager, and a decorator.

    Example:
        >>> with clew.profiler.profile() as prof, clew.profiler.record_function("forward"):
        ...     y = clew.ones(2) + 1
        >>> prof.events()[0].name
        'forward'
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name if args is None else f"{name}({args})"
        self._ranges: list[Any] = []

    def __enter__(self) -> record_function:
        self._ranges.append(_C._RecordFunction(self.name))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ranges.pop().end()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapped


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("profiler", name)
