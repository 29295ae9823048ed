"""Probes with raw ICMP sockets. The kernel of the other node answers: nothing of ours must listen there.

IP_PMTUDISC_PROBE sets "don't fragment" and ignores what the kernel has learnt of the path, so that each probe is a
measurement of its own. Only the way there is measured: an answer may be fragmented, and the other node asks by itself.
"""

from __future__ import annotations

import secrets
import select
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family
from tandem.base.problems import DriverError

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = 10, 23
PMTUDISC_PROBE: Final = 3
_ECHO: Final = struct.Struct("!BBHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """ICMP of one family: what a question and an answer look like."""

    domain: int
    protocol: int
    level: int
    option: int
    header: int
    """Bytes of the IP header that a question has."""
    ask: int
    answer: int


_WAYS: Final = {
    IPV4: _Way(
        domain=socket.AF_INET,
        protocol=socket.IPPROTO_ICMP,
        level=socket.IPPROTO_IP,
        option=IP_MTU_DISCOVER,
        header=20,
        ask=8,
        answer=0,
    ),
    IPV6: _Way(
        domain=socket.AF_INET6,
        protocol=socket.IPPROTO_ICMPV6,
        level=socket.IPPROTO_IPV6,
        option=IPV6_MTU_DISCOVER,
        header=40,
        ask=128,
        answer=129,
    ),
}


class RawProber:
    """Prober of the namespace of the calling thread."""

    def echo(self, sizes: Mapping[str, int], seconds: float) -> frozenset[str]:
        """Send to all at once, then listen until each has answered or the time is over."""
        mark = secrets.randbits(16)
        asked = dict(enumerate(sorted(sizes)))
        socks: dict[int, socket.socket] = {}
        try:
            for version in {family(address) for address in sizes}:
                socks[version] = _open(_WAYS[version])
            for number, address in asked.items():
                _send(socks[family(address)], address, sizes[address], mark=mark, number=number)
            return _answers(socks, asked, mark=mark, until=time.monotonic() + seconds)
        finally:
            for sock in socks.values():
                sock.close()


def _open(way: _Way) -> socket.socket:
    try:
        sock = socket.socket(way.domain, socket.SOCK_RAW | socket.SOCK_CLOEXEC, way.protocol)
        sock.setsockopt(way.level, way.option, PMTUDISC_PROBE)
    except OSError as err:
        raise DriverError(f"paths cannot be probed: {err.strerror}") from err
    sock.setblocking(False)
    return sock


def _send(sock: socket.socket, address: str, size: int, *, mark: int, number: int) -> None:
    way = _WAYS[family(address)]
    body = bytes(max(0, size - way.header - _ECHO.size))
    packet = _ECHO.pack(way.ask, 0, 0, mark, number) + body
    if way.domain == socket.AF_INET:  # of ICMPv6 the kernel makes the checksum
        packet = _ECHO.pack(way.ask, 0, _checksum(packet), mark, number) + body
    try:
        sock.sendto(packet, (address, 0))
    except OSError:
        return  # too long for this node's own interface, or no route: nobody answers


def _answers(
    socks: Mapping[int, socket.socket], asked: Mapping[int, str], *, mark: int, until: float
) -> frozenset[str]:
    found: set[str] = set()
    while len(found) < len(asked) and (left := until - time.monotonic()) > 0:
        for sock in select.select(list(socks.values()), [], [], left)[0]:
            version = next(v for v, s in socks.items() if s is sock)
            if (number := _number(sock.recv(1 << 16), version, mark)) in asked:
                found.add(asked[number])
    return frozenset(found)


def _number(packet: bytes, version: int, mark: int) -> int:
    """The number of the question that this answers; -1 if it is no answer to one of ours."""
    if version == IPV4:  # raw sockets of IPv4 are given the IP header, too
        packet = packet[(packet[0] & 0x0F) * 4 :]
    if len(packet) < _ECHO.size:
        return -1
    kind, _, _, theirs, number = _ECHO.unpack_from(packet)
    return int(number) if (kind, theirs) == (_WAYS[version].answer, mark) else -1


def _checksum(packet: bytes) -> int:
    """RFC 1071."""
    if len(packet) % 2:
        packet += b"\0"
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
