"""The driver on the kernel: each call enters the pod's namespace in a thread of its own, which ends with it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link import read, rtnl
from tandem.drivers.link.messages import local_delivery
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link.plan import undelivered
from tandem.drivers.link.port import NetnsError
from tandem.drivers.link.rtnl import Message
from tandem.drivers.link.settings import NO_PATH_CHECK, unmet, write_settings
from tandem.drivers.nft.real import Libnftables
from tandem.state.foreign import Before, Redirection, Seen
from tandem.state.ownership import TABLES

T = TypeVar("T")

OWN_NETNS: Final = "/proc/thread-self/ns/net"
SYSCTL: Final = Path("/proc/sys")
THERE: Final = frozenset({errno.EEXIST})
GONE: Final = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL})


class KernelForeign(ForeignDriver):
    """ForeignDriver on rtnetlink. `node_netns` is the node's namespace, if not ours."""

    def __init__(self, node_netns: str = OWN_NETNS) -> None:
        self._node_netns = node_netns

    async def look(self, netns: str, ifname: str) -> Seen | None:
        """The interface as it is now."""
        return await self._inside(netns, lambda: _look(ifname))

    async def node_addresses(self) -> frozenset[str]:
        """Every address of the node itself."""
        return await _threaded(self._node_netns, _every_address)

    async def prepare(self, netns: str, wanted: Redirection) -> None:
        """Deliver marked packets inside."""
        await self._inside(netns, lambda: _prepare(wanted))

    async def restore(self, netns: str, before: Before) -> None:
        """Take out everything that is ours."""
        with suppress(NetnsError):
            await self._inside(netns, lambda: _restore(before))

    async def check(self, netns: str, wanted: Redirection) -> tuple[str, ...]:
        """What is missing."""
        return await self._inside(netns, lambda: _check(wanted))

    async def _inside(self, netns: str, work: Callable[[], T]) -> T:
        self._refuse_own(netns)
        return await _threaded(netns, work)

    def _refuse_own(self, netns: str) -> None:
        try:
            a, b = os.stat(netns), os.stat(self._node_netns)  # noqa: PTH116 - a magic link, which pathlib would resolve
        except OSError as error:
            raise NetnsError(f"network namespace {netns!r}: {error.strerror}") from error
        if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
            raise NetnsError(f"network namespace {netns!r} is the node's own")


async def _threaded(netns: str, work: Callable[[], T]) -> T:
    entered = False

    def guarded() -> T:
        nonlocal entered
        entered = True
        return work()

    try:
        return await asyncio.to_thread(in_netns, netns, guarded)
    except OSError as error:
        if not entered:
            raise NetnsError(f"network namespace {netns!r}: {error.strerror}") from error
        raise DriverError(error.strerror or str(error)) from error


def _look(ifname: str) -> Seen | None:
    sock = Rtnl()
    try:
        indexes = {name: (index, up) for name, index, up in read.links(sock)}
        if ifname not in indexes:
            return None
        index, up = indexes[ifname]
        addresses = frozenset(a for dev, a in read.addresses(sock) if dev == index and not _is_of_the_link(a))
    finally:
        sock.close()
    before = Before(
        settings=tuple((name, (SYSCTL / name).read_text().strip()) for name in sorted(map(_setting, _checked(ifname)))),
        lo_up=indexes["lo"][1],
    )
    return Seen(addresses=addresses, up=up, before=before)


def _setting(name: str) -> str:
    return f"net/ipv4/conf/{name}/rp_filter"


def _every_address() -> frozenset[str]:
    sock = Rtnl()
    try:
        return frozenset(address for _, address in read.addresses(sock))
    finally:
        sock.close()


def _is_of_the_link(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.version == 6 and parsed.is_link_local


def _checked(ifname: str) -> tuple[str, ...]:
    """Whose path check counts: the kernel takes the stricter of an interface's own and that of "all"."""
    return ("all", "lo", ifname)


def _prepare(wanted: Redirection) -> None:
    for name in _checked(wanted.ifname):
        write_settings(name, NO_PATH_CHECK)
    sock = Rtnl()
    try:
        sock.batch([rtnl.set_up(rtnl.LOOPBACK_INDEX), *local_delivery(wanted.versions, add=True)], ignore=THERE)
    finally:
        sock.close()


def _restore(before: Before) -> None:
    for table in TABLES:
        Libnftables(table=table).remove()
    sock = Rtnl()
    try:
        sock.batch(local_delivery(rtnl.versions(), add=False), ignore=GONE)
        if not before.lo_up:
            sock.batch([rtnl.set_down(rtnl.LOOPBACK_INDEX)])
            sock.batch([_automatic_address()], ignore=GONE)
    finally:
        sock.close()
    for name, value in before.settings:
        with suppress(FileNotFoundError):  # the other plugin's interface may be gone
            (SYSCTL / name).write_text(value)


def _automatic_address() -> Message:
    """127.0.0.1/8, which the kernel gives to `lo` when it comes up for the first time, and leaves there."""
    address = socket.inet_aton("127.0.0.1")
    body = rtnl.ADDR.pack(socket.AF_INET, 8, 0, rtnl.SCOPE_HOST, rtnl.LOOPBACK_INDEX)
    return Message(type=rtnl.DELADDR, body=body + rtnl.attr(rtnl.IFA_LOCAL, address), what="address of lo")


def _check(wanted: Redirection) -> tuple[str, ...]:
    sock = Rtnl()
    try:
        found = undelivered(wanted.versions, read.marks(sock), read.local_defaults(sock))
    finally:
        sock.close()
    return (*found, *unmet(dict.fromkeys(_checked(wanted.ifname), NO_PATH_CHECK)))
