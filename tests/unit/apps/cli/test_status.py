"""tandem status from a view, without control."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apps.cli import status
from tandem.apps.cli.main import run

VIEW: dict[str, Any] = {
    "nodes": [{"name": "node-1", "ready": True, "envoy": {"pid": 7, "version": "1.40", "ready": True}, "pods": 2}],
    "pods": [{"namespace": "shop", "name": "web-0", "ready": False}],
    "problems": [],
}
PROBLEM = {
    "severity": "error",
    "code": "SubsetNotFound",
    "text": "no subset v1",
    "origin": {
        "kind": "VirtualService",
        "namespace": "shop",
        "name": "v",
        "path": "spec.http[0]",
        "source": "v:9",
    },
}


def shown(view: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(status, "with_client", lambda _work, _path: view)
    monkeypatch.setenv("COLUMNS", "200")
    return run(["status", *arguments])


def test_tables_and_no_problems(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(VIEW, monkeypatch) == 0
    out = capsys.readouterr().out
    assert "pid 7, version 1.40, ready yes" in out
    assert "web-0" in out
    assert out.endswith("no problems\n")


def test_problems_name_rule_and_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown({**VIEW, "problems": [PROBLEM]}, monkeypatch) == 1
    assert "error VirtualService shop/v spec.http[0] (v:9): no subset v1" in capsys.readouterr().out


def test_a_node_that_is_not_ready_gives_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown({**VIEW, "nodes": [{"name": "n", "ready": False}]}, monkeypatch) == 1


def test_json_is_the_view_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    shown({**VIEW, "problems": [PROBLEM]}, monkeypatch, "-o", "json")
    assert json.loads(capsys.readouterr().out) == {**VIEW, "problems": [PROBLEM]}
