from __future__ import annotations

from tandem.drivers.announce.fake import FakeAnnouncer
from tandem.drivers.announce.port import Announcer
from tandem.drivers.announce.real import KernelAnnouncer


def test_fake_and_real_are_both_announcers() -> None:
    both: list[Announcer] = [FakeAnnouncer([]), KernelAnnouncer()]
    assert all(hasattr(each, word) for each in both for word in ("hold", "announce", "owned"))
