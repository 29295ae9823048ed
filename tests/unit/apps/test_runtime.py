"""The process runtime's command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.apps import runtime
from tandem.base.paths import NodeDir


def test_sweep_ends_every_pod_of_the_node_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[NodeDir] = []

    def sweep(node: NodeDir) -> Iterator[str]:
        seen.append(node)
        yield "pod a ended"

    monkeypatch.setattr(runtime, "sweep", sweep)
    monkeypatch.setattr("sys.argv", ["runtime", "--run-dir", "/r", "--node", "n1", "--sweep"])
    with pytest.raises(SystemExit) as ended:
        runtime.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == "pod a ended\n"
    assert [n.root for n in seen] == [Path("/r/nodes/n1")]


def test_a_sweep_that_leaves_something_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "sweep", lambda _node: iter(["left: process 7"]))
    monkeypatch.setattr("sys.argv", ["runtime", "--run-dir", "/r", "--node", "n1", "--sweep"])
    with pytest.raises(SystemExit) as ended:
        runtime.main()
    assert ended.value.code == 1


def test_a_node_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["runtime", "--run-dir", "/r"])
    with pytest.raises(SystemExit) as ended:
        runtime.main()
    assert ended.value.code == 2
