"""`tandem cni` as typed: words, exit statuses, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnihost import agent, files, node, places, run_dir
from tandem.apps.cli.main import run
from tandem.base.paths import RunDir


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path / "run"))
    return run_dir(tmp_path)


def where(tmp_path: Path) -> list[str]:
    wanted = places(tmp_path)
    return ["--bin-dir", str(wanted.bin_dir), "--conf-dir", str(wanted.conf_dir)]


@pytest.mark.root
def test_install_status_uninstall(tmp_path: Path, made: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(node(made)):
        assert run(["cni", "install", *where(tmp_path), "--unmanaged", "closed"]) == 0
        assert "conflist written" in capsys.readouterr().out
        assert run(["cni", "status", *where(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "agent: serves" in said
        assert f"installed: {places(tmp_path).conflist}" in said
        assert run(["cni", "status", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["code"] == 0
    assert run(["cni", "uninstall", *where(tmp_path), "-o", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["done"]) == 2
    assert files(tmp_path) == []


@pytest.mark.root
def test_install_without_an_agent_fails_with_1(
    tmp_path: Path, made: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.root.exists()
    assert run(["cni", "install", *where(tmp_path), "--wait", "0"]) == 1
    assert "STATUS says 50" in capsys.readouterr().err


def test_status_without_an_agent_exits_with_1(made: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.root.exists()
    assert run(["cni", "status"]) == 1
    assert "agent: does not serve (50)" in capsys.readouterr().out


def test_a_node_must_be_named_where_there_are_several(made: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    made.node("node-2").root.mkdir()
    assert run(["cni", "status"]) == 2
    assert "several nodes run here: say which by --node, node-1 or node-2" in capsys.readouterr().err
    assert run(["cni", "status", "--node", "node-9"]) == 2
    assert "--node node-9: choose one of node-1, node-2" in capsys.readouterr().err


def test_without_a_running_tandem_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path / "none"))
    assert run(["cni", "status"]) == 1
    assert "tandem up" in capsys.readouterr().err


@pytest.mark.root
def test_an_unknown_version_is_wrong_use(made: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.root.exists()
    assert run(["cni", "install", "--cni-version", "9"]) == 2
    assert "0.4.0, 1.0.0" in capsys.readouterr().err
