"""What people see while a command works."""

from __future__ import annotations

import sys
import time

import pytest

from tandem.apps.cli.progress import Progress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_on_a_terminal_one_line_changes_and_is_erased_before_another_is_written(
    now: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Progress()
    for second in range(2):
        now[0] += 1
        shown.moving(f"{second}")
        shown.moving("too soon after it")
    shown.line("done")
    shown.line("more")
    assert capsys.readouterr().err == "\r\x1b[2K0\r\x1b[2K1\r\x1b[2Kdone\nmore\n"


def test_elsewhere_it_is_a_line_now_and_then(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress()
    for _ in range(25):
        now[0] += 1
        shown.moving(f"at {now[0]:g}")
    shown.line("done")
    assert capsys.readouterr().err == "at 110\nat 120\ndone\n"


def test_who_wants_no_words_gets_none(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(quiet=True)
    now[0] += 60
    shown.moving("a")
    shown.line("b")
    assert capsys.readouterr().err == ""
