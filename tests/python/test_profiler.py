"""The profiler: an interceptor that sees every op."""

import json
import threading
import time

import pytest

import clew
from clew.profiler import ProfilerActivity, profile, record_function


def names(prof):
    return [e.name for e in prof.events()]


def test_ops_are_recorded_with_their_shapes():
    x = clew.ones(2, 3)
    with profile(record_shapes=True) as prof:
        y = x.exp()
        y.add_(1)
        clew.cat([x, x])
    assert [n for n in names(prof) if n in ("exp", "add_", "cat")] == ["exp", "add_", "cat"]
    by_name = {e.name: e for e in prof.events()}
    assert by_name["exp"].input_shapes == [[2, 3]]
    assert by_name["add_"].input_shapes == [[2, 3], []]
    assert by_name["cat"].input_shapes == [[2, 3], [2, 3]]
    assert all(e.duration_us >= 0 and e.is_op for e in prof.events())


def test_nothing_outside():
    clew.ones(2).exp()
    with profile() as prof:
        pass
    clew.ones(2).exp()
    assert prof.events() == []


def test_inner_ops_are_nested():
    x = clew.randn(4, 5).t()
    with profile() as prof:
        # Strided input: the op makes it contiguous first, which is an op of its own.
        clew.softmax(x, 1)
    events = prof.events()
    assert [e.name for e in events if e.parent < 0] == ["softmax"]
    inner = [e for e in events if e.parent >= 0]
    assert inner
    for e in inner:
        outer = events[e.parent]
        assert outer.start_us <= e.start_us
        assert e.start_us + e.duration_us <= outer.start_us + outer.duration_us
    top = events[0]
    inside = sum(e.duration_us for e in inner if e.parent == 0)
    assert top.self_us == pytest.approx(top.duration_us - inside, abs=0.01)


def test_values_and_gradients_are_the_same():
    x = clew.randn(3, 4, requires_grad=True)
    w = clew.randn(5, 4, requires_grad=True)

    def step():
        x.grad = w.grad = None
        y = clew.nn.functional.linear(x, w).tanh().sum()
        y.backward()
        return y.item(), x.grad.tolist(), w.grad.tolist()

    plain = step()
    with profile() as prof:
        assert step() == plain
    assert "linear" in names(prof)
    assert len(prof.events()) > 4  # those of backward too


def test_ranges():
    @record_function("decorated")
    def f():
        return clew.ones(2) * 2

    with profile() as prof:
        with record_function("outer"):
            f()
        with record_function("step", "3"):
            pass
    events = prof.events()
    assert [(e.name, e.is_op) for e in events if not e.is_op] == [
        ("outer", False),
        ("decorated", False),
        ("step(3)", False),
    ]
    assert events[1].parent == 0
    assert {e.name for e in events if e.parent == 1} >= {"ones", "mul"}


def test_a_range_outside_of_a_profile_is_harmless():
    with record_function("nobody looks"):
        clew.ones(1)


def test_ranges_that_cross_the_end():
    r = record_function("left open")
    with profile() as prof:
        r.__enter__()
        clew.ones(1)
    r.__exit__(None, None, None)
    assert prof.events()[0].duration_us > 0


def test_a_range_that_raises_ends():
    with profile() as prof:
        with pytest.raises(ZeroDivisionError):
            with record_function("failing"):
                raise ZeroDivisionError
        with pytest.raises(clew.ShapeError):
            clew.ones(2) + clew.ones(3)
        clew.ones(1)
    last = prof.events()[-1]
    assert last.name == "ones"
    assert last.parent == -1


def test_summary_and_table():
    with profile(record_shapes=True) as prof:
        for n in (2, 2, 3):
            clew.ones(n).exp()
    rows = {r.key: r for r in prof.key_averages()}
    assert rows["exp"].count == 3
    assert rows["exp"].cpu_time == pytest.approx(rows["exp"].cpu_time_total / 3)
    assert rows["exp"].self_cpu_time_total <= rows["exp"].cpu_time_total
    shaped = [
        (r.key, r.input_shapes, r.count)
        for r in prof.key_averages(group_by_input_shape=True)
        if r.key == "exp"
    ]
    assert sorted(shaped) == [("exp", [[2]], 2), ("exp", [[3]], 1)]
    table = prof.key_averages().table(sort_by="count", row_limit=2)
    lines = table.splitlines()
    assert "# of Calls" in lines[1]
    assert len([line for line in lines if line.strip().startswith(("exp", "ones"))]) == 2
    assert lines[-1].startswith("Self CPU time total:")
    assert str(prof.key_averages()) == prof.key_averages().table()
    with pytest.raises(ValueError, match="table: expected sort_by in"):
        prof.key_averages().table(sort_by="colour")


def test_total_time_counts_recursion_once():
    with profile() as prof:
        with record_function("r"), record_function("r"):
            time.sleep(0.002)
    (row,) = prof.key_averages()
    assert row.count == 2
    assert row.cpu_time_total == pytest.approx(prof.events()[0].duration_us)


def test_chrome_trace(tmp_path):
    path = tmp_path / "trace.json"
    with profile(record_shapes=True) as prof:
        with record_function('quotes " and \\ and \n newline'):
            clew.ones(2).exp()
    prof.export_chrome_trace(str(path))
    trace = json.loads(path.read_text())
    spans = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [e["name"] for e in spans][0] == 'quotes " and \\ and \n newline'
    exp = next(e for e in spans if e["name"] == "exp")
    assert exp["cat"] == "op"
    assert exp["args"]["shapes"] == [[2]]
    outer = spans[0]
    assert outer["ts"] <= exp["ts"]
    assert exp["ts"] + exp["dur"] <= outer["ts"] + outer["dur"] + 0.001
    assert {e["tid"] for e in spans} == {threading.get_native_id()}


def test_profiles_nest():
    with profile() as outer:
        clew.ones(1)
        with profile() as inner:
            clew.zeros(1)
        clew.ones(1)
    assert [n for n in names(inner) if n in ("ones", "zeros")] == ["zeros"]
    assert [n for n in names(outer) if n in ("ones", "zeros")] == ["ones", "zeros", "ones"]


def test_threads_do_not_see_each_other():
    with profile() as prof:
        thread = threading.Thread(target=lambda: clew.ones(2).exp())
        thread.start()
        thread.join()
    assert prof.events() == []


def test_ending_on_another_thread_is_refused():
    prof = profile()
    prof.start()
    errors = []

    def stop():
        try:
            prof.stop()
        except ValueError as e:
            errors.append(str(e))

    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()
    prof.stop()
    assert "another thread" in errors[0]


def test_misuse():
    prof = profile()
    with pytest.raises(RuntimeError, match="profile: expected a running profile"):
        prof.stop()
    with pytest.raises(RuntimeError, match="profile: expected a profile that ended"):
        prof.events()
    with prof, pytest.raises(RuntimeError, match="not running"):
        prof.start()
    with pytest.raises(ValueError, match="activities"):
        profile(activities=["abacus"])
    with profile(activities=[ProfilerActivity.CPU]):
        pass


def test_on_trace_ready():
    seen = []
    with profile(on_trace_ready=seen.append) as prof:
        clew.ones(1)
    assert seen == [prof]
