"""Groups in pieces: what they are cut into, kept up, and put together again."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.ids import GroupId
from tandem.ir import pieces
from tandem.ir.pieces import LARGEST, Joined, cut, name_of, recut
from tandem.ir.policy import AddressGroup

G = GroupId("g")


def group(addresses: Iterable[str], name: GroupId = G) -> AddressGroup:
    return AddressGroup(id=name, addresses=tuple(addresses))


def some(count: int) -> list[str]:
    return [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(count)]


def members(found: AddressGroup | None) -> list[str]:
    return sorted(found.addresses) if found is not None else []


def test_a_small_group_is_sent_as_it_is() -> None:
    whole = group(some(LARGEST))
    assert cut(whole) == {"g": whole}
    assert name_of(whole, "10.0.0.1") == "g"


def test_a_large_group_is_sent_in_pieces_each_of_which_is_small() -> None:
    whole = group(some(10_000))
    found = cut(whole)
    assert sorted(found) == sorted(f"g/64/{n}" for n in range(64))
    assert {piece.id for piece in found.values()} == {"g"}
    assert sorted(a for piece in found.values() for a in piece.addresses) == members(whole)
    assert max(len(piece.addresses) for piece in found.values()) < 2 * LARGEST
    assert all(address in found[name_of(whole, address)].addresses for address in whole.addresses)


def test_one_address_more_is_one_piece_that_differs() -> None:
    known = some(10_000)
    before, now = group(known), group([*known[:77], "10.99.0.1", *known[77:]])
    pieces_before = cut(before)
    after = recut(before, pieces_before, now)
    other = {name for name, piece in after.items() if piece is not pieces_before[name]}
    assert other == {name_of(now, "10.99.0.1")}


ADDRESSES = st.sets(st.integers(0, 40), max_size=40).map(
    lambda found: [f"10.0.0.{n}" if n % 3 else f"fd00::{n}" for n in sorted(found)]
)


@given(st.lists(st.tuples(ADDRESSES, st.booleans()), min_size=1, max_size=8))
def test_whatever_a_group_becomes_it_is_cut_and_joined_the_same(found: list[tuple[list[str], bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LARGEST", 3)
        joined, before, known = Joined(), group([]), cut(group([]))
        joined.take(known, ())
        for addresses, late in found:
            now = group(addresses)
            after = recut(before, known, now)
            assert after == cut(now)
            other = {name: piece for name, piece in after.items() if known.get(name) != piece}
            gone = known.keys() - after.keys()
            if late:  # as control sends: what is new first, and then what is there no more
                joined.take(other, ())
                held = joined.groups[G].addresses
                assert set(addresses) <= set(held) <= {*before.addresses, *addresses}
                assert len(set(held)) == len(held)
                joined.take({}, gone)
            else:
                joined.take(other, gone)
            assert members(joined.groups[G]) == sorted(addresses)
            before, known = now, after


def test_a_group_is_not_there_before_all_its_pieces_are() -> None:
    whole, joined = group(some(2000)), Joined()
    first, *others = cut(whole).items()
    joined.take(dict(others), ())
    assert G not in joined.groups
    joined.take(dict([first]), ())
    assert members(joined.groups[G]) == members(whole)


def test_of_a_group_that_is_gone_nothing_is_left() -> None:
    joined = Joined()
    joined.take({**cut(group(some(2000))), **cut(group(["10.0.0.1"], GroupId("o")))}, ())
    joined.take({}, [*cut(group(some(2000))), "never"])
    assert dict(joined.groups) == {"o": group(["10.0.0.1"], GroupId("o"))}


def test_what_did_not_change_is_the_very_same() -> None:
    joined, small = Joined(), cut(group(["10.0.0.1"], GroupId("o")))
    joined.take({**cut(group(some(2000))), **small}, ())
    before = joined.groups
    changed = group(["10.0.0.2"], GroupId("p"))
    joined.take(cut(changed), ())
    assert joined.groups[G] is before[G]
    assert joined.groups[GroupId("o")] is small["o"]
