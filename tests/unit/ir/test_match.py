"""What requests are told apart by."""

from __future__ import annotations

import msgspec
import pytest

from tandem.ir.match import Exact, PathPrefix, Prefix, Present, Regex, RouteMatch, StringMatch


@pytest.mark.parametrize("match", [Exact("a"), Prefix("a"), PathPrefix("/a"), Regex("a"), Present()])
def test_each_way_to_match_is_told_from_the_others(match: StringMatch) -> None:
    assert msgspec.json.decode(msgspec.json.encode(match), type=StringMatch) == match


def test_a_match_that_asks_nothing_is_that_of_every_request() -> None:
    empty = RouteMatch()
    assert not any(getattr(empty, name) for name in empty.__struct_fields__)
