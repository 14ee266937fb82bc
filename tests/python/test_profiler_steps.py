"""The profiler's schedules, handlers, memory and lines; how tensors print on request."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.profiler import ProfilerAction, ProfilerActivity, profile, schedule, tensorboard_trace_handler


@pytest.mark.parametrize(
    "options",
    [
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 0, "warmup": 0, "active": 1, "repeat": 2},
        {"wait": 2, "warmup": 0, "active": 3, "repeat": 1, "skip_first": 3},
        {"wait": 1, "warmup": 2, "active": 1, "skip_first": 1, "skip_first_wait": 1},
    ],
)
def test_schedule_as_in_torch(options: dict) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = schedule(**options), torch.profiler.schedule(**options)
    assert [ours(i).name for i in range(20)] == [theirs(i).name for i in range(20)]


def test_schedule_errors() -> None:
    with pytest.raises(ValueError, match="active >= 1"):
        schedule(wait=1, warmup=1, active=0)
    with pytest.raises(ValueError, match="wait"):
        schedule(wait=-1, warmup=1, active=1)
    with pytest.raises(ValueError, match="step >= 0"):
        schedule(wait=1, warmup=1, active=1)(-1)


def steps_seen(lib: Any, **options: Any) -> list[Any]:
    seen: list[Any] = []

    def ready(prof: Any) -> None:
        keys = sorted(e.key for e in prof.key_averages() if e.key.startswith("ProfilerStep"))
        seen.append((prof.step_num, keys))

    with lib.profiler.profile(
        activities=[lib.profiler.ProfilerActivity.CPU], on_trace_ready=ready, **options
    ) as prof:
        for _ in range(9):
            lib.ones(3).exp()
            prof.step()
    return seen


def test_steps_are_handed_over_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    for plan in ({"wait": 1, "warmup": 1, "active": 2}, {"wait": 0, "warmup": 1, "active": 2, "repeat": 2}):
        ours = steps_seen(clew, schedule=schedule(**plan))
        theirs = steps_seen(torch, schedule=torch.profiler.schedule(**plan))
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert ours == theirs
    assert len(steps_seen(clew)) == 1


def test_warm_up_is_not_kept() -> None:
    kept = []
    with profile(
        schedule=schedule(wait=1, warmup=1, active=1, repeat=1),
        on_trace_ready=lambda p: kept.append([e.name for e in p.events() if e.is_op]),
    ) as prof:
        for op in (clew.sin, clew.cos, clew.exp, clew.log):
            op(clew.ones(2))
            prof.step()
    assert len(kept) == 1
    assert "exp" in kept[0] and not {"sin", "cos", "log"} & set(kept[0])
    assert prof.current_action is ProfilerAction.NONE


def test_trace_handler(tmp_path: Path) -> None:
    for use_gzip in (False, True):
        folder = tmp_path / str(use_gzip)
        with profile(on_trace_ready=tensorboard_trace_handler(folder, "worker", use_gzip)):
            clew.ones(2).exp()
        (path,) = folder.iterdir()
        assert path.name.startswith("worker.")
        data = path.read_bytes()
        text = (gzip.decompress(data) if use_gzip else data).decode()
        assert any(e.get("name") == "exp" for e in json.loads(text)["traceEvents"])


def test_memory() -> None:
    with profile(profile_memory=True, record_shapes=True) as prof:
        x = clew.zeros(1000)
        y = x.exp()
        with clew.profiler.record_function("block"):
            z = y.log()
        del y
    events = {e.name: e for e in prof.events()}
    assert 4000 <= events["exp"].cpu_memory_usage <= 4500
    assert events["block"].cpu_memory_usage >= events["log"].cpu_memory_usage >= 4000
    assert events["block"].self_cpu_memory_usage < 500
    rows = {e.key: e for e in prof.key_averages()}
    assert rows["exp"].cpu_memory_usage == events["exp"].cpu_memory_usage
    text = prof.key_averages().table(sort_by="self_cpu_memory_usage", row_limit=3, header="Memory")
    assert text.startswith("Memory\n") and "Self CPU Mem" in text and "KB" in text
    assert prof.key_averages().total_average().count == len(prof.events())
    assert z.numel() == 1000
    with profile() as prof:
        clew.zeros(10)
    assert "Mem" not in prof.key_averages().table()


def test_lines() -> None:
    with profile(with_stack=True) as prof:
        clew.ones(2).tanh()  # this line
    (event,) = [e for e in prof.events() if e.name == "tanh"]
    (line,) = event.stack
    assert "test_profiler_steps.py" in line
    assert ".tanh()  # this line" in line or ":" in line
    with profile() as prof:
        clew.ones(2).tanh()
    assert all(e.stack == [] for e in prof.events())


def test_chrome_trace_holds_it_all(tmp_path: Path) -> None:
    with profile(profile_memory=True, with_stack=True, record_shapes=True) as prof:
        clew.ones(4).exp()
    path = tmp_path / "trace.json"
    prof.export_chrome_trace(path)
    (event,) = [e for e in json.loads(path.read_text())["traceEvents"] if e["name"] == "exp"]
    assert event["args"]["shapes"] == [[4]]
    assert event["args"]["bytes"] > 0
    assert "test_profiler_steps.py" in event["args"]["line"]


def test_activities() -> None:
    with pytest.warns(UserWarning, match="CUDA"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    with pytest.raises(ValueError, match="activities"):
        profile(activities=["abacus"])
    with pytest.raises(ValueError, match="sort_by"):
        with profile() as prof:
            clew.ones(1)
        prof.key_averages().table(sort_by="colour")
    with pytest.raises(NotImplementedError):
        prof.key_averages(group_by_stack_n=3)
    with pytest.raises(RuntimeError, match="running profile"):
        profile().step()


# --- printing --------------------------------------------------------------------------------------


@pytest.fixture
def default_printing():
    yield
    clew.set_printoptions(profile="default")


def values(text: str) -> str:
    return text[: text.rindex("]") + 1] if "]" in text else text


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"precision": 8, "linewidth": 120},
        {"threshold": 5},
        {"threshold": 10, "edgeitems": 1},
        {"sci_mode": True},
        {"sci_mode": False},
        {"profile": "short"},
        {"profile": "full"},
        {"linewidth": 40},
    ],
)
def test_print_options_as_in_torch(options: dict, default_printing: None) -> None:
    torch = pytest.importorskip("torch")
    try:
        clew.set_printoptions(**options)
        torch.set_printoptions(**options)
        for source in (
            torch.linspace(-3, 1234.5, 7),
            torch.linspace(0.1, 0.9, 60).reshape(12, 5),
            torch.arange(40).reshape(4, 10),
            torch.linspace(0, 1, 1200),
            torch.tensor(0.12345678),
        ):
            ours, theirs = repr(clew.from_dlpack(source)), repr(source)
            if source.dim():
                ours, theirs = values(ours.split(", shape=")[0]), values(theirs)
                assert ours == theirs
            else:
                assert ours.split(",")[0] == theirs.rstrip(")")
    finally:
        torch.set_printoptions(profile="default")


def test_print_options_errors(default_printing: None) -> None:
    with pytest.raises(ValueError, match="profile"):
        clew.set_printoptions(profile="long")
    with pytest.raises(ValueError, match="precision"):
        clew.set_printoptions(precision=-1)
    assert repr(clew.tensor([0.5])) == "tensor([0.5000], shape=(1,), dtype=float32)"
