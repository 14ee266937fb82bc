"""What ran, when, and for how long: `profile`, `record_function`, Chrome traces."""

from __future__ import annotations

import enum
import functools
import gzip
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from clew import _C

__all__ = [
    "Event",
    "EventList",
    "EventSummary",
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "tensorboard_trace_handler",
]


class ProfilerActivity(enum.Enum):
    """What a profile may watch; this version watches the CPU."""

    CPU = "cpu"
    CUDA = "cuda"


class ProfilerAction(enum.Enum):
    """What a profile does in a step: nothing, run without keeping, keep, keep and hand over."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Makes a schedule for `profile`: cycles of waiting, warming up and recording.

    Args:
        wait, warmup, active: steps of each phase of a cycle.
        repeat: number of cycles; 0 means without end.
        skip_first: steps before the first cycle.
        skip_first_wait: nonzero leaves out the waiting of the first cycle.
    Returns:
        A function from the number of the step to what is done in it.
    Raises:
        ValueError: a negative number, or nothing to record.
    Example:
        >>> plan = clew.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
        >>> [plan(i).name for i in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first, skip_first_wait) < 0 or active < 1:
        raise ValueError(
            "schedule: expected wait, warmup, repeat, skip_first >= 0 and active >= 1, got "
            f"{wait}, {warmup}, {repeat}, {skip_first} and {active}"
        )
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise ValueError(f"schedule: expected a step >= 0, got {step}")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """Makes an `on_trace_ready` that writes each trace to a file that TensorBoard's profile plugin finds.

    Args:
        dir_name: the folder, made when it is not there.
        worker_name: first part of the file's name; None means host and process.
        use_gzip: compress the files.
    """

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        suffix = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}{suffix}"))

    return handle


class Event:
    """One op or range.

    Attributes:
        name: the op (with a trailing underscore in place), or the label of a range.
        is_op: False for ranges.
        parent: index of the event around this one; -1 at the top.
        start_us, duration_us: microseconds, `start_us` since the profile began.
        self_us: duration without that of the events inside.
        input_shapes: shapes of the tensor arguments, with `record_shapes=True`.
        cpu_memory_usage: bytes by which memory in use grew, with `profile_memory=True`.
        self_cpu_memory_usage: the same without events inside.
        stack: the line of the program that made the call, with `with_stack=True`.
    """

    __slots__ = (
        "cpu_memory_usage",
        "duration_us",
        "input_shapes",
        "is_op",
        "name",
        "parent",
        "self_cpu_memory_usage",
        "self_us",
        "stack",
        "start_us",
    )

    def __init__(
        self,
        name: str,
        is_op: bool,
        parent: int,
        start_ns: int,
        duration_ns: int,
        self_ns: int,
        shapes: list,
        memory: int,
        self_memory: int,
        line: str,
    ) -> None:
        self.name, self.is_op, self.parent, self.input_shapes = name, is_op, parent, shapes
        self.start_us, self.duration_us, self.self_us = start_ns / 1e3, duration_ns / 1e3, self_ns / 1e3
        self.cpu_memory_usage, self.self_cpu_memory_usage = memory, self_memory
        self.stack = [line] if line else []

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
        cpu_memory_usage, self_cpu_memory_usage: bytes, with `profile_memory=True`.
        input_shapes: shapes of the tensor arguments, where grouped by them.
    """

    __slots__ = (
        "count",
        "cpu_memory_usage",
        "cpu_time_total",
        "input_shapes",
        "key",
        "self_cpu_memory_usage",
        "self_cpu_time_total",
    )

    def __init__(
        self, key: str, count: int, total_ns: int, self_ns: int, shapes: list, memory: int, self_memory: int
    ) -> None:
        self.key, self.count, self.input_shapes = key, count, shapes
        self.cpu_time_total, self.self_cpu_time_total = total_ns / 1e3, self_ns / 1e3
        self.cpu_memory_usage, self.self_cpu_memory_usage = memory, self_memory

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


def _bytes(count: int) -> str:
    for unit, scale in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if abs(count) >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} B"


# What rows are sorted by, and the spelling of PyTorch for the same.
_SORT = (
    "self_cpu_time_total",
    "cpu_time_total",
    "cpu_time",
    "count",
    "key",
    "cpu_memory_usage",
    "self_cpu_memory_usage",
)


class EventList(list):
    """A list of EventSummary that prints as a table."""

    def __init__(self, rows: Iterable[EventSummary] = (), memory: bool = False) -> None:
        super().__init__(rows)
        self._memory = memory

    def total_average(self) -> EventSummary:
        """One row for all."""
        total = EventSummary("Total", 0, 0, 0, [], 0, 0)
        for e in self:
            total.count += e.count
            total.self_cpu_time_total += e.self_cpu_time_total
            total.cpu_time_total += e.self_cpu_time_total
            total.self_cpu_memory_usage += e.self_cpu_memory_usage
            total.cpu_memory_usage += e.self_cpu_memory_usage
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The rows as text.

        Args:
            sort_by: "self_cpu_time_total" (default), "cpu_time_total", "cpu_time", "count", "key",
                "cpu_memory_usage" or "self_cpu_memory_usage".
            row_limit: at most this many rows; -1 for all.
            max_name_column_width, max_shapes_column_width: longer texts are cut.
            header: a line above the table.
            max_src_column_width, top_level_events_only: accepted, without effect.
        Returns:
            The table, with the total self time in its last line.
        Raises:
            ValueError: another `sort_by`.
        """
        field = sort_by or "self_cpu_time_total"
        if field not in _SORT:
            raise ValueError(f"table: expected sort_by in {_SORT}, got {sort_by!r}")
        rows = sorted(self, key=lambda e: getattr(e, field), reverse=field != "key")
        if row_limit >= 0:
            rows = rows[:row_limit]
        whole = sum(e.self_cpu_time_total for e in self) or 1.0
        shapes = any(e.input_shapes for e in self)

        def cut(text: str, width: int) -> str:
            return text if len(text) <= width else text[: width - 3] + "..."

        head = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
        head += ["CPU Mem", "Self CPU Mem"] if self._memory else []
        lines = [[*head, "# of Calls", *(["Input Shapes"] if shapes else [])]]
        for e in rows:
            line = [
                cut(e.key, max_name_column_width),
                f"{100 * e.self_cpu_time_total / whole:.2f}%",
                _time(e.self_cpu_time_total),
                f"{100 * e.cpu_time_total / whole:.2f}%",
                _time(e.cpu_time_total),
                _time(e.cpu_time),
            ]
            if self._memory:
                line += [_bytes(e.cpu_memory_usage), _bytes(e.self_cpu_memory_usage)]
            line.append(str(e.count))
            if shapes:
                line.append(cut(str(e.input_shapes), max_shapes_column_width))
            lines.append(line)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rule = "  ".join("-" * w for w in widths)
        text = ["  ".join(cell.rjust(w) for cell, w in zip(line, widths)) for line in lines]
        total = _time(sum(e.self_cpu_time_total for e in self))
        first = [header] if header is not None else []
        last = f"Self CPU time total: {total}"
        return "\n".join([*first, rule, text[0], rule, *text[1:], rule, last]) + "\n"

    def __str__(self) -> str:
        return self.table()


class profile:
    """Records every op that this thread runs inside the context, those inside other ops nested under them.

    With a schedule, call `step()` after each iteration; each recorded span is handed to `on_trace_ready`.

    Args:
        activities: what is watched; asked for "cuda" without CUDA it warns.
        schedule: a function from the number of the step to a ProfilerAction; None records all.
        on_trace_ready: called with the profile when a span, or the context, ends.
        record_shapes: keep the shapes of the ops' tensor arguments.
        profile_memory: keep by how much memory in use grew.
        with_stack: keep the line of the program that made the call.
        with_flops, with_modules, experimental_config, execution_trace_observer, acc_events: accepted, without
            effect.
    Raises:
        ValueError: an unknown activity.
    Example:
        >>> with clew.profiler.profile() as prof:
        ...     y = clew.ones(2).exp()
        >>> [e.key for e in prof.key_averages() if e.key == "exp"]
        ['exp']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity | str] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
    ) -> None:
        for activity in activities or ():
            try:
                kind = ProfilerActivity(activity)
            except ValueError:
                names = [a.value for a in ProfilerActivity]
                raise ValueError(f"profile: expected activities in {names}, got {activity!r}") from None
            if kind is ProfilerActivity.CUDA:
                warnings.warn("profile: expected a CUDA device, got none; the CPU is watched", stacklevel=2)
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.step_num = 0
        self.current_action = schedule(0) if schedule is not None else ProfilerAction.RECORD_AND_SAVE
        self._started = False
        self._profiler: Any = None
        self._profile: Any = None
        self._step_range: Any = None

    def start(self) -> None:
        """Begins to record, on this thread."""
        if self._started:
            raise RuntimeError(
                "profile: expected a profile that is not running, got one that is (stop it first)"
            )
        self._started = True
        self._profile = None
        self._enter_step()

    def stop(self) -> None:
        """Ends the recording, on the thread that began it."""
        if not self._started:
            raise RuntimeError("profile: expected a running profile, got one that was not started")
        self._leave_step()
        if self._profiler is not None:
            self._finish(self.current_action is not ProfilerAction.WARMUP)
        self._started = False

    def step(self) -> None:
        """Says that an iteration ended; the schedule decides what becomes of the next one."""
        if not self._started:
            raise RuntimeError("profile: expected a running profile, got one that was not started")
        if self.schedule is None:
            self._leave_step()
            self.step_num += 1
            self._enter_step()
            return
        before = self.current_action
        self._leave_step()
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if self._profiler is not None:
            recording = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
            if before is ProfilerAction.RECORD_AND_SAVE:
                self._finish(True)
            elif before is ProfilerAction.WARMUP or self.current_action not in recording:
                self._finish(before is not ProfilerAction.WARMUP)
        self._enter_step()

    def _enter_step(self) -> None:
        if self.current_action is ProfilerAction.NONE:
            return
        if self._profiler is None:
            self._profiler = _C._Profiler(self.record_shapes, self.profile_memory, self.with_stack)
        if self.schedule is not None:
            self._step_range = _C._RecordFunction(f"ProfilerStep#{self.step_num}")

    def _leave_step(self) -> None:
        if self._step_range is not None:
            self._step_range.end()
            self._step_range = None

    def _finish(self, keep: bool) -> None:
        result = self._profiler.end()
        self._profiler = None
        if keep:
            self._profile = result
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

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One row per name, most self time first.

        Args:
            group_by_input_shape: one row per name and shapes instead (needs `record_shapes=True`).
            group_by_stack_n: accepted when it is 0.
        """
        if group_by_stack_n:
            raise NotImplementedError(f"key_averages: expected group_by_stack_n=0, got {group_by_stack_n}")
        rows: dict[tuple[str, str], EventSummary] = {}
        for row in self._result().summary(group_by_input_shape):
            e = EventSummary(*row)
            if e.key.startswith("ProfilerStep#"):
                e.key = "ProfilerStep*"  # all steps are one row
            known = rows.setdefault((e.key, str(e.input_shapes)), e)
            if known is not e:
                known.count += e.count
                known.cpu_time_total += e.cpu_time_total
                known.self_cpu_time_total += e.self_cpu_time_total
                known.cpu_memory_usage += e.cpu_memory_usage
                known.self_cpu_memory_usage += e.self_cpu_memory_usage
        ordered = sorted(rows.values(), key=lambda e: (-e.self_cpu_time_total, e.key))
        return EventList(ordered, self.profile_memory)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events as JSON for chrome://tracing or https://ui.perfetto.dev; ".gz" compresses."""
        text = self._result().chrome_trace()
        if str(path).endswith(".gz"):
            with gzip.open(path, "wt", encoding="utf-8") as f:
                f.write(text)
        else:
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
