"""Options and the summary that all Python tests share."""

from __future__ import annotations

import pytest

import clew


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-full",
        action="store_true",
        help="compare every sample of PyTorch's operator database, not at most 100 per entry",
    )
    parser.addoption("--device", default="cpu", help="device that the op suite runs on (default: cpu)")
    parser.addoption("--hostile", type=int, default=600, help="damaged files to try (default: 600)")
    parser.addoption("--fuzz", type=int, default=3000, help="random calls to try (default: 3000)")
    parser.addoption("--fuzz-seed", type=int, default=0, help="where the random calls begin (default: 0)")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--device")


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same random stream and leaves grad mode as it was."""
    clew.manual_seed(0)
    grad_enabled = clew.is_grad_enabled()
    yield
    assert clew.is_grad_enabled() == grad_enabled, "a test left grad mode changed"


def pytest_terminal_summary(terminalreporter) -> None:
    from op_samples.core import checks

    if checks:
        ops = checks["ops"]
        total = sum(n for name, n in checks.items() if name != "ops")
        parts = ", ".join(f"{n} {name}" for name, n in checks.items() if name != "ops")
        terminalreporter.write_line(f"op suite: {ops} ops, {total} checks ({parts})")
