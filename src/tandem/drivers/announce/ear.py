"""Hears when somebody else announces an address: gratuitous ARP and neighbour advertisements on a link.

Two sockets that the kernel filters: what is no announcement is never handed to this process.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tandem.drivers.announce.frames import ARP
from tandem.drivers.link import rtnl

ADVERTISEMENT: Final = 136
MOST: Final = 256
"""So many are read in one go: a flood must not keep its reader for ever."""
_TARGET_LINK: Final = 2
_SO_ATTACH_FILTER: Final = 26
_ICMPV6_FILTER: Final = 1
# Classic BPF over an Ethernet frame: taken if sender and target protocol address of ARP are the same.
_GRATUITOUS: Final = (
    (0x20, 0, 0, 28),
    (0x07, 0, 0, 0),
    (0x20, 0, 0, 38),
    (0x1D, 0, 1, 0),
    (0x06, 0, 0, 64),
    (0x06, 0, 0, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Somebody with this MAC address says that it has the address."""

    address: str
    mac: bytes


class Ear:
    """Sockets on one link of the network namespace in which it was made; `close` ends it."""

    def __init__(self, link: str) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._arp = socket.socket(socket.AF_PACKET, flags)
        _attach(self._arp)
        self._arp.bind((link, ARP))
        self._six = socket.socket(socket.AF_INET6, flags, socket.IPPROTO_ICMPV6)
        blocked = [0xFFFFFFFF] * 8
        blocked[ADVERTISEMENT >> 5] &= ~(1 << (ADVERTISEMENT & 31)) & 0xFFFFFFFF
        self._six.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *blocked))
        self._six.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())

    def close(self) -> None:
        """Close both sockets."""
        self._arp.close()
        self._six.close()

    def heard(self) -> list[Heard]:
        """What came since the last call, of each kind MOST at once."""
        return [*self._frames(), *self._advertisements()]

    def _frames(self) -> Iterator[Heard]:
        with suppress(BlockingIOError):
            for _ in range(MOST):
                frame = self._arp.recv(64)
                if len(frame) >= 42 and frame[12:16] == b"\x08\x06\0\1":
                    yield Heard(address=rtnl.ip_text(frame[28:32]), mac=frame[22:28])

    def _advertisements(self) -> Iterator[Heard]:
        with suppress(BlockingIOError):
            for _ in range(MOST):
                data = self._six.recv(256)
                if len(data) >= 32 and data[24:26] == bytes([_TARGET_LINK, 1]):
                    yield Heard(address=rtnl.ip_text(data[8:24]), mac=data[26:32])


def _attach(sock: socket.socket) -> None:
    code = b"".join(struct.pack("=HBBI", *step) for step in _GRATUITOUS)
    held = ctypes.create_string_buffer(code)
    program = struct.pack("=HxxxxxxQ", len(_GRATUITOUS), ctypes.addressof(held))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
