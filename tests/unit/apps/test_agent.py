"""The agent's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem.apps import agent
from tandem.runtime.holdings import LIMITS


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []

    class Made:
        def run(self) -> None:
            """Nothing."""

    def new_agent(*arguments: Any, **more: Any) -> Made:
        found.append((*arguments, *more.values()))
        return Made()

    monkeypatch.setattr(agent, "until_told", lambda run: run())
    monkeypatch.setattr(agent, "new_agent", new_agent)
    return found


def test_a_node_has_its_directory_and_controls_socket(
    made: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["agent", "--run-dir", "/r", "--node", "n7"])
    agent.main()
    ((name, directory, socket, limits),) = made
    assert (name, directory.root, socket) == ("n7", Path("/r/nodes/n7"), Path("/r/control.sock"))
    assert limits == LIMITS


@pytest.mark.parametrize(
    "arguments", [[], ["--run-dir", "/r"], ["--node", "n7"], ["--run-dir", "/r", "--nod", "n7", "x"]]
)
def test_run_directory_and_node_are_needed(
    arguments: list[str], made: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["agent", *arguments])
    with pytest.raises(SystemExit) as ended:
        agent.main()
    assert (ended.value.code, made) == (2, [])
