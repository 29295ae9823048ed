"""The registry of the command line, and how failures look."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from tandem.apps.cli import main
from tandem.apps.cli.main import COMMANDS, Command, run

ASKED_FOR: Final = {
    "up",
    "down",
    "restart",
    "apply",
    "cni",
    "ipam",
    "delete",
    "get",
    "describe",
    "exec",
    "logs",
    "status",
    "compile",
    "translate",
    "explain",
    "flows",
    "canary",
    "ca",
    "verify",
}


def test_the_help_shows_the_commands_that_people_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    words = capsys.readouterr().out.split()
    assert set(words) >= ASKED_FOR
    assert "runtime" not in words
    assert {n for n, c in COMMANDS.items() if not c.hidden} == ASKED_FOR


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tandem {version('tandem')}\n"


@pytest.mark.parametrize("name", sorted(n for n, c in COMMANDS.items()))
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Example: tandem " in " ".join(capsys.readouterr().out.split())


def test_help_imports_no_command() -> None:
    program = (
        "import sys; from tandem.apps.cli.main import run; run(['--help']); "
        "sys.exit(any(m in sys.modules for m in ('httpx', 'yaml', 'tandem.model.kinds', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env={"PYTHONPATH": "src"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["get"], ["get", "pods", "--nonsense"]])
def test_wrong_use_is_status_2_and_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "--help" in err
    assert len(err.splitlines()) == 1


def test_a_missing_module_breaks_its_own_command_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"broken": Command(target="tandem.apps.cli.nowhere:x", summary="?"), **COMMANDS}
    monkeypatch.setattr(main, "COMMANDS", commands)
    assert run(["broken"]) == 1
    assert "not part of this installation" in capsys.readouterr().err
    assert run(["--help"]) == 0


def test_without_a_server_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path))
    assert run(["get", "pods"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: tandem is not running (no kubeconfig at")
    assert err.endswith("start it with: tandem up\n")


@pytest.mark.parametrize("arguments", [["explain", "a", "b:80"], ["verify", "matrix"]])
def test_what_ends_with_1_for_no_ends_with_2_without_an_answer(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path))
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: tandem is not running (no kubeconfig at")
    assert ("tandem explain -f PATH FROM TO" in captured.err) is (arguments[0] == "explain")


@pytest.mark.parametrize("name", ["explain", "verify"])
def test_a_file_that_may_not_be_read_is_no_answer_either(name: str, tmp_path: Path) -> None:
    words = {"explain": ["a", "b:80", "-f"], "verify": ["-f"]}
    assert run([name, *words[name], str(tmp_path)]) == 2
    assert run([name, *words[name], str(tmp_path / "absent")]) == 2
