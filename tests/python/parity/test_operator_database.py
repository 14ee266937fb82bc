"""Holds the comparison with PyTorch's operator database to its thresholds."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("torch", reason="the oracle of the comparison (extra `parity`)")
pytest.importorskip("expecttest", reason="PyTorch's operator database imports it (extra `parity`)")

from . import report as parity_report
from .pool import Job, Worker, run_jobs


@pytest.fixture(scope="module")
def report(request):
    """The whole database: every sample with `--parity-full`, else at most 100 per entry and phase."""
    cap = 0 if request.config.getoption("--parity-full") else 100
    outcomes = run_jobs(parity_report.all_jobs(), os.cpu_count() or 1, cap)
    result = parity_report.summarize(outcomes)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nparity, at most {cap or 'all'} samples per entry and phase\n{result.table()}")
    return result


@pytest.mark.parametrize("phase", parity_report.PHASES)
def test_first_tier_agrees(report, phase):
    line = report.lines[phase]
    assert line.total > 0
    assert line.percent >= parity_report.REQUIRED[phase], report.table()


def test_no_crash_and_no_hang_in_the_whole_database(report):
    assert not report.fatal, report.table()


def test_every_difference_is_known(report):
    unknown = {key: reason for key, reason in report.failing.items() if key not in parity_report.known()}
    assert not unknown, "\n".join(f"{name} [{phase}]: {why}" for (name, phase), why in unknown.items())


def test_a_dead_worker_is_a_named_failure(monkeypatch):
    """A worker that dies costs the sample it was at; the job goes on with the next one."""
    jobs = [j for j in parity_report.all_jobs(["neg"], ("float32",)) if isinstance(j, Job)]
    worker = Worker()
    worker.start()
    read = worker.read
    killed = []

    def read_and_kill(limit):
        message = read(limit)
        if not killed and message and message.get("begin") == 1:
            killed.append(worker.process.pid)
            worker.process.kill()
            while read(limit):
                pass
        return message

    monkeypatch.setattr(worker, "read", read_and_kill)
    try:
        outcome = worker.run(jobs[0], 0)
    finally:
        worker.stop()
    assert [i for i, _ in outcome.fatal] == [1]
    assert "crash: exit status -9" in outcome.fatal[0][1]
    assert outcome.passed >= 1 and outcome.failed == 1
    assert not outcome.ok
