"""What BIRD is started with; the process itself is in tests/contract/test_bgp.py."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.drivers.bgp.port import BgpError
from tandem.drivers.bgp.process import CAPABILITIES, Bird
from tandem.state.bgp import BgpSpeaker

SPEAKER = BgpSpeaker(router_id="192.0.2.1", as_number=64512)


def test_it_is_started_in_recovery_only_where_an_earlier_one_died(tmp_path: Path, spawned: list[list[str]]) -> None:
    for _ in range(2):
        asyncio.run(Bird(NodeDir(tmp_path)).start(SPEAKER))
    bird = Bird(NodeDir(tmp_path))
    asyncio.run(bird.daemon.stop())
    asyncio.run(bird.start(SPEAKER))
    assert ["-R" in argv for argv in spawned] == [False, True, False]


def test_it_has_no_more_capabilities_than_it_needs(tmp_path: Path, spawned: list[list[str]]) -> None:
    asyncio.run(Bird(NodeDir(tmp_path)).start(SPEAKER))
    setpriv = spawned[0][: spawned[0].index("-f") - 1]
    shown = subprocess.run([*setpriv, "setpriv", "--dump"], check=True, capture_output=True, text=True).stdout
    assert CAPABILITIES == "-all,+net_admin,+net_bind_service,+net_raw"
    assert "Capability bounding set: net_bind_service,net_admin,net_raw" in shown
    assert "no_new_privs: 1" in shown


def test_other_words_need_no_other_process(tmp_path: Path, spawned: list[list[str]]) -> None:
    bird = Bird(NodeDir(tmp_path))
    bird.want(SPEAKER)
    bird.want(BgpSpeaker(router_id="192.0.2.1", as_number=64513))
    assert bird.speaker is not None
    assert bird.speaker.as_number == 64513
    assert not spawned


def test_a_missing_program_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.drivers.process.daemon.shutil.which", lambda *_, **__: None)
    with pytest.raises(BgpError, match="apt-get install"):
        asyncio.run(Bird(NodeDir(tmp_path)).start(SPEAKER))


def test_nothing_runs_at_first(tmp_path: Path) -> None:
    status = asyncio.run(Bird(NodeDir(tmp_path)).status())
    assert (status.pid, status.ready, status.version) == (0, False, "")
