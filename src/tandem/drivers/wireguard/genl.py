"""Messages of the kernel's WireGuard over generic netlink (linux/wireguard.h), as bytes. Pure.

A change is one message where it fits; a peer with many prefixes goes on in the next, which then adds to it. An answer
to GET_DEVICE comes in parts, of which the next may go on with the peer that the one before ended with.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tandem.base.addresses import IPV6, family
from tandem.drivers.link.rtnl import attr, attrs, ip_bytes, ip_text, u32
from tandem.drivers.wireguard.keys import to_raw, to_text
from tandem.drivers.wireguard.port import Delta, Held
from tandem.state.wireguard import WireguardPeer

FAMILY: Final = "wireguard"
GET_DEVICE, SET_DEVICE = 0, 1
VERSION: Final = 1
GENL: Final = struct.Struct("=BBH")

DEVICE_IFNAME, DEVICE_PRIVATE_KEY, DEVICE_PUBLIC_KEY, DEVICE_LISTEN_PORT, DEVICE_PEERS = 2, 3, 4, 6, 8
PEER_PUBLIC_KEY, PEER_FLAGS, PEER_ENDPOINT, PEER_HANDSHAKE, PEER_ALLOWED = 1, 3, 4, 6, 9
REMOVE_ME, REPLACE_ALLOWED = 1, 2
ALLOWED_FAMILY, ALLOWED_ADDRESS, ALLOWED_BITS = 1, 2, 3
AF_INET, AF_INET6 = 2, 10
MOST: Final = 16_000
"""Bytes of peers in one message: an attribute may have 65,535."""
NESTED: Final = 0x8000


def set_messages(device: str, delta: Delta) -> Iterator[bytes]:
    """The bodies of the messages (with the generic header) that carry out a change."""
    head = attr(DEVICE_IFNAME, device.encode() + b"\0")
    own = b""
    if delta.key is not None:
        own += attr(DEVICE_PRIVATE_KEY, delta.key.reveal())
    if delta.port is not None:
        own += attr(DEVICE_LISTEN_PORT, struct.pack("=H", delta.port))
    gone = (attr(PEER_PUBLIC_KEY, to_raw(key)) + attr(PEER_FLAGS, u32(REMOVE_ME)) for key in delta.remove)
    put = (part for peer in delta.put for part in _peer(peer))
    batches = list(_batches([*gone, *put])) or [b""]
    for number, peers in enumerate(batches):
        body = head + (own if number == 0 else b"") + (attr(DEVICE_PEERS | NESTED, peers) if peers else b"")
        yield GENL.pack(SET_DEVICE, VERSION, 0) + body


def get_message(device: str) -> bytes:
    """The body of the message that asks for everything of a device; it is a dump."""
    return GENL.pack(GET_DEVICE, VERSION, 0) + attr(DEVICE_IFNAME, device.encode() + b"\0")


def parse(bodies: Iterable[bytes]) -> Held:
    """The parts of an answer (with the generic header) -> what the device has."""
    held, peers, handshakes = Held(), dict[str, WireguardPeer](), dict[str, int]()
    for body in bodies:
        found = attrs(body[GENL.size :])
        if DEVICE_PUBLIC_KEY in found:
            held = replace(held, key=to_text(found[DEVICE_PUBLIC_KEY]))
        if DEVICE_LISTEN_PORT in found:
            held = replace(held, port=struct.unpack("=H", found[DEVICE_LISTEN_PORT])[0])
        for entry in _list(found.get(DEVICE_PEERS, b"")):
            key = to_text(entry[PEER_PUBLIC_KEY])
            before = peers.get(key, WireguardPeer(key=key, address="", port=0))
            if PEER_ENDPOINT in entry:
                address, port = _endpoint(entry[PEER_ENDPOINT])
                before = replace(before, address=address, port=port)
            allowed = (*before.allowed, *map(_prefix, _list(entry.get(PEER_ALLOWED, b""))))
            peers[key] = replace(before, allowed=tuple(sorted(allowed)))
            if PEER_HANDSHAKE in entry:
                handshakes[key] = struct.unpack_from("=q", entry[PEER_HANDSHAKE])[0]
            handshakes.setdefault(key, 0)
    return replace(held, peers=tuple(sorted(peers.values())), handshakes=handshakes)


def _peer(peer: WireguardPeer) -> Iterator[bytes]:
    """A peer, in as many parts as it needs; only the first replaces what it had."""
    key = attr(PEER_PUBLIC_KEY, to_raw(peer.key))
    first = attr(PEER_FLAGS, u32(REPLACE_ALLOWED)) + attr(PEER_ENDPOINT, _sockaddr(peer))
    for part in _batches([_allowed(prefix) for prefix in peer.allowed]) if peer.allowed else (b"",):
        yield key + first + (attr(PEER_ALLOWED | NESTED, part) if part else b"")
        first = b""


def _batches(entries: list[bytes]) -> Iterator[bytes]:
    """Elements of a nested list, as many together as fit."""
    batch, number = b"", 0
    for entry in entries:
        if batch and len(batch) + len(entry) > MOST:
            yield batch
            batch, number = b"", 0
        batch += attr(number | NESTED, entry)
        number += 1
    if batch:
        yield batch


def _allowed(prefix: str) -> bytes:
    address, _, bits = prefix.partition("/")
    number = AF_INET6 if family(address) == IPV6 else AF_INET
    return (
        attr(ALLOWED_FAMILY, struct.pack("=H", number))
        + attr(ALLOWED_ADDRESS, ip_bytes(address))
        + attr(ALLOWED_BITS, bytes([int(bits)]))
    )


def _sockaddr(peer: WireguardPeer) -> bytes:
    """A sockaddr_in or sockaddr_in6."""
    raw = ip_bytes(peer.address)
    if family(peer.address) == IPV6:
        return struct.pack("=H", AF_INET6) + struct.pack(">HI", peer.port, 0) + raw + u32(0)
    return struct.pack("=H", AF_INET) + struct.pack(">H", peer.port) + raw + b"\0" * 8


def _endpoint(raw: bytes) -> tuple[str, int]:
    start, size = (8, 16) if struct.unpack_from("=H", raw)[0] == AF_INET6 else (4, 4)
    return ip_text(raw[start : start + size]), struct.unpack_from(">H", raw, 2)[0]


def _prefix(entry: dict[int, bytes]) -> str:
    return f"{ip_text(entry[ALLOWED_ADDRESS])}/{entry[ALLOWED_BITS][0]}"


def _list(data: bytes) -> Iterator[dict[int, bytes]]:
    """The elements of a nested list; their numbers mean nothing."""
    at = 0
    while at + 4 <= len(data):
        length = struct.unpack_from("=H", data, at)[0]
        if length < 4:
            return
        yield attrs(data[at + 4 : at + length])
        at += (length + 3) & ~3
