"""Matchers as bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.compile.envoy.matching import Way, matcher_of
from tandem.drivers.xds.anytype import message_class
from tandem.drivers.xds.encode import encode_tree
from tandem.drivers.xds.matchers import MATCHER, MatcherEncoder
from working import calls_of


def ways(count: int) -> tuple[Way, ...]:
    return (
        *(Way(f"c{i}", 80, (f"10.96.0.{i}", f"fd00::{i}")) for i in range(count)),
        Way("found", 80, ("10.97.0.1", "10.98.0.0/16"), (), requests=True),
        Way("named", 443, ("192.0.2.0/24",), ("a.test", "*.test", "*.b.test")),
        Way("any", 90),
    )


def parsed(data: bytes) -> Any:
    message = message_class(MATCHER)()
    message.ParseFromString(data)
    return message


@pytest.mark.parametrize("made", [(), (Way("any", 90),), ways(0), ways(130)])
def test_the_message_is_that_of_the_general_way(made: tuple[Way, ...]) -> None:
    tree = matcher_of(made, "last" * 60)
    assert parsed(MatcherEncoder(encode_tree).encode(tree)) == parsed(encode_tree(MATCHER, tree))


def test_an_entry_more_costs_its_own_leaf_and_a_look_at_the_others() -> None:
    def cost(count: int) -> int:
        encoder = MatcherEncoder(encode_tree)
        encoder.encode(matcher_of(ways(count), "last"))
        after = matcher_of((*ways(count), Way("more", 80, ("10.96.1.1",))), "last")
        return calls_of(lambda: encoder.encode(after))

    whole = calls_of(lambda: encode_tree(MATCHER, matcher_of(ways(200), "last")))
    assert cost(220) - cost(20) < whole / 2


def test_a_field_that_is_not_written_here_is_refused() -> None:
    with pytest.raises(LookupError, match="keep_matching"):
        MatcherEncoder(encode_tree).encode({"on_no_match": {"matcher": {}, "keep_matching": True}})
