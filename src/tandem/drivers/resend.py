"""A packet that the node dropped is sent again out of its pod: the very same, as the pod's kernel does in a second.

It enters the node as any packet of the pod, and is judged as one. Only the first packet of a TCP connection is sent
again, and only if the whole of it is known.
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import Final

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError

_TCP: Final = 6
_OPENS: Final = 0x02
"""SYN among FIN, SYN, RST and ACK."""
_ASKED: Final = 0x17


def opening(packet: bytes) -> bytes | None:
    """The packet with a checksum of its own, if it opens a TCP connection and is whole; IPv6 without extensions.

    A pod's kernel leaves the sum to the device, and a veth carries packets without one.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        at, protocol = (packet[0] & 15) * 4, packet[9]
        (length,) = struct.unpack_from(">H", packet, 2)
        addresses = packet[12:20]
    elif version == 6 and len(packet) >= 40:
        at, protocol = 40, packet[6]
        length = 40 + int.from_bytes(packet[4:6], "big")
        addresses = packet[8:40]
    else:
        return None
    whole = length == len(packet) >= at + 20
    if not whole or protocol != _TCP or packet[at + 13] & _ASKED != _OPENS:
        return None
    segment = packet[at : at + 16] + b"\0\0" + packet[at + 18 :]
    # RFC 9293, 3.1; RFC 8200, 8.1: the sums of both pseudo headers are alike.
    total = checksum(addresses + struct.pack(">II", len(segment), _TCP) + segment)
    return packet[:at] + segment[:16] + struct.pack(">H", total) + segment[18:]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send_again(netns: str, packet: bytes, destination: str) -> None:
    """Out of the namespace at `netns`, by its routes; raises DriverError. Blocks for a moment."""
    domain = socket.AF_INET6 if ":" in destination else socket.AF_INET
    try:
        in_netns(netns, partial(_send, domain, packet, destination))
    except OSError as err:
        raise DriverError(f"network namespace {netns}: not sent again to {destination}: {err.strerror}") from err


def _send(domain: int, packet: bytes, destination: str) -> None:
    # Such a socket takes packets with their IP header (raw(7), ipv6(7)).
    with socket.socket(domain, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(packet, (destination, 0))
