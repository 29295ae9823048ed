"""The node's answers to questions of pods, as the kernel copies them -> DNS messages. Opens the socket of the copies.

Only what the node itself sends reaches the rule that copies, and only what goes to pods whose policy is about names
(`compile/nft/domains.py`). A copy that is lost delays what is learned of it; nothing waits for this.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final

from tandem.observe import nflog_wire
from tandem.observe.nflog import open_log, read_log
from tandem.state.ownership import NAMES_GROUP

LARGEST: Final = 0xFF00
"""Bytes of a packet that are asked for; the rule that copies says how many there are."""
_TCP, _UDP = 6, 17


def open_answers() -> socket.socket:
    """A non-blocking socket to which each answer is copied at once; raises DriverError if the kernel refuses."""
    return open_log(NAMES_GROUP, snaplen=LARGEST, at_once=True)


def messages_of(packet: bytes) -> Iterator[bytes]:
    """The whole DNS messages in an IP packet (RFC 1035, 4.2); the rest of one that is cut is not there."""
    protocol, rest = nflog_wire.transport(packet) or (0, b"")
    if protocol == _UDP and len(rest) > 8:
        yield rest[8:]
    elif protocol == _TCP and len(rest) >= 20:
        stream = rest[(rest[12] >> 4) * 4 :]
        while len(stream) > 2:
            (length,) = struct.unpack_from(">H", stream)
            if length > len(stream) - 2:
                return
            yield stream[2 : 2 + length]
            stream = stream[2 + length :]


async def watch_answers(sock: socket.socket, emit: Callable[[bytes], object]) -> None:
    """Gives every copied message to `emit`, until cancelled; closes the socket."""

    def take(logged: nflog_wire.Logged) -> None:
        for message in messages_of(logged.payload):
            emit(message)

    await read_log(sock, take)
