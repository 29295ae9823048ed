"""Copies of answers as messages; the socket is tested in tests/netns/test_names_on_kernel.py."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tandem.base.netlink import attribute
from tandem.observe.answers import messages_of, watch_answers
from unit.observe.test_nflog_wire import ipv4, ipv6, netlink

MESSAGE = b"any message"
UDP = struct.pack(">HHHH", 53, 40000, 8 + len(MESSAGE), 0)
TCP = struct.pack(">HHIIBBHHH", 53, 40000, 1, 1, 8 << 4, 0x18, 512, 0, 0) + b"\1" * 12
FRAMED = struct.pack(">H", len(MESSAGE)) + MESSAGE


def test_a_datagram_is_a_message() -> None:
    assert list(messages_of(ipv4("10.96.0.10", "10.244.0.2", 17, UDP + MESSAGE))) == [MESSAGE]
    assert list(messages_of(ipv6("fd00::a", "fd00::2", 17, UDP + MESSAGE))) == [MESSAGE]


def test_a_stream_has_messages_after_their_lengths() -> None:
    assert list(messages_of(ipv4("10.96.0.10", "10.244.0.2", 6, TCP + FRAMED))) == [MESSAGE]
    assert list(messages_of(ipv4("10.96.0.10", "10.244.0.2", 6, TCP + 2 * FRAMED))) == [MESSAGE, MESSAGE]


@pytest.mark.parametrize("rest", [TCP, TCP + FRAMED[:-1], TCP + b"\0", TCP[:12], b""])
def test_what_is_not_whole_is_not_there(rest: bytes) -> None:
    assert list(messages_of(ipv4("10.96.0.10", "10.244.0.2", 6, rest))) == []


@pytest.mark.parametrize("packet", [b"", b"\x45", ipv4("10.0.0.1", "10.0.0.2", 17, UDP), ipv4("::", "::", 1, b"")])
def test_other_packets_have_none(packet: bytes) -> None:
    assert list(messages_of(packet)) == []


def test_a_socket_that_always_has_something_leaves_others_their_turn() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    packet = ipv4("10.96.0.10", "10.244.0.2", 17, UDP + MESSAGE)
    logged = netlink(0x400, b"\2\0\0\0" + attribute(9, packet))
    seen: list[bytes] = []
    turns: list[int] = []

    async def others() -> None:
        while len(seen) < 5:
            turns.append(len(seen))
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch_answers(here, seen.append))
            await others()
            watching.cancel()

    with there:
        for _ in range(5):
            there.send(logged)
        asyncio.run(main())
    assert seen == [MESSAGE] * 5
    assert turns == [0, 1, 2, 3, 4]
