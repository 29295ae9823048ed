"""DEL without an agent: success, and a file that the agent can carry out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tandem_cni import spool
from tandem_cni.build import build
from tandem_cni.spool import FOLDER, queue
from tandem_cni.wire import AgentAwayError, CniError

from tandem.podnet.request import parse
from unit.tandem_cni.courier import CONFIG, ENV, run

REQUEST = {"verb": "DEL", "env": {"CNI_IFNAME": "eth0", "CNI_CONTAINERID": "c1"}, "config": {}}


def answer(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    def ask(*_: object, **__: object) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    monkeypatch.setattr(spool, "ask", ask)


def files(home: Path) -> list[str]:
    return sorted(p.name for p in (home / FOLDER).iterdir())


def test_a_del_without_an_agent_succeeds_and_is_queued_whole(tmp_path: Path) -> None:
    binary = tmp_path / "tandem-cni"
    build(binary, sys.executable)
    env = {**ENV, "CNI_COMMAND": "DEL", "CNI_NETNS": ""}
    done = run(binary, env, CONFIG | {"socket": str(tmp_path / "none.sock")})
    assert (done.status, done.out) == (0, "")
    assert files(tmp_path) == ["eth0@c1"]
    request = parse((tmp_path / FOLDER / "eth0@c1").read_bytes())
    assert (request.verb, request.key) == ("DEL", ("c1", "eth0"))


def test_repeating_it_queues_it_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert queue(str(tmp_path / "none.sock"), REQUEST, seconds=1) is None
    assert files(tmp_path) == ["eth0@c1"]
    assert json.loads((tmp_path / FOLDER / "eth0@c1").read_text()) == REQUEST


def test_where_the_nodes_directory_is_gone_there_is_nothing_to_delete(tmp_path: Path) -> None:
    assert queue(str(tmp_path / "gone" / "cni.sock"), REQUEST, seconds=1) is None
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_came_back_meanwhile_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, None)
    assert queue(str(tmp_path / "cni.sock"), REQUEST, seconds=1) is None
    assert files(tmp_path) == []


def test_what_an_agent_that_came_back_refuses_is_told_and_not_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, CniError(11, "busy"))
    with pytest.raises(CniError, match="busy"):
        queue(str(tmp_path / "cni.sock"), REQUEST, seconds=1)
    assert files(tmp_path) == []


def test_a_full_disk_is_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posix.fsync", full)
    answer(monkeypatch, AgentAwayError(11, "away"))
    with pytest.raises(CniError, match="cannot be queued") as raised:
        queue(str(tmp_path / "cni.sock"), REQUEST, seconds=1)
    assert raised.value.code == 11
    assert files(tmp_path) == []
