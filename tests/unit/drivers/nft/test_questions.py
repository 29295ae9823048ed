"""What the kernel answers; that it is asked rightly is in tests/contract/test_nft.py."""

from __future__ import annotations

import struct

import pytest

from tandem.base.netlink import message
from tandem.drivers.nft.attributes import SUBSYSTEM, nested, number32, number64, text
from tandem.drivers.nft.questions import complete, counted, is_present

OK_A = text(1, "t") + text(2, "ok-a") + number32(3, 1) + nested(4, number64(1, 300) + number64(2, 5))
ONE = message(SUBSYSTEM << 8 | 18, 0, b"\x01\0\0\0" + OK_A)
DONE = message(3, 0, struct.pack("=i", 0))


def test_numbers_are_read_by_name() -> None:
    assert counted([ONE, DONE]) == {"ok-a": (5, 300)}


def test_the_last_message_says_so() -> None:
    assert not complete([ONE])
    assert complete([ONE, DONE])
    assert complete([message(2, 0, struct.pack("=i", -1))])


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(PermissionError):
        counted([message(2, 0, struct.pack("=i", -1))])


def test_a_table_is_there_unless_the_kernel_knows_none() -> None:
    assert is_present([message(SUBSYSTEM << 8, 0, b""), message(2, 0, struct.pack("=i", 0))])
    assert not is_present([message(2, 0, struct.pack("=i", -2))])
    with pytest.raises(PermissionError):
        is_present([message(2, 0, struct.pack("=i", -1))])
