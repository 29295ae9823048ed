"""Bytes of NFLOG messages."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from tandem.base.netlink import attribute, attributes
from tandem.observe.nflog_wire import (
    Tuple5,
    configure,
    error,
    five_tuple,
    messages,
    transport,
)


def ipv4(source: str, destination: str, protocol: int, rest: bytes = b"", options: bytes = b"") -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options + rest), 0, 0, 64, protocol, 0)
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return head + ends + options + rest


def ipv6(source: str, destination: str, protocol: int, rest: bytes) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(rest), protocol, 64)
    return head + ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + rest


def netlink(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_tcp_over_ipv4_with_options() -> None:
    packet = ipv4("10.0.0.1", "10.0.0.2", 6, struct.pack(">HH", 40000, 80), options=b"\1\1\1\1")
    assert five_tuple(packet) == Tuple5(
        source="10.0.0.1", destination="10.0.0.2", protocol="TCP", sport=40000, dport=80
    )


def test_udp_over_ipv6_behind_an_extension_header() -> None:
    rest = bytes([17, 0, 0, 0, 0, 0, 0, 0]) + struct.pack(">HH", 5, 53)
    assert five_tuple(ipv6("fd00::1", "fd00::2", 60, rest)) == Tuple5(
        source="fd00::1", destination="fd00::2", protocol="UDP", sport=5, dport=53
    )


def test_what_has_no_ports_has_port_0() -> None:
    assert five_tuple(ipv4("10.0.0.1", "10.0.0.2", 1, b"\x08\0\0\0")) == Tuple5(
        source="10.0.0.1", destination="10.0.0.2", protocol="ICMP"
    )
    cut = five_tuple(ipv4("10.0.0.1", "10.0.0.2", 6, b"\0"))
    assert cut is not None
    assert (cut.sport, cut.dport) == (0, 0)


def test_a_buffer_may_hold_several_messages() -> None:
    one = netlink(0x400, b"\2\0\0\0" + attribute(10, b"ps-a/ingress\0") + attribute(9, b"\x45"))
    assert [(m.prefix, m.payload) for m in messages(one + netlink(2, b"\0" * 4) + one)] == [
        ("ps-a/ingress", b"\x45")
    ] * 2


def test_an_acknowledgement_tells_the_error() -> None:
    assert error(netlink(2, struct.pack("=i", -16))) == 16
    assert error(netlink(2, struct.pack("=i", 0))) == 0


def test_configuration_binds_copies_and_delivers_soon() -> None:
    kinds = [next(attributes(m[20:]))[0] for m in configure(116)]
    assert kinds == [1, 2, 4]


@given(st.binary(max_size=120))
def test_any_bytes_are_survived(data: bytes) -> None:
    five_tuple(data)
    list(messages(data))
    list(messages(netlink(0x400, data)))
    error(netlink(2, data + b"\0" * 4))


def test_what_a_packet_carries_begins_behind_its_headers() -> None:
    assert transport(ipv4("10.0.0.1", "10.0.0.2", 17, b"rest", options=b"\1\1\1\1")) == (17, b"rest")
    assert transport(ipv6("fd00::1", "fd00::2", 60, bytes([17, *[0] * 7]) + b"rest")) == (17, b"rest")
    assert transport(b"\x45") is None


def test_packets_are_delivered_together_or_each_at_once() -> None:
    together, each = configure(7)[-1], configure(7, snaplen=4096, at_once=True)[-1]
    assert dict(attributes(together[20:])) == {4: struct.pack(">I", 1)}
    assert dict(attributes(each[20:])) == {5: struct.pack(">I", 1)}
