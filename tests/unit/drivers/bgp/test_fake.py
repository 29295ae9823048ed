"""What tests can make the fake do; what it has in common with BIRD is in tests/contract/test_bgp.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.bgp.fake import FakeBgp
from tandem.drivers.bgp.port import BgpError, Session
from tandem.state.bgp import BgpPeer, BgpSpeaker

PEER = BgpPeer(name="a", title="node a", local="192.0.2.1", address="192.0.2.2", as_number=64512)
SPEAKER = BgpSpeaker(router_id="192.0.2.1", as_number=64512, peers=(PEER,))


def test_the_next_call_fails_and_changes_nothing() -> None:
    fake = FakeBgp()
    fake.fail_next(BgpError("no answer"))
    with pytest.raises(BgpError, match="no answer"):
        asyncio.run(fake.configure(SPEAKER))
    assert fake.speaker is None
    asyncio.run(fake.configure(SPEAKER))
    assert fake.speaker == SPEAKER


def test_a_session_is_as_it_was_told() -> None:
    fake = FakeBgp()
    asyncio.run(fake.configure(SPEAKER))
    up = Session(name="a", state="Established", accepted=1)
    fake.tell(up)
    assert asyncio.run(fake.sessions()) == (up,)
