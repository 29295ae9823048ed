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
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from typing import Final, NamedTuple, TypeVar

from tandem.base.addresses import FAMILIES, HOST_BITS, IPV4, IPV6, family
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.announce.ear import Ear
from tandem.drivers.announce.frames import announcements
from tandem.drivers.announce.plan import Link, Placed, place
from tandem.drivers.announce.port import LEASE_SECONDS, Holding
from tandem.drivers.link import rtnl
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link.plan import owns
from tandem.drivers.link.rtnl import Message
from tandem.state.ownership import ANNOUNCED_PROTOCOL, ROUTE_PROTOCOL

T = TypeVar("T")

ETHERNET: Final = 1
_AF: Final = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
IFA_CACHEINFO: Final = 6
PATIENCE: Final = 60.0
"""A loop that has not asked for so long is stuck, not busy: then its addresses run out."""
_GONE: Final = frozenset({errno.ENODEV, errno.EADDRNOTAVAIL})
_OURS: Final = frozenset({bytes([ROUTE_PROTOCOL]), bytes([ANNOUNCED_PROTOCOL])})


class _Known(NamedTuple):
    """An address that the kernel has, and who put it there."""

    link: int
    address: str
    bits: int
    mark: bytes


class KernelAnnouncer:
    """Announcer of one network namespace (`netns`: its path; empty: the process's own)."""

    def __init__(self, netns: str = "") -> None:
        self._netns = netns
        self._ears: dict[int, Ear] = {}
        self._links: dict[Link, frozenset[str]] = {}
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
            # Of a family that is not meant and was not before nothing is read: there may be a thousand addresses of it.
            versions = {family(address) for address in (addresses | self._wanted if self._links else addresses)}
            self._wanted, self._asked = addresses, time.monotonic()
            if addresses and self._renewer is None:
                self._renewer = threading.Thread(target=self._renew_in_netns, name="announcer", daemon=True)
                self._renewer.start()
            holding, self._links = _hold(addresses, versions if self._links else set(FAMILIES))
            return holding

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
        with self._lock:
            links = {link.index: link for link, held in self._links.items() if held}
            held = {link.index: held for link, held in self._links.items()}
        for gone in set(self._ears) - set(links):
            self._ears.pop(gone).close()
        found: set[str] = set()
        for index, link in links.items():
            ear = self._ears.get(index) or self._ears.setdefault(index, Ear(link.name))
            found |= {h.address for h in ear.heard() if h.mac != link.mac and h.address in held[index]}
        return frozenset(found)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return (
                await asyncio.to_thread(in_netns, self._netns, work) if self._netns else await asyncio.to_thread(work)
            )
        except OSError as err:
            raise DriverError(f"addresses of load balancers: {err.strerror or err}") from err


def _hold(addresses: frozenset[str], versions: Iterable[int]) -> tuple[Holding, dict[Link, frozenset[str]]]:
    """What was done, and each link with the addresses that it has now."""
    with closing(Rtnl()) as sock:
        known = _addresses(sock, versions)
        links, actual = _links(sock, known), _actual(known)
        placement = place(addresses, links)
        sock.batch([_address(p, add=False) for p in sorted(actual - placement.wanted)], ignore=_GONE)
        sock.batch([_address(p, add=True) for p in sorted(placement.wanted)], ignore=_GONE)
    taken = frozenset(placed.address for placed in placement.wanted - actual)
    held = {link: frozenset(p.address for p in placement.wanted if p.link == link.index) for link in links}
    return Holding(taken=taken, nowhere=placement.nowhere), held


def _put_again(addresses: frozenset[str]) -> None:
    with closing(Rtnl()) as sock:
        actual = _actual(_addresses(sock, {family(address) for address in addresses}))
        held = sorted(placed for placed in actual if placed.address in addresses)
        sock.batch([_address(placed, add=True) for placed in held], ignore=_GONE)


def _announce(addresses: frozenset[str]) -> None:
    with closing(Rtnl()) as sock:
        known = _addresses(sock, {family(address) for address in addresses})
        links = {link.index: link for link in _links(sock, known)}
        held = sorted(p for p in _actual(known) if p.address in addresses and p.link in links)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as packets:
        for placed in held:
            link = links[placed.link]
            for frame in announcements(placed.address, link.mac):
                packets.sendto(frame, (link.name, 0))


def _owned() -> tuple[str, ...]:
    with closing(Rtnl()) as sock:
        return tuple(sorted({placed.address for placed in _actual(_addresses(sock, FAMILIES))}))


def _addresses(sock: Rtnl, versions: Iterable[int]) -> list[_Known]:
    """Every address of these families but those of a link alone (RFC 4291, 2.5.6), which each pod's link has."""
    found: list[_Known] = []
    for version in sorted(versions):
        for (_, bits, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR, of=_AF[version]):
            raw = attrs.get(rtnl.IFA_LOCAL) or attrs.get(rtnl.IFA_ADDRESS) or b""
            if raw and raw[:2] != b"\xfe\x80":
                found.append(_Known(index, rtnl.ip_text(raw), bits, attrs.get(rtnl.IFA_PROTO, b"")))
    return found


def _links(sock: Rtnl, known: Iterable[_Known]) -> list[Link]:
    subnets: dict[int, list[str]] = {}
    for index, address, bits, mark in known:
        if mark not in _OURS and bits < HOST_BITS[family(address)]:
            subnets.setdefault(index, []).append(f"{address}/{bits}")
    found: list[Link] = []
    for index in sorted(subnets):
        if (told := sock.link(index)) is None:
            continue
        (_, kind, _, flags, _), attrs = told
        name, alias = (attrs.get(k, b"").rstrip(b"\0").decode() for k in (rtnl.IFLA_IFNAME, rtnl.IFLA_IFALIAS))
        if kind == ETHERNET and flags & rtnl.IFF_UP and not owns(name, alias):
            mac = attrs.get(rtnl.IFLA_ADDRESS, b"")
            found.append(Link(index=index, name=name, mac=mac, subnets=tuple(subnets[index])))
    return found


def _actual(known: Iterable[_Known]) -> set[Placed]:
    mark = bytes([ANNOUNCED_PROTOCOL])
    return {Placed(link=k.link, address=k.address) for k in known if k.mark == mark}


def _address(placed: Placed, *, add: bool) -> Message:
    raw, version = rtnl.ip_bytes(placed.address), family(placed.address)
    body = rtnl.ADDR.pack(_AF[version], HOST_BITS[version], 0, rtnl.SCOPE_GLOBAL, placed.link)
    body += rtnl.attr(rtnl.IFA_LOCAL, raw) + rtnl.attr(rtnl.IFA_ADDRESS, raw)
    if not add:
        return Message(type=rtnl.DELADDR, body=body, what=f"address {placed.address}")
    body += rtnl.attr(rtnl.IFA_PROTO, bytes([ANNOUNCED_PROTOCOL]))
    body += rtnl.attr(IFA_CACHEINFO, struct.pack("=IIII", 0, LEASE_SECONDS, 0, 0))
    if version == IPV6:
        body += rtnl.attr(rtnl.IFA_FLAGS, rtnl.u32(rtnl.IFA_F_NODAD | rtnl.IFA_F_NOPREFIXROUTE))
    flags = rtnl.CREATE | rtnl.REPLACE
    return Message(type=rtnl.NEWADDR, flags=flags, body=body, what=f"address {placed.address}")
