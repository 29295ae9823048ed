"""In which pods links, addresses, routes, rules or settings of them change, by the kernel's own word.

Port, real one and fake. What changed, a look at the pod tells better, and only that knows what of it is ours: a pod's
own user may add what it likes. So nothing is told apart here, our own changes neither. What happens to a host end, or
to the node's route to a pod, counts as happening in that pod.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from tandem.base.netns import OWN_NETNS
from tandem.base.problems import DriverError
from tandem.drivers.link.rtnl import (
    DELNEIGH,
    DELNETCONF,
    DELROUTE,
    NDA_DST,
    NEIGH,
    NETCONFA_IFINDEX,
    NEWNEIGH,
    NEWNETCONF,
    NEWROUTE,
    ROUTE,
    RTA_DST,
    RTA_OIF,
    attrs,
    ip_text,
)
from tandem.drivers.pods_socket import PodsSocket

_GROUPS: Final = (1, 3, 4, 5, 7, 8, 9, 11, 19, 24, 25)
"""RTNLGRP_ of links, neighbours, queues; addresses, routes and rules of IPv4 and IPv6; settings (linux/rtnetlink.h)."""
_BUFFER: Final = 1 << 20
_ALL: Final = -1
"""NETCONFA_IFINDEX_ALL (linux/netconf.h)."""
_HEADER: Final = struct.Struct("=IHHIi")
_PROC: Final = Path("/proc")


class Culprit(msgspec.Struct, frozen=True):
    """Who asked the kernel for a change; empty where it was not asked by netlink, or the process has ended since."""

    process: str = ""
    pid: int = 0


NOBODY: Final = Culprit()


class PodLinksWatch(Protocol):
    """Of all namespaces that are followed."""

    def follow(self, netns: str, host_ifname: str, addresses: Collection[str]) -> None:
        """Hear of it, of its host end (empty: none) and of routes to these addresses; raises DriverError."""

    def leave(self, netns: str) -> None:
        """Hear of it no more."""

    async def touched(self) -> Mapping[str, Culprit]:
        """Namespaces in which something changed since this was last asked, once there is one.

        All of them where the kernel said more than could be read. Raises DriverError if it does not tell.
        """

    def close(self) -> None:
        """Listen no more."""


class KernelPodLinksWatch:
    """PodLinksWatch on rtnetlink; `gateways` are the neighbours that pods have of us, others come and go.

    `node` is a path to the node's namespace, which is that of the calling thread.
    """

    def __init__(self, gateways: Collection[str], *, node: str = OWN_NETNS) -> None:
        self._node = node
        self._gateways = frozenset(gateways)
        self._socket = PodsSocket(socket.NETLINK_ROUTE, _GROUPS, buffer=_BUFFER)
        self._followed: dict[str, tuple[str, ...]] = {}
        """What each has on the node: its host end, its addresses."""
        self._on_node: dict[str, str] = {}
        """The same the other way round."""
        self._indexes: dict[int, str] = {}
        """Namespaces by the number of the host end, which stays where somebody gives it another name."""

    def follow(self, netns: str, host_ifname: str, addresses: Collection[str]) -> None:
        """Hear of it."""
        try:
            self._socket.follow(self._node)
            self._socket.follow(netns)
        except OSError as err:
            raise DriverError(f"changes of {netns} cannot be watched: {err.strerror}") from err
        self._followed[netns] = (host_ifname, *addresses) if host_ifname else ()
        self._on_node.update(dict.fromkeys(self._followed[netns], netns))
        with suppress(OSError):  # there is none, and a new one will be heard of by its name
            self._indexes[socket.if_nametoindex(host_ifname)] = netns

    def leave(self, netns: str) -> None:
        """Hear of it no more."""
        self._socket.leave(netns)
        for name in self._followed.pop(netns, ()):
            if self._on_node.get(name) == netns:  # else another pod has the address by now
                del self._on_node[name]
        self._indexes = {index: known for index, known in self._indexes.items() if known != netns}

    async def touched(self) -> Mapping[str, Culprit]:
        """Where something changed, by whom."""
        found: dict[str, Culprit] = {}
        try:
            while not found:
                await self._socket.readable()
                self._take(found)
        except OSError as err:
            raise DriverError(f"changes of links in pods cannot be watched: {err.strerror}") from err
        return found

    def _take(self, found: dict[str, Culprit]) -> None:
        """Whatever is there."""
        try:
            for place, data in self._socket.read():
                netns = self._pod_of(data) if place == self._node else place if self._matters(data) else ""
                if netns and not found.get(netns, NOBODY).pid:
                    found[netns] = culprit(_HEADER.unpack_from(data)[4], place)
        except OSError as err:
            if err.errno != errno.ENOBUFS:
                raise
            found.update(dict.fromkeys(self._followed - found.keys(), NOBODY))

    def _pod_of(self, data: bytes) -> str:
        """Whose host end, or whose address, something on the node is about; empty: nobody's."""
        kind, body = _HEADER.unpack_from(data)[1], data[_HEADER.size :]
        if kind in {NEWROUTE, DELROUTE}:
            found = attrs(body[ROUTE.size :])
            address = found.get(RTA_DST, b"")
            if netns := self._on_node.get(ip_text(address), "") if len(address) in {4, 16} else "":
                return netns
            index = found.get(RTA_OIF, b"")
        elif kind in {NEWNETCONF, DELNETCONF}:
            index = attrs(body[4:]).get(NETCONFA_IFINDEX, b"")
        else:  # links, addresses, neighbours and queues have it in one place
            index = body[4:8]
        number = int.from_bytes(index, sys.byteorder, signed=True)
        if number == _ALL:
            return next(iter(self._followed), "")  # the node's own: a look at any pod finds it
        return self._on_node.get(_name_of(number)) or self._indexes.get(number, "")

    def _matters(self, data: bytes) -> bool:
        kind = _HEADER.unpack_from(data)[1]
        if kind not in {NEWNEIGH, DELNEIGH}:
            return True
        raw = attrs(data[_HEADER.size + NEIGH.size :]).get(NDA_DST, b"")
        return len(raw) in {4, 16} and ip_text(raw) in self._gateways

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


def _name_of(number: int) -> str:
    """Of an interface of the node; one that is gone has none, but then the pod's end has told of it."""
    try:
        return socket.if_indextoname(number) if number > 0 else ""
    except OSError:
        return ""


def culprit(port: int, netns: str) -> Culprit:
    """The process behind a netlink port, which is its number unless it has several, or numbers of its own.

    One that is not in the pod's namespace is somebody else by the same number.
    """
    if port <= 0:
        return NOBODY
    place = _PROC / str(port)
    try:
        if os.stat(place / "ns" / "net").st_ino != os.stat(netns).st_ino:  # noqa: PTH116 - pathlib would resolve it
            return NOBODY
        return Culprit(process=(place / "comm").read_text().strip(), pid=port)
    except OSError:
        return NOBODY


class FakePodLinksWatch:
    """PodLinksWatch that tells what a test says."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Mapping[str, Culprit] | DriverError] = asyncio.Queue()
        self.followed: set[str] = set()
        self.refused: set[str] = set()
        """Namespaces that cannot be followed."""

    def happen(self, what: Mapping[str, Culprit] | DriverError) -> None:
        """Something changes in these namespaces, or the kernel refuses to tell."""
        self._queue.put_nowait(what)

    def follow(self, netns: str, host_ifname: str, addresses: Collection[str]) -> None:
        """Remember it."""
        del host_ifname, addresses
        if netns in self.refused:
            raise DriverError(f"changes of {netns} cannot be watched: refused")
        self.followed.add(netns)

    def leave(self, netns: str) -> None:
        """Forget it."""
        self.followed.discard(netns)

    async def touched(self) -> Mapping[str, Culprit]:
        """The next thing that happened."""
        found = await self._queue.get()
        if isinstance(found, DriverError):
            raise found
        return found

    def close(self) -> None:
        """Nothing to close."""
