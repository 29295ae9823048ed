"""Connections that the kernel tracks in the calling network namespace: list them, delete them, put their state right.

After a change of policy the agent deletes what is denied now; the node's rules let no connection begin in the middle,
so that both ends find silence. Raw netlink (linux/netfilter/nfnetlink_conntrack.h); one dump per batch. Each connection
costs some microseconds: a node has tens of thousands.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from tandem.base.netlink import attribute, attributes, message, messages
from tandem.base.problems import DriverError
from tandem.state.ownership import ENDED_BY_DESTINATION, ENDED_BY_SOURCE

_NETLINK_NETFILTER: Final = 12
_SET: Final = 1 << 8
_GET: Final = (1 << 8) | 1
_DELETE: Final = (1 << 8) | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIGINAL, _REPLY, _STATUS, _PROTOINFO, _MARK = 1, 2, 3, 4, 8
_TCP, _STATE = 1, 1
"""Within what is said of the protocol (enum ctattr_protoinfo, ctattr_protoinfo_tcp)."""
_BEGUN: Final = frozenset({1, 2})
_ESTABLISHED: Final = 3
_OVER: Final = frozenset({7, 8})
"""SYN_SENT and SYN_RECV, ESTABLISHED, TIME_WAIT and CLOSE (enum tcp_conntrack)."""
_ASSURED: Final = 0x4
"""enum ip_conntrack_status."""
_ENDED: Final = ENDED_BY_SOURCE | ENDED_BY_DESTINATION
"""The same of a connection whose ends went the fast path."""
_NESTED: Final = 0x8000
_PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMP", 132: "SCTP"}
_AT_ONCE: Final = 64
"""Changes in one message: their answers must fit into a socket's buffer."""

End = tuple[str, int]
"""Address and port."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A tracked connection. `destination` and `port` are the real ones, after Service translation."""

    source: str
    destination: str
    protocol: str
    port: int
    dialled: str
    """The address that the source dialled: a Service's, or `destination` itself."""
    original: bytes
    """The kernel's key, as it came."""
    family: int
    dialled_port: int = 0
    """The port that the source dialled."""
    source_port: int = 0
    seen_as: End = ("", 0)
    """Whom the destination sees: the source, or the node where that is translated."""
    over: bool = False
    """TCP that both ends have closed: the kernel only remembers it."""
    hasty: bool = False
    """TCP that is established by the fast path, of which the kernel has only seen it begin."""


def connections(data: bytes) -> Iterator[Connection]:
    """The connections in what one receive of a dump returned. Pure."""
    for kind, body in messages(data):
        if kind != _GET & 0xFF00:  # IPCTNL_MSG_CT_NEW answers a dump
            continue
        found = dict(attributes(body[4:]))
        if _ORIGINAL not in found or _REPLY not in found:
            continue
        original, reply = found[_ORIGINAL], found[_REPLY]
        source, dialled, protocol, source_port, dialled_port = _tuple(original)
        destination, seen, _, port, seen_port = _tuple(reply)
        state = _state(found[_PROTOINFO]) if _PROTOINFO in found else 0
        yield Connection(
            source=source,
            destination=destination,
            protocol=protocol,
            port=port,
            dialled=dialled,
            original=original,
            family=body[0],
            dialled_port=dialled_port,
            source_port=source_port,
            seen_as=(seen, seen_port),
            over=state in _OVER or int.from_bytes(found.get(_MARK, b""), "big") & _ENDED == _ENDED,
            hasty=state in _BEGUN and bool(int.from_bytes(found.get(_STATUS, b""), "big") & _ASSURED),
        )


def _state(protoinfo: bytes) -> int:
    tcp = dict(attributes(dict(attributes(protoinfo)).get(_TCP, b"")))
    return tcp.get(_STATE, b"\0")[0]


def _tuple(data: bytes) -> tuple[str, str, str, int, int]:
    parts = dict(attributes(data))
    source, destination = _ends(parts.get(1, b""))
    proto = dict(attributes(parts.get(2, b"")))
    number = proto.get(1, b"\0")[0]
    return (
        source,
        destination,
        _PROTOCOLS.get(number, str(number)),
        int.from_bytes(proto.get(2, b""), "big"),
        int.from_bytes(proto.get(3, b""), "big"),
    )


@lru_cache(maxsize=1 << 15)
def _ends(data: bytes) -> tuple[str, str]:
    """Source and destination: the same pair comes again and again."""
    ip = dict(attributes(data))
    source, destination = (ip.get(1) or ip.get(3, b"\0" * 4)), (ip.get(2) or ip.get(4, b"\0" * 4))
    return str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination))


def tracked() -> list[Connection]:
    """Every tracked connection; raises DriverError."""
    with _socket() as sock:
        return _dump(sock)


def sample(most: int) -> list[Connection]:
    """Some tracked connections, about so many at most; raises DriverError."""
    with _socket() as sock:
        return _dump(sock, most)


def end(doomed: Iterable[Connection]) -> None:
    """Deletes these; fine if one has ended by itself. Raises DriverError."""
    _change(_DELETE, doomed)


def end_connections(denied: Callable[[Connection], bool]) -> int:
    """Deletes every tracked connection for which `denied` holds; the number of those."""
    doomed = [c for c in tracked() if denied(c)]
    end(doomed)
    return len(doomed)


def establish() -> int:
    """Tell the kernel what it has only seen begin, though it is established: for chains that are to judge it now.

    Returns how many; raises DriverError.
    """
    state = attribute(_STATE, bytes([_ESTABLISHED]))
    hasty = [c for c in tracked() if c.hasty]
    _change(_SET, hasty, attribute(_PROTOINFO | _NESTED, attribute(_TCP | _NESTED, state)))
    return len(hasty)


def forget_addresses(addresses: Iterable[str]) -> int:
    """Deletes the connections from, to, or dialled at these addresses: of pods that are gone."""
    gone = frozenset(addresses)
    return end_connections(lambda c: bool({c.source, c.destination, c.dialled} & gone)) if gone else 0


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def _dump(sock: socket.socket, most: int = sys.maxsize) -> list[Connection]:
    sock.send(message(_GET, _REQUEST | _DUMP, struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)))
    found: list[Connection] = []
    while len(found) < most:
        data = sock.recv(1 << 18)
        for kind, body in messages(data):
            if kind == _DONE:
                return found
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                raise DriverError(
                    f"conntrack: {os.strerror(code)}; root and the module nf_conntrack_netlink are needed"
                )
        found.extend(connections(data))
    return found


def _change(kind: int, them: Iterable[Connection], to: bytes = b"") -> None:
    left = list(them)
    with _socket() as sock:
        for start in range(0, len(left), _AT_ONCE):
            _ask(sock, kind, left[start : start + _AT_ONCE], to)


def _ask(sock: socket.socket, kind: int, them: Sequence[Connection], to: bytes) -> None:
    requests = (
        message(
            kind,
            _REQUEST | _ACK,
            struct.pack(">BBH", one.family, 0, 0) + attribute(_ORIGINAL | _NESTED, one.original) + to,
            sequence=number,
        )
        for number, one in enumerate(them)
    )
    sock.send(b"".join(requests))
    answered = 0
    while answered < len(them):
        for answers, answer in messages(sock.recv(1 << 16)):
            if answers != _ERROR:
                continue
            code, _, _, _, sequence = struct.unpack_from("=iIHHI", answer)
            answered += 1
            if -code not in {0, errno.ENOENT}:  # it may have ended by itself meanwhile
                one = them[sequence]
                what = "delete" if kind == _DELETE else "change"
                raise DriverError(f"conntrack: {what} {one.source} to {one.destination}: {os.strerror(-code)}")
