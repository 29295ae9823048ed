"""The bytes of a probe; that a kernel answers them is shown by tests/contract/test_prober.py."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.probe.real import _checksum, _number


@given(st.binary(max_size=64))
def test_a_packet_with_its_checksum_sums_up_to_nothing(body: bytes) -> None:
    packet = struct.pack("!BBHHH", 8, 0, 0, 1, 2) + body
    whole = struct.pack("!BBHHH", 8, 0, _checksum(packet), 1, 2) + body
    assert _checksum(whole) == 0


def test_only_answers_to_our_own_questions_count() -> None:
    answer = struct.pack("!BBHHH", 0, 0, 0, 77, 3)
    header = b"\x45" + bytes(19)
    assert _number(header + answer, 4, 77) == 3
    assert _number(header + answer, 4, 78) == -1
    assert _number(header + struct.pack("!BBHHH", 8, 0, 0, 77, 3), 4, 77) == -1
    assert _number(header, 4, 77) == -1
    assert _number(struct.pack("!BBHHH", 129, 0, 0, 77, 3), 6, 77) == 3
