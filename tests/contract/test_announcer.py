"""What every Announcer does: the fake, and the real one in a namespace of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.drivers.announce.fake import FakeAnnouncer
from tandem.drivers.announce.frames import announcements
from tandem.drivers.announce.plan import Link
from tandem.drivers.announce.port import Announcer

PEERS: list[str] = []
"""The other end of the link of the newest real announcer."""
ONE, TWO, SIX, AWAY = "192.0.2.65", "192.0.2.66", "2001:db8::65", "198.51.100.1"


def somebody_else(announcer: Announcer, address: str) -> None:
    """Another host of the segment announces an address."""
    if isinstance(announcer, FakeAnnouncer):
        announcer.hear(address)
        return

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            for frame in announcements(address, b"\2\0\0\0\0\x77"):
                sock.sendto(frame, ("eth0", 0))

    in_netns(PEERS[-1], send)


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def announcer(request: pytest.FixtureRequest) -> Iterator[Announcer]:
    subnets = ("192.0.2.7/24", "2001:db8::7/64")
    if request.param == "fake":
        yield FakeAnnouncer([Link(index=2, name="eth0", mac=b"\2" * 6, subnets=subnets)])
        return
    from tandem.drivers.announce.real import KernelAnnouncer

    with lab() as spaces:
        node, other = spaces.add("node"), spaces.add("other")
        ip(node, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other.rpartition("/")[2])
        for subnet in subnets:
            ip(node, "address", "add", subnet, "dev", "eth0", *(["nodad"] if ":" in subnet else []))
        ip(node, "link", "set", "eth0", "up")
        ip(other, "link", "set", "eth0", "up")
        PEERS.append(other)
        ip(node, "link", "set", "lo", "up")
        ip(node, "address", "add", "198.51.100.1/24", "dev", "lo")
        made = KernelAnnouncer(node)
        yield made
        asyncio.run(made.close())


def test_exactly_what_is_wanted_is_held_and_what_is_new_is_told(announcer: Announcer) -> None:
    async def scene() -> None:
        first = await announcer.hold(frozenset({ONE, SIX}))
        assert first.taken == {ONE, SIX}
        assert not first.nowhere
        assert await announcer.owned() == (ONE, SIX)
        again = await announcer.hold(frozenset({ONE, TWO}))
        assert again.taken == {TWO}
        assert await announcer.owned() == (ONE, TWO)
        assert (await announcer.hold(frozenset({ONE, TWO}))).taken == frozenset()
        await announcer.announce(frozenset({ONE, TWO, SIX}))
        await announcer.hold(frozenset())
        assert await announcer.owned() == ()

    asyncio.run(scene())


def test_what_somebody_else_announces_is_contested_once_and_what_is_not_held_is_not(announcer: Announcer) -> None:
    async def scene() -> None:
        await announcer.hold(frozenset({ONE, SIX}))
        assert not await announcer.contested()
        await announcer.announce(frozenset({ONE, SIX}))
        assert not await announcer.contested(), "its own announcements are none"
        for address in (ONE, TWO, SIX):
            somebody_else(announcer, address)
        assert await announcer.contested() == {ONE, SIX}
        assert not await announcer.contested()

    asyncio.run(scene())


def test_an_address_outside_every_subnet_is_told_and_not_held(announcer: Announcer) -> None:
    async def scene() -> None:
        found = await announcer.hold(frozenset({ONE, AWAY}))
        assert found.taken == {ONE}
        assert found.nowhere == {AWAY}
        assert await announcer.owned() == (ONE,)

    asyncio.run(scene())
