"""Many groups that are asked as one, and that going on from view to view says what a beginning says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.ids import GroupId
from tandem.base.table import Table
from tandem.compile import names
from tandem.compile.nft.crowds import (
    LARGE,
    SHARES,
    Crowd,
    Place,
    crowd,
    crowd_tables,
    crowd_tables_of_node,
    large_groups,
    questions,
    shares,
)
from tandem.compile.nft.verdicts_tables import Datum
from tandem.ir.policy import AddressGroup, Side
from tandem.state import nft
from tandem.state.nft import Field

ONE, TWO = ("ok-1",), ("ok-2",)
IDS = [GroupId(name) for name in "ghk"]
FULL = tuple(f"10.9.{n // 200}.{n % 200}" for n in range(LARGE + 1))
Groups = dict[GroupId, AddressGroup]


def _groups(*members: tuple[str, ...] | None) -> Groups:
    given = zip(IDS, members, strict=True)
    return {name: AddressGroup(id=name, addresses=found) for name, found in given if found is not None}


def _crowd(*data: Datum, ports: nft.Key = ()) -> Crowd:
    return crowd(((name, ports), datum) for name, datum in zip(IDS, data, strict=True))


def test_an_address_has_what_the_first_group_with_it_says_and_a_large_group_is_not_in_it() -> None:
    asked = _crowd(ONE, TWO, ONE)
    groups = _groups(("10.0.0.1", "fd00::1"), ("10.0.0.1", "10.0.0.2"), FULL)
    found = crowd_tables(groups, [asked])
    assert {m.name: (m.type, m.data, set(m.elements)) for m in found.maps} == {
        names.crowd_table(asked.name, 4): (
            ("ipv4_addr",),
            ("counter",),
            {(("10.0.0.1",), ONE), (("10.0.0.2",), TWO)},
        ),
        names.crowd_table(asked.name, 6): (("ipv6_addr",), ("counter",), {(("fd00::1",), ONE)}),
    }
    assert not found.sets


def test_denials_are_verdicts_and_what_nobody_tells_apart_is_a_set() -> None:
    goto = nft.Goto("no-1")
    groups = _groups(("10.0.0.1",), (), None)
    (four, _) = crowd_tables(groups, [_crowd(goto, goto, goto)]).maps
    assert four.data == ("verdict",)
    assert four.elements == {(("10.0.0.1",), goto)}
    (only, _) = crowd_tables(groups, [_crowd(None, None, None)]).sets
    assert only.elements == {("10.0.0.1",)}


def test_where_each_group_has_its_port_the_port_is_in_the_key() -> None:
    places = [(IDS[0], ("tcp", 80)), (IDS[0], ("udp", 53)), (IDS[1], ("tcp", 80))]
    asked = crowd(zip(places, (ONE, TWO, TWO), strict=True))
    (four, _) = crowd_tables(_groups(("10.0.0.1",), ("10.0.0.1", "10.0.0.2"), None), [asked]).maps
    assert four.type == ("ipv4_addr", "inet_proto", "inet_service")
    assert four.elements == {
        (("10.0.0.1", "tcp", 80), ONE),
        (("10.0.0.1", "udp", 53), TWO),
        (("10.0.0.2", "tcp", 80), TWO),
    }
    (rule, _) = questions(asked, side=Side.INGRESS, then=(nft.Accept(),), comment="")
    assert rule.then == (nft.CountBy((Field.SADDR4, Field.L4PROTO, Field.DPORT), four.name), nft.Accept())


@pytest.mark.parametrize(
    ("datum", "then"),
    [
        (ONE, lambda name: (nft.CountBy((Field.DADDR4,), name), nft.Return())),
        (nft.Goto("no-1"), lambda name: (nft.Dispatch((Field.DADDR4,), name),)),
        (None, lambda _: (nft.Return(),)),
    ],
)
def test_one_rule_of_each_family_asks_it(datum: Datum, then: Callable[[str], tuple[nft.Statement, ...]]) -> None:
    asked = _crowd(datum, datum, datum)
    four, six = questions(asked, side=Side.EGRESS, then=(nft.Return(),), comment="why")
    name = names.crowd_table(asked.name, 4)
    assert four.then == then(name)
    assert four.comment == six.comment == "why"
    assert four.match == (() if datum is not None else (nft.InSet((Field.DADDR4,), name),))
    assert names.crowd_table(asked.name, 6) in repr(six)


def test_sets_that_differ_by_a_group_differ_by_a_share() -> None:
    places: list[Place] = [(GroupId(f"{n:012x}"), ()) for n in range(100)]
    before, now = shares(places), shares(reversed([*places[:50], *places[51:], (GroupId("other"), ())]))
    assert len(before) == SHARES
    assert sorted(place for share in before for place in share) == places
    assert max(map(len, before)) < 30
    assert sum(one not in before for one in now) <= 2


def test_the_name_is_what_is_said() -> None:
    assert _crowd(ONE, TWO, ONE) == _crowd(ONE, TWO, ONE)
    other = [_crowd(ONE, TWO, ONE), _crowd(ONE, ONE, ONE), _crowd(None, None, None), crowd([((IDS[0], ()), ONE)])]
    other.append(_crowd(ONE, TWO, ONE, ports=("tcp", 80)))
    assert len({one.name for one in other}) == len(other)


def test_who_is_large_is_the_very_same_until_a_group_crosses_the_bound() -> None:
    before = large_groups(_groups(FULL, ("10.0.0.1",), None))
    assert before == {IDS[0]}
    assert large_groups(_groups((*FULL[:-1], "10.0.0.9"), (), ())) is before
    assert large_groups(_groups(FULL[:-1], (), FULL)) == {IDS[2]}


MEMBERS = ((), ("10.0.0.1",), ("10.0.0.1", "10.0.0.2", "fd00::1"), ("10.0.0.2", "10.0.0.3", "fd00::2"), FULL)
CROWDS = [
    _crowd(ONE, TWO, ONE),
    _crowd(TWO, ONE, TWO),
    _crowd(None, None, None),
    crowd([((IDS[1], ()), ONE), ((IDS[0], ()), TWO)]),
]
CROWDS.append(crowd(((name, ("tcp", 80 + n)), ONE) for n in range(2) for name in IDS[: n + 1]))
Step = st.tuples(
    st.lists(st.sampled_from([None, *MEMBERS]), min_size=3, max_size=3),
    st.lists(st.sampled_from(CROWDS), unique=True),
    st.booleans(),
)


@given(st.lists(Step, min_size=2, max_size=8))
def test_going_on_from_view_to_view_gives_what_a_beginning_gives(
    steps: list[tuple[list[tuple[str, ...] | None], list[Crowd], bool]],
) -> None:
    groups: Table[GroupId, AddressGroup] = Table()
    for members, asked, plain in steps:
        groups = groups.become(_groups(*members))
        now = tuple(asked)
        found = crowd_tables_of_node(dict(groups) if plain else groups, now)
        wanted = crowd_tables(groups, now)
        tables = {one.name: set[object](one.elements) for one in found.sets}
        tables |= {one.name: set[object](one.elements) for one in found.maps}
        assert found == nft.ruleset(sets=wanted.sets, maps=wanted.maps)
        for one in now:
            said = _read(one, groups)
            for family in (4, 6):
                table = tables[names.crowd_table(one.name, family)]
                assert table == {e for e in said if (":" in repr(e)) == (family == 6)}


def _read(asked: Crowd, groups: Table[GroupId, AddressGroup]) -> set[object]:
    """The elements, one address after the other."""
    found: dict[nft.Key, Datum] = {}
    for (group, port), datum in asked.said:
        known = groups.get(group)
        for address in known.addresses if known and len(known.addresses) <= LARGE else ():
            found.setdefault((address, *port), datum)
    return {key if datum is None else (key, datum) for key, datum in found.items()}
