"""Envoy's connections inside pods' namespaces: closed where policy no longer allows them, or where the pod ends.

In: a pod's namespace, and which connections: by their two ends, as the pod has them, or all. Out: closed sockets, of
which the other end is told by a reset. Of a pod outside the mesh nothing is closed where policy changes: it finds
silence. Where the kernel cannot close sockets (CONFIG_INET_DIAG_DESTROY) nothing happens, and Envoy gives up by itself
after TCP_USER_TIMEOUT. Raw netlink (linux/sock_diag.h, linux/inet_diag.h).

Sockets are closed by the kernel's cookie of one that was found. By its ends alone the kernel would look for a
connection first and, where that has ended meanwhile, close the socket that *listens* there.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeVar

from tandem.base.netlink import message, messages
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError

T = TypeVar("T")

End = tuple[str, int]
"""Address and port."""
Pair = tuple[End, End]
"""The pod's own end of a connection, and the other."""

_SOCK_DIAG: Final = 4
"""NETLINK_SOCK_DIAG."""
_FIND, _DESTROY = 20, 21
"""SOCK_DIAG_BY_FAMILY and SOCK_DESTROY."""
_REQUEST_ACK, _REQUEST_DUMP = 0x5, 0x301
_ERROR, _DONE = 2, 3
_LISTEN, _TIME_WAIT = 10, 6
_CONNECTED: Final = 0xFFF & ~(1 << _LISTEN | 1 << _TIME_WAIT)
"""Every state but those two (linux/tcp_states.h): one bit for each."""
_OPEN: Final = 1 << 1 | 1 << 8
"""ESTABLISHED and CLOSE_WAIT: this end has not said that it is over."""
_GONE: Final = frozenset({0, errno.ENOENT, errno.ESTALE, errno.EOPNOTSUPP})
"""Done; ended by itself; another socket by now; a kernel that cannot."""
_ID: Final = slice(4, 52)
"""struct inet_diag_sockid in an inet_diag_msg: ends, interface and cookie."""


def abort(netns: str, pairs: Collection[Pair]) -> None:
    """Close the TCP connections between these ends that the namespace has; raises DriverError."""
    if not pairs:
        return
    wanted = {_ends(own, other) for own, other in pairs}
    _inside(netns, lambda: _abort(_CONNECTED, lambda found: found[:36] in wanted))


def abort_open(netns: str) -> None:
    """Close all of those; raises DriverError."""
    _inside(netns, lambda: _abort(_OPEN, lambda _: True))


def _inside(netns: str, work: Callable[[], T]) -> T:
    try:
        return in_netns(netns, work)
    except OSError as err:
        raise DriverError(f"sockets of {netns}: {err.strerror}") from err


def _ends(own: End, other: End) -> bytes:
    """As a sockid begins: both ports, both addresses."""
    addresses = (ipaddress.ip_address(address).packed for address in (own[0], other[0]))
    return struct.pack(">HH16s16s", own[1], other[1], *addresses)


def _abort(states: int, doomed: Callable[[bytes], bool]) -> None:
    found = [one for one in _each(states) if doomed(one[1])]
    with _diag() as sock:
        for family, one in found:
            sock.send(_request(_DESTROY, _REQUEST_ACK, family, one, states))
            for kind, body in messages(sock.recv(4096)):
                _check(kind, body)


def _each(states: int) -> Iterator[tuple[int, bytes]]:
    """Family and sockid of each connection in one of these states."""
    with _diag() as sock:
        for family in (socket.AF_INET, socket.AF_INET6):
            sock.send(_request(_FIND, _REQUEST_DUMP, family, bytes(48), states))
            for one in _found(sock):
                yield family, one


def _diag() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG)


def _found(sock: socket.socket) -> Iterator[bytes]:
    """The sockids of a dump."""
    while True:
        for kind, body in messages(sock.recv(1 << 16)):
            if kind == _DONE:
                return
            _check(kind, body)
            yield body[_ID]


def _check(kind: int, body: bytes) -> None:
    code = -int(struct.unpack_from("=i", body)[0]) if kind == _ERROR else 0
    if code not in _GONE:
        raise OSError(code, os.strerror(code))


def _request(kind: int, flags: int, family: int, sockid: bytes, states: int) -> bytes:
    """A struct inet_diag_req_v2 about TCP."""
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, states) + sockid
    return message(kind, flags, body)
