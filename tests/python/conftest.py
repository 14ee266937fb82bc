"""Options and the summary that all Python tests share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clew


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-full",
        action="store_true",
        help="compare every sample of PyTorch's operator database, not at most 100 per entry",
    )
    parser.addoption("--device", default="cpu", help="device that the op suite runs on (default: cpu)")
    parser.addoption("--shard", default="0/1", help="i/n: every n-th test, from the i-th on (default: 0/1)")
    parser.addoption("--hostile", type=int, default=600, help="damaged files to try (default: 600)")
    parser.addoption("--fuzz", type=int, default=3000, help="random calls to try (default: 3000)")
    parser.addoption("--fuzz-seed", type=int, default=0, help="where the random calls begin (default: 0)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What compares a device with the CPU has nothing to do on the CPU."""
    if collection_path.name == "test_cuda_like_cpu.py" and config.getoption("--device") == "cpu":
        return True
    return None


def _kernels_not_written() -> set[str]:
    """The ops that docs/gpu-status.md lists as without a CUDA kernel."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "gpu-status.md").read_text()
    section = text.split("## Kernels that are not written yet\n")[1].split("\n## ")[0]
    return set(re.findall(r"`(\w+)`", section))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    first, count = map(int, config.getoption("--shard").split("/"))
    items[:] = items[first::count]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """On another device, what ends at a kernel that is listed as not written yet is skipped."""
    try:
        return (yield)
    except Exception as error:
        if item.config.getoption("--device") == "cpu":
            raise
        link: BaseException | None = error
        while link is not None:
            text = re.match(r"([\w.]+): expected a tensor on cpu or meta, got one on cuda", str(link))
            if isinstance(link, clew.DeviceError) and text is not None:
                name = text[1].replace(".", "_")
                if name in _kernels_not_written():
                    pytest.skip(f"no CUDA kernel yet: {name}")
            link = link.__cause__ or link.__context__
        raise


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
