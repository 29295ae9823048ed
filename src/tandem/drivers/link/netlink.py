"""A socket of rtnetlink: batches with acknowledgements, dumps as (header, attributes).

A batch is one system call: the kernel works through it in order and answers each message; the first refusal is raised
with the words of the message that was refused.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from tandem.drivers.link.rtnl import (
    ACK,
    DONE,
    DUMP,
    ERROR,
    GETLINK,
    GETNETCONF,
    GETQDISC,
    IFF_RUNNING,
    IFLA_IFNAME,
    LINK,
    NETCONFA_IFINDEX,
    NETCONFA_IFINDEX_ALL,
    NETCONFA_RP_FILTER,
    NEWLINK,
    REQUEST,
    VERSION,
    Message,
    attr,
    attrs,
)

_HEADER: Final = struct.Struct("=IHHII")
_SOL_NETLINK, _STRICT = 270, 12
_WITHOUT_FAMILY: Final = frozenset({GETLINK, GETQDISC})


class RefusedError(OSError):
    """The kernel's answer to one message of a batch: errno, and which message."""


def refused(message: Message, code: int) -> RefusedError:
    """The error for a message that was refused with this errno."""
    return RefusedError(code, f"{message.what}: {os.strerror(code)}")


class Rtnl:
    """A netlink socket of the namespace in which it was made, whichever thread uses it later."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def batch(self, messages: Iterable[Message], *, ignore: frozenset[int] = frozenset()) -> None:
        """Send all in one system call; raises RefusedError for the first that failed, but for the errnos to ignore."""
        for message, code in self.results(messages):
            if code not in ignore:
                raise refused(message, code)

    def results(self, messages: Iterable[Message]) -> list[tuple[Message, int]]:
        """Send all in one system call; returns those that the kernel refused, in their order, with its errno."""
        sent: dict[int, Message] = {}
        data = b""
        for message in messages:
            self._sequence += 1
            sent[self._sequence] = message
            head = _HEADER.pack(16 + len(message.body), message.type, REQUEST | ACK | message.flags, self._sequence, 0)
            data += head + message.body + b"\0" * (-len(message.body) % 4)
        if not sent:
            return []
        self._socket.send(data)
        found = []
        while sent:
            for kind, sequence, body in self._receive():
                if kind != ERROR or sequence not in sent:
                    continue
                code = -struct.unpack_from("=i", body)[0]
                message = sent.pop(sequence)
                if code:
                    found.append((message, code))
        return found

    def dump(
        self, kind: int, header: struct.Struct, *, of: int = 0, asked: bytes = b"", by_kernel: bool = False
    ) -> list[tuple[tuple[int, ...], dict[int, bytes]]]:
        """Every object of a kind, of both families of IP or of family `of`: its header's fields, and its attributes.

        `asked`: the header of the request, where it says more than the family. `by_kernel`: the kernel takes it for a
        condition of what it tells, and refuses one that it does not know.
        """
        self._socket.setsockopt(_SOL_NETLINK, _STRICT, by_kernel)
        self._sequence += 1
        body = asked or bytes([of]) + b"\0" * (header.size - 1)
        self._socket.send(_HEADER.pack(16 + len(body), kind, REQUEST | DUMP, self._sequence, 0) + body)
        found: list[tuple[tuple[int, ...], dict[int, bytes]]] = []
        while True:
            for answer, sequence, data in self._receive():
                if sequence != self._sequence:
                    continue
                if answer == DONE:
                    return found
                if answer == ERROR:
                    code = -struct.unpack_from("=i", data)[0]
                    raise RefusedError(code, f"dump {kind}: {os.strerror(code)}")
                # Others are tables of multicast routing and MPLS.
                if kind in _WITHOUT_FAMILY or data[0] in {of, *VERSION}:
                    found.append((header.unpack_from(data), attrs(data[header.size :])))

    def is_running(self, name: str) -> bool:
        """True once a link can transmit. Asking for one link, not a dump, makes kernels from 6.8 on settle it first."""
        found = self.named(name)
        return found is not None and bool(found[0][3] & IFF_RUNNING)

    def link(self, index: int) -> tuple[tuple[int, ...], dict[int, bytes]] | None:
        """One link, as `dump` gives it; None if it is gone. Where there are hundreds a dump costs milliseconds."""
        return self._link(LINK.pack(0, 0, index, 0, 0))

    def named(self, name: str) -> tuple[tuple[int, ...], dict[int, bytes]] | None:
        """The same by its name."""
        return self._link(LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0"))

    def _link(self, body: bytes) -> tuple[tuple[int, ...], dict[int, bytes]] | None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(16 + len(body), GETLINK, REQUEST, self._sequence, 0) + body)
        while True:
            for kind, sequence, data in self._receive():
                if sequence == self._sequence:
                    return (LINK.unpack_from(data), attrs(data[LINK.size :])) if kind == NEWLINK else None

    def path_check_of_all(self) -> int:
        """The setting `all.rp_filter` of the namespace; the kernel takes the stricter of it and a link's own."""
        self._sequence += 1
        body = bytes([socket.AF_INET, 0, 0, 0]) + attr(NETCONFA_IFINDEX, struct.pack("=i", NETCONFA_IFINDEX_ALL))
        self._socket.send(_HEADER.pack(16 + len(body), GETNETCONF, REQUEST, self._sequence, 0) + body)
        while True:
            for kind, sequence, data in self._receive():
                if sequence != self._sequence:
                    continue
                if kind == ERROR:
                    code = -struct.unpack_from("=i", data)[0]
                    raise RefusedError(code, f"path check of all links: {os.strerror(code)}")
                return int(struct.unpack("=i", attrs(data[4:])[NETCONFA_RP_FILTER])[0])

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        # The kernel fills no more than 32 KiB at once; what is asked for is allocated anew each time.
        data, at = self._socket.recv(1 << 16), 0
        while at < len(data):
            length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data, at)
            yield kind, sequence, data[at + 16 : at + length]
            at += (length + 3) & ~3
