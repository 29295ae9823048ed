"""The call by which a node tells control of a pod's addresses."""

from __future__ import annotations

import pytest

from tandem.ir.announcement import Announcement, Known, decode_announcement, decode_known, encode


def test_both_messages_travel_as_json() -> None:
    asked, answered = Announcement(uid="u", addresses=("10.244.0.2", "fd00::2")), Known(groups=3)
    assert decode_announcement(encode(asked)) == asked
    assert decode_known(encode(answered)) == answered


def test_what_is_neither_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="uid"):
        decode_announcement(b"{}")
    with pytest.raises(ValueError, match="int"):
        decode_known(b'{"groups": "x"}')
