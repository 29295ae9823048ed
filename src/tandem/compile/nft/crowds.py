"""Many groups -> a few look-ups that find an address in any of them, however many they are. Pure.

A crowd is asked in place of its groups: a set, or a map to counters or verdicts, of the addresses of all of them, or of
these with a port where each group has its own. A pod that enters a group is one element of each crowd with that group.
So that these stay few and small:

- A crowd is named by what it says: policy sets that say the same share it.
- The groups are divided into shares, each by its own name: sets that differ by one group differ by one share.
- Where a share says the same of all its groups, the rule says it, and the crowd is theirs alone.
- A large group is in no crowd, and one that is alone in its share neither: they are asked by their own sets.

What is compiled here is kept up from view to view, like `judged.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tandem.base.addresses import family as version
from tandem.base.digest import digest
from tandem.base.entries import Given, joined_values
from tandem.base.ids import GroupId
from tandem.base.members import changes
from tandem.base.memo import same_as_before
from tandem.base.table import Table
from tandem.base.table import changes as differences
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES, Family
from tandem.compile.nft.verdicts_tables import PORT, PORT_TYPE, Datum, container, question
from tandem.ir.policy import AddressGroup, Side
from tandem.state import nft
from tandem.state.nft import Struct

LARGE: Final = 256
"""A group of more addresses has a set of its own. Ten thousand pods are at most 39 such groups without a pod in two."""
SHARES: Final = 8
_NOBODY: Final[frozenset[str]] = frozenset()


Place = tuple[GroupId, nft.Key]
"""A group, and protocol and port to which its members send; all ports: nothing."""


class Crowd(Struct, frozen=True):
    """Groups, and what is said of the members of each; of an address (and port) the first that has it says."""

    name: str
    said: tuple[tuple[Place, Datum], ...]
    """Each with a port, or none with one."""

    def groups(self) -> frozenset[GroupId]:
        """Those whose members it has."""
        return frozenset(group for (group, _), _ in self.said)

    def table(self, family: Family, elements: frozenset[Any]) -> nft.Set | nft.Map:
        """Its table of one family, with these elements."""
        (_, port), datum = self.said[0]
        types = (family.type, *PORT_TYPE[: len(port)])
        return container(names.crowd_table(self.name, family.version), types, datum, elements=elements)


Filled = tuple[Crowd, tuple[frozenset[str], ...]]
"""A crowd and the members of its groups, place by place; of a large group none."""


def shares(places: Iterable[Place]) -> list[list[Place]]:
    """These in at most so many parts, each sorted; in which one a group is depends on nothing else."""
    found: dict[int, list[Place]] = {}
    for place in sorted(places):
        found.setdefault(int(digest(place[0], 1), 16) % SHARES, []).append(place)
    return [found[number] for number in sorted(found)]


def crowd(said: Iterable[tuple[Place, Datum]]) -> Crowd:
    """The crowd that says this, all of the same kind."""
    said = tuple(said)
    words = (" ".join(map(str, (group, *port, _word(datum)))) for (group, port), datum in said)
    return Crowd(names.crowd(words), said)


def _word(datum: Datum) -> str:
    return datum.chain if isinstance(datum, nft.Goto) else str(datum[0]) if datum else ""


def questions(asked: Crowd, *, side: Side, then: tuple[nft.Statement, ...], comment: str) -> list[nft.Rule]:
    """The rules that ask a crowd; `then` follows what it answers, if that is no verdict."""
    (_, port), datum = asked.said[0]
    found = []
    for family in FAMILIES:
        fields = (family.saddr if side is Side.INGRESS else family.daddr, *PORT[: len(port)])
        name = names.crowd_table(asked.name, family.version)
        found.append(question(fields, name, datum, then=then, comment=comment))
    return found


def large_groups(groups: Mapping[GroupId, AddressGroup]) -> frozenset[GroupId]:
    """Those that no crowd has; the very same for as long as none grows or shrinks over the bound."""
    return _as_set(*_large(groups))


@joined_values(1)
def _large(group: AddressGroup) -> Given:
    return ({group.id: group.id},) if _is_large(group) else _NONE


def _is_large(group: AddressGroup) -> bool:
    return len(group.addresses) > LARGE


_NONE: Final[Given] = ({},)


@same_as_before
def _as_set(found: tuple[GroupId, ...]) -> frozenset[GroupId]:
    return frozenset(found)


def crowd_tables(groups: Mapping[GroupId, AddressGroup], crowds: Iterable[Crowd]) -> nft.Ruleset:
    """The sets and maps of these crowds."""
    made = [_of_crowd((one, tuple(_members(groups.get(group)) for (group, _), _ in one.said))) for one in crowds]
    return nft.Ruleset(
        sets=tuple(part for sets, _ in made for part in sets.values()),
        maps=tuple(part for _, maps in made for part in maps.values()),
    )


def crowd_tables_of_node(groups: Mapping[GroupId, AddressGroup], crowds: tuple[Crowd, ...]) -> nft.Ruleset:
    """The same of the crowds of all pods: kept up from view to view."""
    return _as_ruleset(*_tables(_filled(groups, crowds)))


@same_as_before
def _as_ruleset(sets: tuple[nft.Set, ...], maps: tuple[nft.Map, ...]) -> nft.Ruleset:
    return nft.Ruleset(sets=sets, maps=maps)


def _members(group: AddressGroup | None) -> frozenset[str]:
    return _NOBODY if group is None or _is_large(group) else frozenset(group.addresses)


class _Crowds:
    """The crowds that are asked, each with the members of its groups."""

    def __init__(self) -> None:
        self._groups: Mapping[GroupId, AddressGroup] = Table()
        self._crowds: tuple[Crowd, ...] = ()
        self._of: dict[GroupId, dict[str, Crowd]] = {}
        """The crowds that each group is in, by name."""
        self._members: dict[GroupId, frozenset[str]] = {}
        self._filled: Table[str, Filled] = Table()

    def of(self, groups: Mapping[GroupId, AddressGroup], crowds: tuple[Crowd, ...]) -> Table[str, Filled]:
        """By name; the very same for as long as no crowd and none of their groups is another one."""
        touched: dict[str, Crowd] = {}
        for group in differences(self._groups, groups).keys() & self._of.keys():
            self._members[group] = _members(groups.get(group))
            touched |= self._of[group]
        gone, come = changes(self._crowds, crowds)
        for one in gone:
            touched.pop(one.name, None)
            self._leave(one)
        for one in come:
            self._join(one, groups)
            touched[one.name] = one
        put = {name: (one, tuple(self._members[group] for (group, _), _ in one.said)) for name, one in touched.items()}
        self._groups, self._crowds = groups, crowds
        self._filled = self._filled.changed(put, {one.name for one in gone} - put.keys())
        return self._filled

    def _join(self, one: Crowd, groups: Mapping[GroupId, AddressGroup]) -> None:
        for group in one.groups():
            if group not in self._of:
                self._of[group], self._members[group] = {}, _members(groups.get(group))
            self._of[group][one.name] = one

    def _leave(self, one: Crowd) -> None:
        for group in one.groups():
            del self._of[group][one.name]
            if not self._of[group]:
                del self._of[group], self._members[group]


_filled: Final = _Crowds().of


def _of_crowd(filled: Filled) -> Given:
    crowd, members = filled
    said: dict[nft.Key, Datum] = {}
    for ((_, port), datum), addresses in zip(reversed(crowd.said), reversed(members), strict=True):
        said |= {(address, *port): datum for address in addresses}
    return _given(crowd.table(family, _elements(said.items(), family)) for family in FAMILIES)


def _revised(before: Filled, now: Filled, given: Given) -> Given:
    """An address more in a group is an element more, or another."""
    crowd, members = now
    moved = _NOBODY.union(*(old ^ new for old, new in zip(before[1], members, strict=True) if old is not new))
    less, more = _first(crowd, before[1], moved), _first(crowd, members, moved)
    known = {part.name: part.elements for parts in given for part in parts.values()}
    made = []
    for family in FAMILIES:
        gone, come = _elements(less.items() - more.items(), family), _elements(more.items() - less.items(), family)
        found = known[names.crowd_table(crowd.name, family.version)]
        found = found - gone if gone else found
        made.append(crowd.table(family, found | come if come else found))
    return _given(made)


def _first(crowd: Crowd, members: Sequence[frozenset[str]], addresses: frozenset[str]) -> dict[nft.Key, Datum]:
    """What is said of these addresses."""
    found: dict[nft.Key, Datum] = {}
    for ((_, port), datum), own in zip(crowd.said, members, strict=True):
        for address in addresses & own:
            found.setdefault((address, *port), datum)
    return found


def _elements(said: Iterable[tuple[nft.Key, Datum]], family: Family) -> frozenset[Any]:
    own = ((key, datum) for key, datum in said if version(str(key[0])) == family.version)
    return frozenset(key if datum is None else (key, datum) for key, datum in own)


def _given(made: Iterable[nft.Set | nft.Map]) -> Given:
    """Sets and maps by name."""
    made = tuple(made)
    return (
        {part.name: part for part in made if isinstance(part, nft.Set)},
        {part.name: part for part in made if isinstance(part, nft.Map)},
    )


_tables: Final = joined_values(2, _revised)(_of_crowd)
