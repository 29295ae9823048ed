"""Bytes of netlink."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tandem.base.netlink import attribute, attributes, message, messages

NESTED = 0x8000


def test_what_is_written_is_read() -> None:
    body = attribute(1 | NESTED, attribute(2, b"abc")) + attribute(3, b"")
    (one, two) = messages(message(7, 5, body) + message(8, 0, b""))
    assert (one[0], two) == (7, (8, b""))
    found = dict(attributes(one[1]))
    assert found == {1: attribute(2, b"abc"), 3: b""}
    assert dict(attributes(found[1])) == {2: b"abc"}


def test_a_message_has_its_length_type_flags_and_number_first() -> None:
    assert struct.unpack("=IHHII", message(7, 5, b"", sequence=9)) == (16, 7, 5, 9, 0)


def test_attributes_are_padded_to_four_bytes() -> None:
    assert [len(attribute(1, b"x" * n)) for n in (0, 1, 4, 5)] == [4, 8, 8, 12]


def test_a_length_below_its_own_header_ends_the_reading() -> None:
    assert list(messages(message(7, 0, b"") + bytes(16))) == [(7, b"")]
    assert list(attributes(attribute(1, b"") + bytes(4))) == [(1, b"")]


@given(st.binary(max_size=120))
def test_any_bytes_are_survived(data: bytes) -> None:
    for _, body in messages(data):
        list(attributes(body))
    list(attributes(data))
