"""Notifications of nf_tables as values; that the kernel speaks so: tests/contract/test_nft_watch.py."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tandem.base.netlink import attribute
from tandem.drivers.nft.watch_wire import Generation, ask, changes, generation

OURS = (("inet", "tandem"), ("bridge", "tandem"))


def message(kind: int, *attributes: tuple[int, bytes], family: int = 1) -> bytes:
    body = struct.pack(">BBH", family, 0, 0) + b"".join(attribute(*a) for a in attributes)
    return struct.pack("=IHHII", 16 + len(body), 10 << 8 | kind, 0, 0, 0) + body


def removed(rule_of: str, table: bytes = b"tandem\0", family: int = 1) -> bytes:
    return message(8, (1, table), (2, rule_of.encode() + b"\0"), family=family)


def generation_of(number: int, process: str, pid: int) -> bytes:
    return message(15, (1, struct.pack(">I", number)), (2, struct.pack(">I", pid)), (3, process.encode() + b"\0"))


def test_a_generation_has_its_number_and_who_made_it() -> None:
    assert generation(generation_of(77, "nft", 4242)) == Generation(number=77, pid=4242, process="nft")
    assert generation(removed("forward")) is None
    assert generation(b"") is None


def test_only_what_is_done_to_our_tables_is_told_and_each_once() -> None:
    chunks = [
        removed("forward") + removed("forward") + removed("forward", b"docker\0"),
        removed("to-pod", family=7) + removed("other", family=2),
        message(14, (1, b"tandem\0"), (2, b"pods4\0")) + message(2, (1, b"tandem\0")),
        message(5, (1, b"tandem\0"), (3, b"judge\0")),
    ]
    assert changes(chunks, OURS) == (
        "rule of chain forward removed",
        "rule of chain to-pod removed",
        "element of set pods4 removed",
        "table inet tandem removed",
        "chain judge removed",
    )


def test_the_question_is_one_message_of_netfilter() -> None:
    assert struct.unpack_from("=IHH", ask()) == (len(ask()), 10 << 8 | 16, 1)


@given(st.binary(max_size=200))
def test_anything_else_is_nothing(data: bytes) -> None:
    assert generation(data) is None or isinstance(generation(data), Generation)
    changes([data], OURS)
