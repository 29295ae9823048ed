"""Addresses that host-local holds for containers that are gone."""

from __future__ import annotations

from pathlib import Path

from tandem.base.clock import FixedClock
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.journal import Key, MemoryJournal
from tandem.ipam.shared import SharedJournal
from tandem.podnet.theirs import Theirs


class Scene:
    """host-local holds three addresses; `gone` had a namespace, `there` has one, of `unknown` nobody knows."""

    def __init__(self, root: Path) -> None:
        self.folder, self.space = root / "net", root / "space"
        self.folder.mkdir()
        self.space.touch()
        for n, name in enumerate(("gone", "there", "unknown")):
            (self.folder / f"10.0.0.{n}").write_text(f"{name}\r\neth0", newline="")
        self.clock = FixedClock(1000.0)
        journal = SharedJournal(MemoryJournal(self.clock), (HostLocal(self.folder),))
        self.theirs = Theirs(journal, self.sandbox, self.clock, grace=60.0)

    def sandbox(self, key: Key) -> str:
        return {"gone": "/nowhere", "there": str(self.space)}.get(key[0], "")

    @property
    def held(self) -> list[str]:
        return sorted(p.read_text().split()[0] for p in self.folder.glob("10.*"))


def test_only_what_is_known_to_be_gone_is_given_back_at_the_second_observation(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.theirs.observe()
    scene.clock.advance(59.0)
    scene.theirs.observe()
    assert scene.held == ["gone", "there", "unknown"]
    scene.clock.advance(1.0)
    scene.theirs.observe()
    assert scene.held == ["there", "unknown"]


def test_an_address_that_another_container_has_meanwhile_is_left_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.theirs.observe()
    scene.clock.advance(60.0)
    (scene.folder / "10.0.0.0").unlink()
    (scene.folder / "10.0.0.0").write_text("there\r\neth0", newline="")
    scene.theirs.observe()
    assert scene.held == ["there", "there", "unknown"]
