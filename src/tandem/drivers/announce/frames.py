"""The frames that tell neighbours who has an address: gratuitous ARP and unsolicited neighbour advertisements. Pure."""

from __future__ import annotations

import socket
import struct
from typing import Final

from tandem.base.addresses import IPV6, family

ARP: Final = 0x0806
IPV6_TYPE: Final = 0x86DD
_BROADCAST: Final = b"\xff" * 6
_ALL_NODES: Final = "ff02::1"
_ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
_ADVERTISEMENT: Final = 136
_OVERRIDE: Final = 0x20000000
_TARGET_LINK: Final = 2
_ICMPV6: Final = 58


def announcements(address: str, mac: bytes) -> tuple[bytes, ...]:
    """Whole Ethernet frames: for IPv4 a request and a reply (hosts differ in which they heed), for IPv6 one frame."""
    if family(address) == IPV6:
        return (_advertisement(address, mac),)
    return (_arp(address, mac, operation=1), _arp(address, mac, operation=2))


def _arp(address: str, mac: bytes, *, operation: int) -> bytes:
    """RFC 5227, section 3: sender and target address are the same; broadcast."""
    raw = socket.inet_aton(address)
    target = mac if operation == 2 else b"\0" * 6
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + raw + target + raw
    return _BROADCAST + mac + struct.pack("!H", ARP) + body


def _advertisement(address: str, mac: bytes) -> bytes:
    """RFC 4861, sections 4.4 and 7.2.6: to all nodes, with the override flag and the link-layer address."""
    source, target = socket.inet_pton(socket.AF_INET6, address), socket.inet_pton(socket.AF_INET6, _ALL_NODES)
    option = struct.pack("!BB", _TARGET_LINK, 1) + mac
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + source + option
    pseudo = source + target + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = struct.pack("!IHBB", 0x60000000, len(message), _ICMPV6, 255) + source + target
    return _ALL_NODES_MAC + mac + struct.pack("!H", IPV6_TYPE) + head + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
