"""tandem down, without anything to take down."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.apps.cli.main import run
from tandem.base.paths import RunDir
from tandem.runtime import teardown


def said(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[RunDir]:
    seen: list[RunDir] = []

    def down(run_dir: RunDir) -> Iterator[str]:
        seen.append(run_dir)
        yield from lines

    monkeypatch.setattr(teardown, "down", down)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return seen


def test_each_step_is_told_and_nothing_left_is_status_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path))
    seen = said(monkeypatch, "processes ended", "node-1: nftables table removed")
    assert run(["down"]) == 0
    assert capsys.readouterr().out == "processes ended\nnode-1: nftables table removed\n"
    assert seen == [RunDir(tmp_path)]


def test_what_is_left_is_status_1_and_listed_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said(monkeypatch, "processes ended", "left: process 7", "node-1: left: links: no permission")
    assert run(["down", "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "done": ["processes ended"],
        "left": ["process 7", "links: no permission"],
    }


def test_without_root_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen = said(monkeypatch, "never")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(["down"]) == 1
    assert "run it with sudo" in capsys.readouterr().err
    assert seen == []


def test_an_unknown_form_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch) == []
    assert run(["down", "-o", "table"]) == 2
