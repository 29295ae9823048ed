"""Where the program keeps things: nothing lies over anything else."""

from __future__ import annotations

import itertools

from tandem.drivers.bpf.frame import FAMILIES, FLAGS, INDEX, MARK, OPTIONS, TUPLE

TUPLE_BYTES, OPTIONS_BYTES, WORD = 36, 12, 4


def test_what_is_on_the_stack_lies_beside_one_another_and_below_its_end() -> None:
    sizes = {TUPLE: TUPLE_BYTES, OPTIONS: OPTIONS_BYTES, INDEX: WORD, FLAGS: WORD, MARK: WORD}
    places = sorted((start, start + size) for start, size in sizes.items())
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))
    assert places[-1][1] <= 0
    assert all(start % WORD == 0 for start, _ in places)


def test_a_connection_of_either_family_has_room() -> None:
    assert max(2 * family.address + WORD for family in FAMILIES) == TUPLE_BYTES


def test_addresses_end_a_header() -> None:
    assert [family.addresses + 2 * family.address for family in FAMILIES] == [family.header for family in FAMILIES]
