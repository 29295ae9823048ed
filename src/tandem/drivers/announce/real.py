"""Announcer on the kernel: rtnetlink for the addresses, a packet socket for what the neighbours are told.

An address of ours carries ANNOUNCED_PROTOCOL and a lifetime. `hold` renews it, and a thread does where the agent's loop
is busy for longer: ten thousand Services are seconds of work. It is deprecated from the beginning, so
that the node itself never speaks from it (IPv6 chooses sources by that; an IPv4 /32 is no candidate beside a subnet).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from typing import Final, TypeVar

from tandem.base.addresses import HOST_BITS, IPV6, family
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.announce.ear import Ear
from tandem.drivers.announce.frames import announcements
from tandem.drivers.announce.plan import Link, Placed, place
from tandem.drivers.announce.port import LEASE_SECONDS, Holding
from tandem.drivers.link import rtnl
from tandem.drivers.link.plan import owns
from tandem.drivers.link.rtnl import Message, Rtnl
from tandem.state.ownership import ANNOUNCED_PROTOCOL, ROUTE_PROTOCOL

T = TypeVar("T")

ETHERNET: Final = 1
IFA_CACHEINFO: Final = 6
PATIENCE: Final = 60.0
"""A loop that has not asked for so long is stuck, not busy: then its addresses run out."""
_GONE: Final = frozenset({errno.ENODEV, errno.EADDRNOTAVAIL})
_OURS: Final = frozenset({bytes([ROUTE_PROTOCOL]), bytes([ANNOUNCED_PROTOCOL])})


class KernelAnnouncer:
    """Announcer of one network namespace (`netns`: its path; empty: the process's own)."""

    def __init__(self, netns: str = "") -> None:
        self._netns = netns
        self._ears: dict[int, Ear] = {}
        self._lock = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._asked = 0.0
        self._renewer: threading.Thread | None = None
        self._closing = threading.Event()

    async def hold(self, addresses: frozenset[str]) -> Holding:
        """Put the addresses on their links, or renew them; take others of ours away."""
        return await self._run(partial(self._hold, addresses))

    async def announce(self, addresses: frozenset[str]) -> None:
        """Send the frames for those of these that are on a link."""
        await self._run(partial(_announce, addresses))

    async def contested(self) -> frozenset[str]:
        """What others announced of what is on our links; listening begins with the first call."""
        return await self._run(self._contested)

    async def owned(self) -> tuple[str, ...]:
        """What carries our mark."""
        return await self._run(_owned)

    async def close(self) -> None:
        """Close what `contested` listens with, and renew nothing any more."""
        self._closing.set()
        if self._renewer is not None:
            await asyncio.to_thread(self._renewer.join)
        while self._ears:
            self._ears.popitem()[1].close()

    def _hold(self, addresses: frozenset[str]) -> Holding:
        with self._lock:
            self._wanted, self._asked = addresses, time.monotonic()
            if addresses and self._renewer is None:
                self._renewer = threading.Thread(target=self._renew_in_netns, name="announcer", daemon=True)
                self._renewer.start()
            return _hold(addresses)

    def _renew_in_netns(self) -> None:
        if self._netns:
            in_netns(self._netns, self._renew)
        else:
            self._renew()

    def _renew(self) -> None:
        while not self._closing.wait(LEASE_SECONDS / 5):
            with self._lock, suppress(OSError):
                silence = time.monotonic() - self._asked
                if LEASE_SECONDS / 4 < silence < PATIENCE:
                    _put_again(self._wanted)

    def _contested(self) -> frozenset[str]:
        with closing(Rtnl()) as sock:
            held = _actual(sock)
            links = {link.index: link for link in _links(sock) if any(p.link == link.index for p in held)}
        for gone in set(self._ears) - set(links):
            self._ears.pop(gone).close()
        found: set[str] = set()
        for index, link in links.items():
            ear = self._ears.get(index) or self._ears.setdefault(index, Ear(link.name))
            heard = {h.address for h in ear.heard() if h.mac != link.mac}
            found |= {p.address for p in held if p.link == index and p.address in heard}
        return frozenset(found)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return (
                await asyncio.to_thread(in_netns, self._netns, work) if self._netns else await asyncio.to_thread(work)
            )
        except OSError as err:
            raise DriverError(f"addresses of load balancers: {err.strerror or err}") from err


def _hold(addresses: frozenset[str]) -> Holding:
    with closing(Rtnl()) as sock:
        placement = place(addresses, _links(sock))
        actual = _actual(sock)
        sock.batch([_address(p, add=False) for p in sorted(actual - placement.wanted)], ignore=_GONE)
        sock.batch([_address(p, add=True) for p in sorted(placement.wanted)], ignore=_GONE)
    taken = frozenset(placed.address for placed in placement.wanted - actual)
    return Holding(taken=taken, nowhere=placement.nowhere)


def _put_again(addresses: frozenset[str]) -> None:
    with closing(Rtnl()) as sock:
        held = sorted(placed for placed in _actual(sock) if placed.address in addresses)
        sock.batch([_address(placed, add=True) for placed in held], ignore=_GONE)


def _announce(addresses: frozenset[str]) -> None:
    with closing(Rtnl()) as sock:
        links = {link.index: link for link in _links(sock)}
        held = sorted(p for p in _actual(sock) if p.address in addresses and p.link in links)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as packets:
        for placed in held:
            link = links[placed.link]
            for frame in announcements(placed.address, link.mac):
                packets.sendto(frame, (link.name, 0))


def _owned() -> tuple[str, ...]:
    with closing(Rtnl()) as sock:
        return tuple(sorted({placed.address for placed in _actual(sock)}))


def _links(sock: Rtnl) -> list[Link]:
    subnets: dict[int, list[str]] = {}
    for (_, bits, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR):
        raw = attrs.get(rtnl.IFA_LOCAL) or attrs.get(rtnl.IFA_ADDRESS)
        if raw and attrs.get(rtnl.IFA_PROTO) not in _OURS and bits < 8 * len(raw):
            subnets.setdefault(index, []).append(f"{rtnl.ip_text(raw)}/{bits}")
    found: list[Link] = []
    for (_, kind, index, flags, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        name, alias = (attrs.get(k, b"").rstrip(b"\0").decode() for k in (rtnl.IFLA_IFNAME, rtnl.IFLA_IFALIAS))
        if kind == ETHERNET and flags & rtnl.IFF_UP and index in subnets and not owns(name, alias):
            mac = attrs.get(rtnl.IFLA_ADDRESS, b"")
            found.append(Link(index=index, name=name, mac=mac, subnets=tuple(subnets[index])))
    return found


def _actual(sock: Rtnl) -> set[Placed]:
    return {
        Placed(link=index, address=rtnl.ip_text(attrs.get(rtnl.IFA_LOCAL) or attrs[rtnl.IFA_ADDRESS]))
        for (_, _, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR)
        if attrs.get(rtnl.IFA_PROTO) == bytes([ANNOUNCED_PROTOCOL])
    }


def _address(placed: Placed, *, add: bool) -> Message:
    raw, version = rtnl.ip_bytes(placed.address), family(placed.address)
    af = socket.AF_INET6 if version == IPV6 else socket.AF_INET
    body = rtnl.ADDR.pack(af, HOST_BITS[version], 0, rtnl.SCOPE_GLOBAL, placed.link)
    body += rtnl.attr(rtnl.IFA_LOCAL, raw) + rtnl.attr(rtnl.IFA_ADDRESS, raw)
    if not add:
        return Message(type=rtnl.DELADDR, body=body, what=f"address {placed.address}")
    body += rtnl.attr(rtnl.IFA_PROTO, bytes([ANNOUNCED_PROTOCOL]))
    body += rtnl.attr(IFA_CACHEINFO, struct.pack("=IIII", 0, LEASE_SECONDS, 0, 0))
    if version == IPV6:
        body += rtnl.attr(rtnl.IFA_FLAGS, rtnl.u32(rtnl.IFA_F_NODAD | rtnl.IFA_F_NOPREFIXROUTE))
    flags = rtnl.CREATE | rtnl.REPLACE
    return Message(type=rtnl.NEWADDR, flags=flags, body=body, what=f"address {placed.address}")
