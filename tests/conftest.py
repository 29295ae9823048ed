"""Options and fixtures of the whole suite."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

Golden = Callable[[Path, str], None]


# How long an example takes is the machine's affair, and no test's.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write what golden cases produce instead of comparing")
    parser.addoption(
        "--no-skips", action="store_true", help="a skipped test is a failure: `make test` says what is missing"
    )


def pytest_configure() -> None:
    """Programs that tests interrupt get the signal, also where this run was started in the background without it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --no-skips, a run that passed over a test has not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("ERROR: tests were skipped; see above", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_runtest_setup() -> None:
    """Told to end, a run still removes its namespaces. Said before each test: a loop may have taken it away."""
    signal.signal(signal.SIGTERM, _end(os.getpid()))


def _end(run: int) -> Callable[[int, object], None]:
    def end(number: int, _: object) -> None:
        if os.getpid() == run:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a process that a test has forked
        os.kill(os.getpid(), number)

    return end


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(path, produced)`: the file holds exactly that text; with --accept it is written instead."""
    accept = bool(request.config.getoption("--accept"))

    def check(path: Path, produced: str) -> None:
        if accept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(produced)
        expected = path.read_text() if path.exists() else ""
        assert produced == expected, f"{path} differs; if the new output is right, run pytest --accept and review"

    return check
