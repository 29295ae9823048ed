"""Policy about ports, and packets that hide them: fragments that overlap or are tiny, headers of IPv6 in between."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from builders import pod, policy, world
from netns.pods import Lab
from nodeviews import ifname_of, view_of
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables

pytestmark = pytest.mark.root

WEB4, WEB6 = "10.244.0.2", "fd00:10:244::2"
CLIENT4, CLIENT6 = "10.244.0.3", "fd00:10:244::3"
WEB = pod("web", ip=(WEB4, WEB6), app="web")
CLIENT = pod("client", ip=(CLIENT4, CLIENT6), app="client")
OPEN, CLOSED = 53, 5353
POLICY = policy(
    "dns", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"ports": [{"protocol": "UDP", "port": OPEN}]}]
)
HOP, UDP, ROUTING, FRAGMENT, OPTIONS = 0, 17, 43, 44, 60
PADDING = bytes([1, 4, 0, 0, 0, 0])
"""Six bytes of nothing (PadN): with the two before them a header is eight long."""
MORE = 1


class Wire:
    """What the client puts on its link as it stands, and whom of web it gets to."""

    def __init__(self, lab: Lab) -> None:
        places = ((lab.node, ifname_of(CLIENT)), (lab.netns_of(CLIENT), "eth0"))
        macs = [lab.run(netns, f"cat /sys/class/net/{link}/address") for netns, link in places]
        self._macs = b"".join(bytes.fromhex(mac.strip().replace(":", "")) for mac in macs)
        self._link = in_netns(lab.netns_path(CLIENT), _link)
        self._ears = [in_netns(lab.netns_path(WEB), partial(_ear, port)) for port in (OPEN, CLOSED)]

    def send(self, *packets: bytes) -> set[int]:
        """The ports of web that hear of it."""
        for packet in packets:
            self._link.send(self._macs + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet)
        found = set()
        for sock in self._ears:
            with contextlib.suppress(TimeoutError):
                sock.recv(2048)
                found.add(sock.getsockname()[1])
        return found

    def close(self) -> None:
        for sock in (self._link, *self._ears):
            sock.close()


def _link() -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind(("eth0", 0))
    return sock


def _ear(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", port))
    sock.settimeout(0.25)
    return sock


def checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data + bytes(len(data) % 2)) // 2}H", data + bytes(len(data) % 2)))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)


def udp(port: int, data: bytes = b"x" * 24) -> bytes:
    """With the right sum for IPv6; one for IPv4 has none."""
    head = struct.pack("!HHHH", 4000, port, 8 + len(data), 0)
    ends = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (CLIENT6, WEB6))
    told = checksum(ends + struct.pack("!II", len(head) + len(data), UDP) + head + data)
    return head[:6] + told + data


def six(*headers: tuple[int, bytes], last: tuple[int, bytes]) -> bytes:
    """A packet of IPv6: headers of a kind, each without the kind that follows, and what is last."""
    kinds = [kind for kind, _ in (*headers, last)]
    body = b"".join(bytes([after]) + rest for (_, rest), after in zip(headers, kinds[1:], strict=True)) + last[1]
    ends = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (CLIENT6, WEB6))
    return struct.pack("!IHBB", 6 << 28, len(body), kinds[0], 64) + ends + body


def piece(offset: int, more: int = 0, number: int = 7) -> tuple[int, bytes]:
    """A fragment header; the offset in bytes."""
    return FRAGMENT, struct.pack("!BHI", 0, offset | more, number)


def four(data: bytes, offset: int = 0, more: int = 0, number: int = 7) -> bytes:
    """A packet of IPv4, or a fragment of one."""
    length, where = 20 + len(data), offset // 8 | more << 13
    head = struct.pack("!BBHHHBBH", 0x45, 0, length, number, where, 64, UDP, 0)
    head += socket.inet_aton(CLIENT4) + socket.inet_aton(WEB4)
    return head[:10] + checksum(head) + head[12:] + data


def plain(port: int) -> bytes:
    """A datagram of IPv4 without a sum."""
    return struct.pack("!HHHH", 4000, port, 32, 0) + b"x" * 24


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    lab = Lab()
    try:
        lab.start()
        lab.attach(WEB)
        lab.attach(CLIENT)
        driver = Libnftables(lab.path)
        driver.apply(plan(driver.read(), compile_nft(view_of(world(WEB, CLIENT, POLICY)))))
        with contextlib.closing(Wire(lab)) as made:
            yield made
    finally:
        lab.stop()


PAD = bytes([0]) + PADDING
Way = Callable[[int], list[bytes]]
SIX: dict[str, Way] = {
    "plainly": lambda port: [six(last=(UDP, udp(port)))],
    "options": lambda port: [six((OPTIONS, PAD), last=(UDP, udp(port)))],
    "hop by hop": lambda port: [six((HOP, PAD), last=(UDP, udp(port)))],
    "many headers": lambda port: [six((HOP, PAD), *[(OPTIONS, PAD)] * 20, last=(UDP, udp(port)))],
    "an atomic fragment": lambda port: [six(piece(0), last=(UDP, udp(port)))],
    "options in a fragment": lambda port: [six(piece(0), (OPTIONS, PAD), last=(UDP, udp(port)))],
    "eight bytes each": lambda port: [
        six(piece(at, MORE if at < 24 else 0), last=(UDP, udp(port)[at : at + 8])) for at in range(0, 32, 8)
    ],
    "the last first": lambda port: [
        six(piece(at, MORE if at < 16 else 0), last=(UDP, udp(port)[at : at + 16])) for at in (16, 0)
    ],
    "the port in the second": lambda port: [
        six(piece(0, MORE), last=(OPTIONS, bytes([UDP]) + PAD)),
        six(piece(8), last=(OPTIONS, udp(port))),
    ],
}
FOUR: dict[str, Way] = {
    "plainly": lambda port: [four(plain(port))],
    "eight bytes each": lambda port: [four(plain(port)[at : at + 8], at, at < 24, number=8) for at in range(0, 32, 8)],
    "the last first": lambda port: [four(plain(port)[at : at + 16], at, at < 16, number=9) for at in (16, 0)],
}
WAYS = {**{f"IPv6, {name}": way for name, way in SIX.items()}, **{f"IPv4, {name}": way for name, way in FOUR.items()}}
REFUSED = {"IPv6, the port in the second"}
"""By the kernel (RFC 7112: the first fragment has every header)."""


@pytest.mark.parametrize("way", WAYS)
def test_the_port_that_counts_is_the_one_that_arrives(wire: Wire, way: str) -> None:
    assert wire.send(*WAYS[way](CLOSED)) == set()
    assert wire.send(*WAYS[way](OPEN)) == {OPEN} or way in REFUSED


def overlapping(first: int, second: int) -> dict[str, list[bytes]]:
    """A datagram whose beginning is said twice, with different ports."""
    begins, again = plain(first)[:16], plain(second)[:16]
    six_begins, six_again = udp(first)[:16], udp(second)[:16]
    rest = plain(first)[16:]
    return {
        "IPv4": [four(begins, 0, MORE, 11), four(again, 0, MORE, 11), four(rest, 16, 0, 11)],
        "IPv4, by half": [four(begins, 0, MORE, 12), four(again[:8], 0, MORE, 12), four(rest, 16, 0, 12)],
        "IPv6": [
            six(piece(0, MORE, 11), last=(UDP, six_begins)),
            six(piece(0, MORE, 11), last=(UDP, six_again)),
            six(piece(16, 0, 11), last=(UDP, rest)),
        ],
        "IPv6, by half": [
            six(piece(0, MORE, 12), last=(UDP, six_begins)),
            six(piece(0, MORE, 12), last=(UDP, six_again[:8])),
            six(piece(16, 0, 12), last=(UDP, rest)),
        ],
    }


@pytest.mark.parametrize("kind", overlapping(OPEN, CLOSED))
def test_what_is_said_twice_reaches_no_port_that_is_closed(wire: Wire, kind: str) -> None:
    for ports in ((OPEN, CLOSED), (CLOSED, OPEN)):
        assert CLOSED not in wire.send(*overlapping(*ports)[kind])
