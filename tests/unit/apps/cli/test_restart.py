"""`tandem restart` where there is nothing to restart; what it does is in tests/e2e/test_handover.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tandem.apps.cli.main import run


def test_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path / "run"))
    assert run(["restart"]) == 1
    assert "tandem is not running; start it with: tandem up" in capsys.readouterr().err


def test_only_root_ends_processes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(["restart"]) == 1
    assert "root is needed" in capsys.readouterr().err


def test_another_format_is_wrong_use() -> None:
    assert run(["restart", "-o", "table"]) == 2
