"""Random calls of registered ops; `--fuzz N` sets how many. `python tests/python/fuzz.py` runs many more."""

from __future__ import annotations

import fuzz
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew


@pytest.fixture(autouse=True)
def _little_memory():
    """Sizes that are out of range must fail by the limit, not by the machine."""
    clew._C.set_memory_limit(fuzz.LIMIT_BYTES)
    yield
    clew._C.set_memory_limit(0)


def test_random_calls_in_processes_of_their_own(request):
    calls, first = request.config.getoption("--fuzz"), request.config.getoption("--fuzz-seed")
    counts, faults = fuzz.hunt(calls, first)
    assert not faults, "\n".join(f"{f['seed']}: {f['fault'][:500]}" for f in faults[:20])
    assert counts["returned"] + counts["raised"] == calls
    # Both kinds of call are there in numbers.
    assert counts["returned"] > calls / 5 and counts["raised"] > calls / 5


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(st.data())
def test_random_calls_that_shrink(data):
    """The same with choices that hypothesis makes, so that a failure comes back as its smallest form."""
    draws = fuzz.Draws(lambda n: data.draw(st.integers(0, n - 1)))
    fuzz.check(*fuzz.call_of(draws))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda x: clew.where(x.to("meta") > 0, x, x),
            clew.DeviceError,
            "where: expected all tensors on one",
        ),
        (lambda x: clew.lerp(x, x.to("meta"), 0.5), clew.DeviceError, "on one device"),
        (lambda x: x.masked_fill((x > 0).to("meta"), 1.0), clew.DeviceError, "on one device"),
        (lambda x: clew.stack([x, None]), TypeError, "Sequence.Tensor."),
        (lambda x: clew.cat([None]), TypeError, "Sequence.Tensor."),
        (
            lambda x: clew.ops.max_pool2d_grad(x, clew.zeros(1, 2, 2, dtype=clew.int64), (1, -2, 2)),
            clew.ShapeError,
            "input_size of the form",
        ),
    ],
)
def test_calls_that_once_ended_the_process(call, error, text):
    with pytest.raises(error, match=text):
        call(clew.ones(1, 2, 2))


def test_topk_of_a_number():
    values, indices = clew.tensor(3.0).topk(0)
    assert values.item() == 3.0 and indices.item() == 0


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x.sum().item(),  # not a tensor
        lambda x: x.contiguous().as_strided((1,), (1,)),  # another shape
        lambda x: (_ for _ in ()).throw(AssertionError("inside")),
        lambda x: (_ for _ in ()).throw(clew.InternalError("inside")),
        lambda x: (_ for _ in ()).throw(ValueError()),  # says nothing
        lambda x: x.exp() if x.is_contiguous() else x.exp() + 1,
        lambda x: x.exp() if x.device.type == "cpu" else x.exp().unsqueeze(0),
        lambda x: x.exp() if x.dtype == clew.float64 else x.exp() * 1.01,
        lambda x: x.add_(1).exp(),
    ],
)
def test_faults_are_seen(monkeypatch, fault):
    class Ops:
        exp = staticmethod(fault)

    monkeypatch.setattr(clew, "ops", Ops)
    x = clew.linspace(0, 1, 6).reshape(2, 3)
    with pytest.raises(fuzz.Wrong):
        fuzz.check("exp", (x,), {})


def test_crashes_and_hangs_are_seen(monkeypatch):
    import os
    import time

    def one(seed):
        if seed == 3:
            os.abort()
        if seed == 5:
            time.sleep(60)
        return "returned"

    monkeypatch.setattr(fuzz, "one", one)
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 1)
    counts, faults = fuzz.hunt(8)
    assert [f["seed"] for f in faults] == [3, 5] and counts["crashed"] == 2
