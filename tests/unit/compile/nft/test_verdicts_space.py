"""Prefixes and ranges without overlap."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from tandem.compile.nft.families import V4, V6
from tandem.compile.nft.verdicts_space import all_of, difference, first_of, layers
from tandem.state.nft import Prefix


def test_a_block_less_its_exceptions_is_prefixes() -> None:
    assert difference("10.0.0.0/8", ("10.128.0.0/9",), V4) == (Prefix("10.0.0.0", 9),)
    assert difference("10.0.0.0/30", ("10.0.0.1/32",), V4) == (Prefix("10.0.0.0", 32), Prefix("10.0.0.2", 31))
    assert difference("10.0.0.0/8", ("10.0.0.0/8",), V4) == difference("10.0.0.0/8", ("0.0.0.0/0",), V4) == ()
    assert difference("10.0.0.0/8", ("192.0.2.0/24",), V4) == (Prefix("10.0.0.0", 8),)
    assert difference("10.0.0.0/8", (), V6) == ()
    assert len(difference("::/0", ("fd00::/8",), V6)) == 8


def test_a_prefix_stands_one_layer_above_what_is_inside() -> None:
    found = [Prefix("10.0.0.0", 8), Prefix("10.0.0.0", 24), Prefix("10.0.0.1", 32), Prefix("192.0.2.0", 24)]
    assert layers(found) == {found[2]: 0, found[1]: 1, found[0]: 2, found[3]: 0}
    assert layers([Prefix("::", 0), Prefix("fd00::", 8)]) == {Prefix("::", 0): 1, Prefix("fd00::", 8): 0}


networks = st.builds(
    lambda number, length: ipaddress.ip_network((number >> (32 - length) << (32 - length), length)),
    st.integers(0, 63),
    st.integers(24, 32),
)


@given(st.lists(networks, max_size=30))
def test_what_is_in_one_layer_does_not_overlap(found: list[ipaddress.IPv4Network]) -> None:
    given = {Prefix(str(n.network_address), n.prefixlen): n for n in found}
    layer = layers(given)
    assert layer.keys() == given.keys()
    for one, network in given.items():
        beside = [other for p, other in given.items() if p != one and layer[p] == layer[one]]
        assert not any(network.overlaps(other) for other in beside)


ranges = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda r: (r[0], r[0] + r[1])), max_size=12)


@given(ranges)
def test_ranges_are_split_and_each_number_keeps_its_answers(given_ranges: list[tuple[int, int]]) -> None:
    numbered = [(first, last, i) for i, (first, last) in enumerate(given_ranges)]
    one, every = first_of(numbered), all_of(numbered)
    for number in range(30):
        wanted = [i for first, last, i in numbered if first <= number <= last]
        assert [i for first, last, i in one if first <= number <= last] == wanted[:1]
        assert [list(found) for first, last, found in every if first <= number <= last] == ([wanted] if wanted else [])
    assert one == sorted(one)


def test_neighbours_with_one_answer_are_one_range() -> None:
    assert first_of([(1, 4, "a"), (5, 9, "a"), (3, 7, "b")]) == [(1, 9, "a")]
