"""Packets that may be sent again; that they arrive is tested in tests/netns/test_names_on_kernel.py."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.problems import DriverError
from tandem.drivers.resend import checksum, opening, send_again
from unit.observe.test_nflog_wire import ipv4, ipv6

SYN, ACK = 0x02, 0x10
ENDS = "10.244.0.2", "192.0.2.1"


def tcp(flags: int = SYN, *, options: bytes = b"", sum_: int = 0xBEEF) -> bytes:
    offset = 5 + len(options) // 4
    return struct.pack(">HHIIBBHHH", 40000, 80, 7, 0, offset << 4, flags, 64240, sum_, 0) + options


def test_the_checksum_is_that_of_a_packet_known_to_be_right() -> None:
    # A SYN as it was seen on a wire: 192.168.0.1:1025 to 192.168.0.2:80.
    head = bytes.fromhex("c0a80001c0a80002") + struct.pack(">II", 20, 6)
    segment = struct.pack(">HHIIBBHHH", 1025, 80, 1, 0, 0x50, SYN, 8192, 0, 0)
    total = checksum(head + segment)
    whole = segment[:16] + struct.pack(">H", total) + segment[18:]
    assert checksum(head + whole) == 0
    assert checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7") == 0x220D  # RFC 1071, 3


@given(st.binary(max_size=60))
def test_any_packet_with_its_checksum_sums_up_to_nothing(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert checksum(even + struct.pack(">H", checksum(even))) == 0


@pytest.mark.parametrize("options", [b"", b"\x02\x04\x05\xb4" + b"\1" * 4])
def test_a_syn_is_sent_with_a_checksum_of_its_own(options: bytes) -> None:
    for packet, head in (
        (ipv4(*ENDS, 6, tcp(options=options)), 20),
        (ipv4(*ENDS, 6, tcp(options=options), options=b"\1" * 4), 24),
        (ipv6("fd00::2", "2001:db8::1", 6, tcp(options=options)), 40),
    ):
        found = opening(packet)
        assert found is not None
        assert found[:head] == packet[:head]
        assert found[head : head + 16] + found[head + 18 :] == packet[head : head + 16] + packet[head + 18 :]
        addresses = packet[12:20] if head < 40 else packet[8:40]
        segment = found[head:]
        assert checksum(addresses + struct.pack(">II", len(segment), 6) + segment) == 0


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        ipv4(*ENDS, 6, tcp(SYN | ACK)),
        ipv4(*ENDS, 6, tcp(ACK)),
        ipv4(*ENDS, 17, tcp()),
        ipv4(*ENDS, 6, tcp()[:18]),
        ipv4(*ENDS, 6, tcp())[:-1],
        ipv4(*ENDS, 6, tcp()) + b"\0",
        ipv6("fd00::2", "2001:db8::1", 60, tcp()),
    ],
)
def test_nothing_else_is(packet: bytes) -> None:
    assert opening(packet) is None


@given(st.binary(max_size=90))
def test_no_bytes_break_it(data: bytes) -> None:
    opening(data)


def test_a_namespace_that_is_gone_is_an_error() -> None:
    with pytest.raises(DriverError, match=r"network namespace /nowhere: not sent again to 192\.0\.2\.1"):
        send_again("/nowhere", ipv4(*ENDS, 6, tcp()), "192.0.2.1")
