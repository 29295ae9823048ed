"""Conntrack dumps as values; the kernel's side is tested in tests/netns/test_policy_kernel.py."""

from __future__ import annotations

import ipaddress
import socket
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.netlink import attribute
from tandem.base.netns import in_fresh_netns
from tandem.observe.conntrack import connections, forget_addresses, sample, tracked


def _tuple(source: str, destination: str, sport: int, dport: int) -> bytes:
    ends = (ipaddress.ip_address(a).packed for a in (source, destination))
    kinds = (1, 2) if "." in source else (3, 4)
    ip = b"".join(attribute(k, a) for k, a in zip(kinds, ends, strict=True))
    ports = attribute(2, struct.pack(">H", sport)) + attribute(3, struct.pack(">H", dport))
    return attribute(0x8001, ip) + attribute(0x8002, attribute(1, b"\x06") + ports)


def _message(original: bytes, reply: bytes, state: int | None = None, mark: int = 0, status: int = 0) -> bytes:
    body = b"\x02\0\0\0" + attribute(0x8001, original) + attribute(0x8002, reply)
    if state is not None:
        body += attribute(0x8004, attribute(0x8001, attribute(1, bytes([state]))))
    if status:
        body += attribute(3, struct.pack(">I", status))
    if mark:
        body += attribute(8, struct.pack(">I", mark))
    return struct.pack("=IHHII", 16 + len(body), 0x100, 2, 0, 0) + body


def test_the_real_destination_is_where_replies_come_from() -> None:
    original = _tuple("10.244.0.3", "10.96.0.20", 40000, 80)
    (found,) = connections(_message(original, _tuple("10.244.0.2", "10.244.0.3", 8080, 40000)))
    assert (found.source, found.destination, found.port, found.protocol) == ("10.244.0.3", "10.244.0.2", 8080, "TCP")
    assert (found.dialled, found.original) == ("10.96.0.20", original)


def test_ipv6_is_read() -> None:
    one, two = _tuple("fd00::1", "fd00::2", 1, 2), _tuple("fd00::2", "fd00::1", 2, 1)
    (found,) = connections(_message(one, two))
    assert (found.source, found.destination, found.port) == ("fd00::1", "fd00::2", 2)


def test_both_ends_are_read_as_they_are_and_as_the_destination_sees_them() -> None:
    original = _tuple("10.244.0.3", "10.96.0.20", 40000, 80)
    (found,) = connections(_message(original, _tuple("10.244.0.2", "10.244.0.1", 8080, 1234)))
    assert (found.source_port, found.dialled_port, found.seen_as) == (40000, 80, ("10.244.0.1", 1234))


@pytest.mark.parametrize(("state", "over"), [(None, False), (3, False), (4, False), (7, True), (8, True)])
def test_a_connection_of_tcp_may_be_over(state: int | None, over: bool) -> None:  # noqa: FBT001
    pair = _tuple("10.244.0.3", "10.244.0.2", 1, 2), _tuple("10.244.0.2", "10.244.0.3", 2, 1)
    (found,) = connections(_message(*pair, state))
    assert found.over is over


@pytest.mark.parametrize(
    ("mark", "over"), [(1 << 28, False), (1 << 29, False), (3 << 28, True), (3 << 28 | 1, True), (0x1FFFF, False)]
)
def test_it_is_over_when_both_ends_ended_it_by_the_fast_path(mark: int, over: bool) -> None:  # noqa: FBT001
    pair = _tuple("10.244.0.3", "10.244.0.2", 1, 2), _tuple("10.244.0.2", "10.244.0.3", 2, 1)
    (found,) = connections(_message(*pair, 3, mark))
    assert found.over is over


@pytest.mark.parametrize(
    ("state", "status", "hasty"),
    [(1, 0x8, False), (1, 0xA, False), (1, 0xE, True), (2, 0xE, True), (2, 0xA, False), (3, 0xE, False)],
)
def test_it_is_hasty_where_the_kernel_saw_no_more_than_the_beginning(state: int, status: int, *, hasty: bool) -> None:
    pair = _tuple("10.244.0.3", "10.244.0.2", 1, 2), _tuple("10.244.0.2", "10.244.0.3", 2, 1)
    (found,) = connections(_message(*pair, state, status=status))
    assert found.hasty is hasty


def test_no_address_needs_no_kernel() -> None:
    assert forget_addresses(()) == 0


@given(st.binary(max_size=80))
def test_foreign_messages_are_skipped(data: bytes) -> None:
    assert list(connections(struct.pack("=IHHII", 16 + len(data), 0x200, 0, 0, 0) + data)) == []


@pytest.mark.root
def test_a_sample_is_a_part_of_many_and_all_of_few() -> None:
    def look() -> tuple[int, int, int]:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Loading the rule is what makes the kernel track connections in a new namespace.
        rule = "add table t; add chain t c { type filter hook input priority 0; }; add rule t c ct state new accept"
        subprocess.run(["nft", rule], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for port in range(20000, 23000):
                sender.sendto(b"x", ("127.0.0.1", port))
        return len(sample(500)), len(sample(1 << 20)), len(tracked())

    some, many, whole = in_fresh_netns(look)
    assert 500 <= some < 1500
    assert many == whole >= 3000
