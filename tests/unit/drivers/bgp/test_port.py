"""Both implementations satisfy the protocol as mypy sees it."""

from __future__ import annotations

from pathlib import Path

from tandem.drivers.bgp.fake import FakeBgp
from tandem.drivers.bgp.port import BgpDriver, Session
from tandem.drivers.bgp.real import BirdControl


def test_real_and_fake_are_drivers(tmp_path: Path) -> None:
    drivers: list[BgpDriver] = [FakeBgp(), BirdControl(tmp_path / "bgp.sock", tmp_path / "bgp.conf")]
    assert len(drivers) == 2


def test_a_session_begins_with_nothing() -> None:
    assert Session(name="a", state="Idle") == Session(name="a", state="Idle", accepted=0, refused=0, announced=0)
