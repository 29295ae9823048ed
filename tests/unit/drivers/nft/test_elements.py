"""Which transactions are written by our own hand; that the kernel takes them as meant is a contract test."""

from __future__ import annotations

import struct

from tandem.drivers.nft.elements import answers, batch, expected
from tandem.drivers.nft.plan import AddChain, AddElements, DeleteElements, Delta, Operation
from tandem.state import nft

PEERS = nft.Set(name="peers", type=("ipv4_addr",))
ONE = frozenset({("10.0.0.1",)})


def made(*operations: Operation) -> bytes | None:
    return batch(Delta(operations=operations), "tandem", "inet")


def test_elements_of_plain_sets_and_of_maps_to_verdicts_and_counters_are() -> None:
    verdicts = nft.Map(name="pods", type=("ipv6_addr",))
    counters = nft.Map(name="by", type=("ipv4_addr",), data=("counter",))
    counted = made(AddElements(counters, frozenset({(("10.0.0.1",), ("ok-1",))})))
    assert counted is not None
    assert b"ok-1\0" in counted
    found = made(DeleteElements(PEERS, ONE), AddElements(verdicts, frozenset({(("fd00::1",), nft.Jump("judge"))})))
    assert found is not None
    assert expected(found) == 2
    for part in (b"peers\0", bytes([10, 0, 0, 1]), b"pods\0", b"judge\0", struct.pack("!i", -3)):
        assert part in found


def test_everything_else_is_left_to_libnftables() -> None:
    interval = nft.Set(name="i", type=("ipv4_addr",), interval=True)
    data = nft.Map(name="d", type=("ipv4_addr",), data=("ipv4_addr", "inet_service"))
    marks = nft.Set(name="m", type=("mark",))
    many = frozenset((f"10.0.{n // 250}.{n % 250}",) for n in range(5000))
    assert made() is None
    assert made(AddElements(PEERS, ONE), AddChain("c", nft.Hook(type="filter", hook="input", priority=0))) is None
    assert made(AddElements(interval, frozenset({(nft.Prefix("10.0.0.0", 8),)}))) is None
    assert made(AddElements(data, frozenset({(("10.0.0.1",), ("10.0.0.2", 80))}))) is None
    assert made(AddElements(marks, frozenset({(1,)}))) is None
    assert made(AddElements(PEERS, many)) is None


def test_no_message_is_longer_than_its_length_can_say() -> None:
    many = frozenset((f"10.0.{n // 250}.{n % 250}",) for n in range(1000))
    found = made(AddElements(PEERS, many))
    assert found is not None
    assert expected(found) == 5


def test_answers_say_what_is_refused() -> None:
    def answer(code: int) -> bytes:
        return struct.pack("=IHHIIi", 20, 2, 0, 0, 0, code)

    assert answers(answer(0) + answer(-2)) == ["", "No such file or directory"]
