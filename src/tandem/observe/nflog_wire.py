"""Bytes of the kernel's NFLOG messages -> values, and back for the configuration. Pure, no socket.

Wire format: linux/netlink.h, linux/netfilter/nfnetlink.h and nfnetlink_log.h; packet headers by RFC 791, 8200, 9293.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base import netlink
from tandem.base.netlink import attribute, attributes

ULOG: Final = 4
"""NFNL_SUBSYS_ULOG"""
_PACKET: Final = ULOG << 8
_CONFIG: Final = (ULOG << 8) | 1
_PAYLOAD: Final = 9
_PREFIX: Final = 10
_NLMSG_ERROR: Final = 2
_PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMP", 132: "SCTP"}
_EXTENSIONS: Final = frozenset({0, 43, 60})
"""IPv6 hop-by-hop options, routing, destination options: 8 + 8n bytes each."""


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A logged packet: the rule's prefix and the packet's beginning."""

    prefix: str
    payload: bytes


class Tuple5(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends what to whom; ports are 0 where the protocol has none."""

    source: str
    destination: str
    protocol: str
    sport: int = 0
    dport: int = 0


def messages(data: bytes) -> Iterator[Logged]:
    """The logged packets in what one receive returned; other messages are skipped."""
    for kind, body in netlink.messages(data):
        if kind == _PACKET:
            found = dict(attributes(body[4:]))
            prefix = found.get(_PREFIX, b"").rstrip(b"\0").decode(errors="replace")
            yield Logged(prefix=prefix, payload=found.get(_PAYLOAD, b""))


def error(data: bytes) -> int:
    """The errno in the acknowledgement of a configuration message; 0 for success."""
    for kind, body in netlink.messages(data):
        if kind == _NLMSG_ERROR:
            return int(-struct.unpack_from("=i", body)[0])
    return 0


def configure(group: int, *, snaplen: int = 128, at_once: bool = False) -> tuple[bytes, ...]:
    """The messages that bind a socket to a group: bind, copy the packet's beginning, deliver soon (or each at once)."""
    bind = attribute(1, b"\x01")  # NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND
    copy = attribute(2, struct.pack(">IBB", snaplen, 2, 0))  # NFULA_CFG_MODE: NFULNL_COPY_PACKET
    soon = attribute(4, struct.pack(">I", 1))  # NFULA_CFG_TIMEOUT, in hundredths of a second
    each = attribute(5, struct.pack(">I", 1))  # NFULA_CFG_QTHRESH
    return tuple(_config(group, part) for part in (bind, copy, each if at_once else soon))


def _config(group: int, attrs: bytes) -> bytes:
    body = struct.pack(">BBH", 0, 0, group) + attrs
    return netlink.message(_CONFIG, 0x5, body)  # NLM_F_REQUEST | NLM_F_ACK


def five_tuple(payload: bytes) -> Tuple5 | None:
    """The addresses and ports of an IPv4 or IPv6 packet; None for what is neither or too short."""
    found = transport(payload)
    if found is None:
        return None
    addresses = (payload[12:16], payload[16:20]) if payload[0] >> 4 == 4 else (payload[8:24], payload[24:40])
    return _tuple5(*addresses, *found)


def transport(payload: bytes) -> tuple[int, bytes] | None:
    """The protocol number that an IPv4 or IPv6 packet carries, and the packet from that header on; None: no packet."""
    version = payload[0] >> 4 if payload else 0
    if version == 4 and len(payload) >= 20:
        return payload[9], payload[(payload[0] & 15) * 4 :]
    if version == 6 and len(payload) >= 40:
        protocol, rest = payload[6], payload[40:]
        while protocol in _EXTENSIONS and len(rest) >= 8:
            protocol, rest = rest[0], rest[8 + rest[1] * 8 :]
        return protocol, rest
    return None


def _tuple5(source: bytes, destination: bytes, protocol: int, rest: bytes) -> Tuple5:
    name = _PROTOCOLS.get(protocol, str(protocol))
    has_ports = name in {"TCP", "UDP", "SCTP"} and len(rest) >= 4
    sport, dport = struct.unpack_from(">HH", rest) if has_ports else (0, 0)
    return Tuple5(
        source=str(ipaddress.ip_address(source)),
        destination=str(ipaddress.ip_address(destination)),
        protocol=name,
        sport=sport,
        dport=dport,
    )
