"""An Announcer without a kernel: links are given, addresses and what neighbours were told are kept for tests."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.drivers.announce.plan import Link, Placed, place
from tandem.drivers.announce.port import Holding
from tandem.drivers.failing import Failing


class FakeAnnouncer(Failing):
    """Places addresses as the kernel's does. Time does not pass: nothing expires."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._links = tuple(links)
        self._held: frozenset[Placed] = frozenset()
        self._heard: set[str] = set()
        self.told: list[str] = []
        """Every address that was announced, in order, once for each link."""

    async def hold(self, addresses: frozenset[str]) -> Holding:
        """Hold exactly these."""
        self.may_fail()
        placement = place(addresses, self._links)
        taken = frozenset(placed.address for placed in placement.wanted - self._held)
        self._held = placement.wanted
        return Holding(taken=taken, nowhere=placement.nowhere)

    async def announce(self, addresses: frozenset[str]) -> None:
        """Note what would be sent."""
        self.may_fail()
        self.told += [placed.address for placed in sorted(self._held) if placed.address in addresses]

    def hear(self, address: str) -> None:
        """Somebody else announces an address."""
        self._heard.add(address)

    async def contested(self) -> frozenset[str]:
        """What was heard of what is held."""
        self.may_fail()
        found = frozenset(self._heard) & {placed.address for placed in self._held}
        self._heard.clear()
        return found

    async def owned(self) -> tuple[str, ...]:
        """What is held."""
        self.may_fail()
        return tuple(sorted({placed.address for placed in self._held}))

    async def close(self) -> None:
        """Nothing is open."""
