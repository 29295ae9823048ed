"""The fast path in the kernel: one program and its maps for each agent, and a filter at each link that runs it.

Filters hold the program and the program holds the maps, so links go on when the agent dies; a new agent makes all anew
and replaces each filter at once. What links and agents no longer hold is gone: there is nothing to sweep.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tandem.base.addresses import family
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.bpf import calls, filters, kernel
from tandem.drivers.bpf.port import Delta, Held
from tandem.drivers.bpf.program import END, LICENCE, Maps, compile_program
from tandem.drivers.link import rtnl
from tandem.drivers.link.attributes import number_of, text_of
from tandem.drivers.link.netlink import RefusedError, Rtnl, refused
from tandem.state.fastpath import FastEnd

T = TypeVar("T")

MOST: Final = 1 << 14
"""Addresses of one family."""
AT_ONCE: Final = 32
"""Links in one message to the kernel."""
NAME: Final = b"tandem_fast"
POSSIBLE: Final = Path("/sys/devices/system/cpu/possible")
THERE_ALREADY: Final = frozenset({errno.EEXIST})
NO_LINK: Final = frozenset({errno.ENODEV})
GONE: Final = NO_LINK | {errno.ENOENT, errno.EINVAL}
"""The link, its qdisc, or the filter."""
_HERE: Final = "/proc/thread-self/ns/net"
_COUNT: Final = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class _Loaded:
    program: int
    maps: Maps


class KernelFastPath:
    """FastPathDriver of the network namespace at `netns`."""

    def __init__(self, netns: str = _HERE) -> None:
        self._netns = netns
        self._sock: Rtnl | None = None
        self._eye: Rtnl | None = None
        """For looks alone."""
        self._loaded: _Loaded | None = None
        self._ends: set[FastEnd] = set()
        self._links: set[str] = set()
        self._earlier: set[str] = set()

    async def read(self) -> Held:
        """What this driver did, and what an earlier one left."""
        return await self._run(self._held, quick=self._sock is not None)

    async def apply(self, delta: Delta) -> bool:
        """Ends before filters: a program that takes over knows at once what the one before it knew."""
        return await self._run(lambda: self._apply(delta), quick=not (delta.put or delta.attach or delta.detach))

    async def is_bare(self, host_ifname: str) -> bool:
        """By a socket of its own: another thread may be attaching filters."""
        return await self._run(lambda: self._is_bare(host_ifname), quick=True)

    async def packets(self) -> int:
        """Of all processors."""
        return await self._run(self._packets, quick=True)

    def close(self) -> None:
        """Let go of everything; what links hold stays."""
        for sock in (self._sock, self._eye):
            if sock is not None:
                sock.close()
        if self._loaded is not None:
            for handle in (self._loaded.program, self._loaded.maps.count, *self._loaded.maps.ends.values()):
                os.close(handle)
        self._sock = self._eye = self._loaded = None

    async def _run(self, work: Callable[[], T], *, quick: bool) -> T:
        """In a thread of its own, but what is quick: that comes with each pod, and a change of threads costs more."""

        def guarded() -> T:
            try:
                return work()
            except OSError as error:
                raise DriverError(error.strerror or str(error)) from error

        return guarded() if quick else await asyncio.to_thread(guarded)

    def _netlink(self) -> Rtnl:
        """The first call looks for filters of an earlier driver."""
        if self._sock is None:
            self._sock = self._socket()
            self._earlier = set(_left(self._sock))
        return self._sock

    def _socket(self) -> Rtnl:
        return in_netns(self._netns, Rtnl) if self._netns != _HERE else Rtnl()

    def _is_bare(self, name: str) -> bool:
        if name not in self._links:
            return False
        sock = self._eye = self._eye or self._socket()
        link = sock.named(name)
        if link is None or any(map(filters.is_ours, _filters(sock, link[0][2], filters.INGRESS))):
            return False
        return name in self._links  # else it was just taken off

    def _held(self) -> Held:
        self._netlink()
        earlier = frozenset(self._earlier) - self._links
        return Held(ends=frozenset(self._ends), links=frozenset(self._links), earlier=earlier)

    def _apply(self, delta: Delta) -> bool:
        sock, bare = self._netlink(), False
        for name in delta.detach:
            mine = name in self._links
            self._links.discard(name)  # first: whoever looks meanwhile must not miss it
            try:
                bare |= _detach(sock, name, mine=mine)
            except OSError:
                self._links.update({name} if mine else ())
                raise
            self._earlier.discard(name)
        if not (self._loaded or delta.put or delta.attach):
            return bare
        loaded = self._loaded = self._loaded or self._load()
        for end in delta.drop:
            key = rtnl.ip_bytes(end.address)
            calls.drop(loaded.maps.ends[family(end.address)], key)
            self._ends.discard(end)
        for end in delta.put:
            found = sock.named(end.host_ifname)
            if found is not None:
                key = rtnl.ip_bytes(end.address)
                calls.put(loaded.maps.ends[family(end.address)], key, _element(end, *found))
                self._ends.add(end)
        self._attach(sock, delta.attach, loaded.program)
        return bare

    def _attach(self, sock: Rtnl, names: tuple[str, ...], program: int) -> None:
        for start in range(0, len(names), AT_ONCE):
            indices = {name: found[0][2] for name in names[start : start + AT_ONCE] if (found := sock.named(name))}
            sock.batch(map(filters.add_qdisc, indices.values()), ignore=THERE_ALREADY | NO_LINK)
            puts = {name: filters.put_filter(index, program) for name, index in indices.items()}
            # A link may go at any moment.
            went = {message.body for message, code in sock.results(puts.values()) if _is_gone(message, code)}
            self._links.update(name for name, message in puts.items() if message.body not in went)

    def _load(self) -> _Loaded:
        facts, modules = kernel.read_kernel() if self._netns == _HERE else in_netns(self._netns, kernel.read_kernel)
        maps = Maps(
            ends={
                version: calls.make_map(calls.HASH, b"%s%d" % (NAME, version), key=key, value=END.size, entries=MOST)
                for version, key in ((4, 4), (6, 16))
            },
            count=calls.make_map(calls.PER_CPU_ARRAY, NAME, key=4, value=_COUNT.size, entries=1),
        )
        try:
            program = calls.load_program(compile_program(facts, maps), NAME, LICENCE, modules)
        except OSError as error:
            for handle in (maps.count, *maps.ends.values()):
                os.close(handle)
            raise DriverError(f"the kernel does not take the program: {error.strerror}") from error
        finally:
            kernel.close(modules)
        return _Loaded(program, maps)

    def _packets(self) -> int:
        if self._loaded is None:
            return 0
        values = calls.get(self._loaded.maps.count, rtnl.u32(0), _COUNT.size * _processors())
        return sum(value for (value,) in _COUNT.iter_unpack(values))


def _is_gone(message: rtnl.Message, code: int) -> bool:
    """Why a message was refused: the link went. Raises RefusedError for every other reason."""
    if code not in NO_LINK:
        raise refused(message, code)
    return True


def _element(end: FastEnd, header: tuple[int, ...], attributes: rtnl.Attrs) -> bytes:
    mtu, host_mac = number_of(attributes, rtnl.IFLA_MTU), attributes[rtnl.IFLA_ADDRESS]
    return END.pack(header[2], mtu, rtnl.mac_bytes(end.mac), host_mac)


def _detach(sock: Rtnl, name: str, *, mine: bool) -> bool:
    """Take our filter off, and with the last filter what holds filters; false if the link is gone, or about to go.

    A link that is down is about to go, and takes this driver's filter (`mine`), which has no end any more, with it: to
    do that before would only be in the way of its removal.
    """
    found = sock.named(name)
    if found is None or (mine and not found[0][3] & rtnl.IFF_UP):
        return False
    index = found[0][2]
    sock.batch([filters.drop_filter(index)], ignore=GONE)
    if not any(_filters(sock, index, hook) for hook in (filters.INGRESS, filters.EGRESS)):
        sock.batch([filters.drop_qdisc(index)], ignore=GONE)
    return True


def _filters(sock: Rtnl, index: int, hook: int) -> list[rtnl.Attrs]:
    try:
        return [a for _, a in sock.dump(filters.GETFILTER, rtnl.QDISC, asked=filters.of_link(index, hook))]
    except RefusedError as error:
        if error.errno in GONE:
            return []
        raise


def _left(sock: Rtnl) -> list[str]:
    """Links that have a filter of ours."""
    found = []
    for (_, index, *_), attributes in sock.dump(rtnl.GETQDISC, rtnl.QDISC):
        if text_of(attributes, filters.TCA_KIND) == filters.KIND:
            link = sock.link(index)
            if link is not None and any(map(filters.is_ours, _filters(sock, index, filters.INGRESS))):
                found.append(text_of(link[1], rtnl.IFLA_IFNAME))
    return found


def _processors() -> int:
    """That a map per processor has a place for: `0-3,8`."""
    last = POSSIBLE.read_text(encoding="ascii").strip().rpartition(",")[2].rpartition("-")[2]
    return int(last) + 1
