"""Groups of pods: by port, and where they or the ports are many, as crowds."""

from __future__ import annotations

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.crowds import SHARES, Crowd, Place, questions, shares
from tandem.compile.nft.verdicts_groups import FEW, MANY, Named, by_port
from tandem.compile.nft.verdicts_tables import Datum
from tandem.compile.nft.writer import Answers, Writer, Written
from tandem.ir.policy import Domains, Group, PortMatch, Rule, Side, Verdict
from tandem.state import nft
from tandem.state.nft import Field

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7")
PLAIN = Answers(then=(nft.Accept(),))
COUNTED = Answers(then=(nft.Accept(),), counted=True)


def _made(*rules: Rule, answers: Answers = PLAIN, large: frozenset[GroupId] = frozenset()) -> Written:
    writer = Writer("c", large)
    named = [Named(peer, rule) for rule in rules for peer in rule.peers if isinstance(peer, Group | Domains)]
    by_port(writer, named, answers, side=Side.INGRESS, name="c-n0-g")
    return writer.written()


def _port(number: int) -> tuple[PortMatch, ...]:
    return (PortMatch(protocol="TCP", first=number, last=number),)


def test_many_groups_are_found_by_their_port_and_stay_sets_that_all_share() -> None:
    rules = [Rule(peers=(Group(id=GroupId(f"g{i}")),), ports=_port(i), origin=ORIGIN) for i in range(1, FEW + 1)]
    shared = Rule(peers=(Group(id=GroupId("g")),), ports=(*_port(1), *_port(9000)), origin=ORIGIN)
    found = _made(*rules, shared).rules
    (ports,) = found.maps
    assert ports.name == "c-n0-g-p"
    assert (("tcp", 9000), nft.Goto("c-n0-g-tcp-9000")) in ports.elements
    assert [r.match for r in found.chain("c-n0-g-tcp-1").rules][:4] == [
        (nft.InSet((Field.SADDR4,), "ag4-g1"),),
        (nft.InSet((Field.SADDR6,), "ag6-g1"),),
        (nft.InSet((Field.SADDR4,), "ag4-g"),),
        (nft.InSet((Field.SADDR6,), "ag6-g"),),
    ]
    # A packet that no group of its port has goes on with what comes after.
    assert found.chain("c-n0-g-tcp-1").rules[-1].then == found.chain("c").rules[-1].then == (nft.Goto("c-n0-g-rest"),)


def _each(*numbers: int, port: int = 0) -> list[Rule]:
    """A rule for each of so many groups, which no other has."""
    return [
        Rule(
            peers=(Group(id=GroupId(f"g{i}")),),
            ports=_port(port) if port else (),
            origin=msgspec.structs.replace(ORIGIN, path=f"spec.ingress[{i}]"),
        )
        for i in numbers
    ]


def test_many_groups_of_one_port_are_asked_as_crowds_and_others_beside_them() -> None:
    rules = _each(*range(40), port=80)
    known = Rule(peers=(Domains(patterns=("shop.test",)),), ports=_port(80), origin=ORIGIN)
    again = Rule(peers=(Group(id=GroupId("g0")),), ports=_port(80), origin=ORIGIN)
    found = _made(*rules, known, again, answers=COUNTED, large=frozenset({GroupId("g3"), GroupId("elsewhere")}))
    said: dict[Place, Datum] = {(GroupId(f"g{i}"), ()): (names.allowed(rule.origin),) for i, rule in enumerate(rules)}
    assert [crowd.said for crowd in found.crowds] == [tuple((p, said[p]) for p in share) for share in shares(said)]
    assert len(found.crowds) == SHARES
    *asked, beside, _, named, _, rest = found.rules.chain("c-n0-g-tcp-80").rules
    assert asked == [rule for crowd in found.crowds for rule in _questions(crowd, f"{len(crowd.said)} rules")]
    assert beside.match == (nft.InSet((Field.SADDR4,), "ag4-g3"),)
    assert beside.then == (nft.Counter(names.allowed(rules[3].origin)), nft.Accept())
    assert named.match == (nft.InSet((Field.SADDR4,), names.domain_set(("shop.test",), 4)),)
    assert rest.then == (nft.Goto("c-n0-g-rest"),)
    assert found.groups() == {GroupId("g3")}
    assert found.rules.counters == {names.allowed(rule.origin) for rule in (*rules, known)}


def _questions(crowd: Crowd, comment: str) -> list[nft.Rule]:
    return questions(crowd, side=Side.INGRESS, then=PLAIN.then, comment=comment)


def test_many_groups_of_any_port_are_asked_as_crowds_before_the_port_is() -> None:
    rules = _each(*range(40))
    found = _made(*rules, Rule(peers=(Group(id=GroupId("g")),), ports=_port(1), origin=ORIGIN))
    asked = [rule for crowd in found.crowds for rule in _questions(crowd, f"{len(crowd.said)} rules")]
    assert list(found.rules.chain("c").rules[: len(asked)]) == asked
    assert found.groups() == {GroupId("g")}
    assert not _made(*rules[:FEW]).crowds


def test_a_group_that_is_alone_in_its_share_is_asked_by_its_own_set() -> None:
    places: list[Place] = [(GroupId(f"{n:012x}"), ()) for n in range(60)]
    ((alone, _), *_), *others = shares(places)
    asked = [alone, *(group for share in others for group, _ in share)][: FEW + 1]
    found = _made(Rule(peers=tuple(Group(id=group) for group in asked), ports=_port(80), origin=ORIGIN))
    assert alone in found.groups()
    assert found.groups().union(*(crowd.groups() for crowd in found.crowds)) == set(asked)


def test_a_crowd_of_one_rule_is_the_same_whatever_rule_it_is() -> None:
    peers = tuple(Group(id=GroupId(f"g{i}")) for i in range(FEW + 1))
    one, other = (
        _made(Rule(peers=peers, ports=_port(80), origin=rule.origin, verdict=verdict), answers=COUNTED)
        for rule, verdict in zip(_each(1, 2), (Verdict.ACCEPT, Verdict.DENY), strict=True)
    )
    assert one.crowds == other.crowds
    assert {datum for crowd in one.crowds for _, datum in crowd.said} == {None}
    denied = names.denied((_each(2)[0].origin,))
    rule = other.rules.chain("c-n0-g-tcp-80").rules[0]
    assert rule.then == (nft.Goto(denied),)
    assert rule.comment == str(_each(2)[0].origin)


def _apart(numbers: range) -> list[Rule]:
    """Each has a port and a group that no other has."""
    return [msgspec.structs.replace(rule, ports=_port(1000 + i)) for i, rule in enumerate(_each(*numbers))]


def test_groups_of_many_ports_are_asked_as_crowds_that_know_the_port() -> None:
    rules = _apart(range(MANY + 1))
    again = msgspec.structs.replace(rules[0], origin=ORIGIN)
    found = _made(*rules, again, answers=COUNTED)
    assert len(found.crowds) == SHARES
    assert {place: datum for crowd in found.crowds for place, datum in crowd.said} == {
        (GroupId(f"g{i}"), ("tcp", 1000 + i)): (names.allowed(rule.origin),) for i, rule in enumerate(rules)
    }
    assert {chain.name for chain in found.rules.chains} == {"c", "c-n0-g-rest"}
    assert found.rules.chain("c").rules[0].then == (
        nft.CountBy((Field.SADDR4, Field.L4PROTO, Field.DPORT), names.crowd_table(found.crowds[0].name, 4)),
        nft.Accept(),
    )
    assert not found.groups()
    assert not _made(*rules[1:]).crowds


def test_the_same_groups_of_many_ports_are_one_chain() -> None:
    ports = tuple(port for number in range(MANY + 1) for port in _port(1000 + 2 * number))
    found = _made(*(msgspec.structs.replace(rule, ports=ports) for rule in _each(*range(FEW))))
    assert not found.crowds
    assert {chain.name for chain in found.rules.chains} == {"c", "c-n0-g-tcp-1000", "c-n0-g-rest"}


def test_what_has_many_ports_or_is_large_or_no_group_keeps_the_chain_of_its_port() -> None:
    rules = _apart(range(MANY + 9))
    everywhere = Rule(peers=(Group(id=GroupId("every")),), ports=(PortMatch(protocol="TCP"),), origin=ORIGIN)
    named = Rule(peers=(Domains(patterns=("shop.test",)),), ports=_port(1002), origin=ORIGIN)
    found = _made(*rules, everywhere, named, large=frozenset({GroupId("g1")}))
    assert {place for crowd in found.crowds for place, _ in crowd.said} == {
        (GroupId(f"g{i}"), ("tcp", 1000 + i)) for i in range(len(rules))
    }
    assert found.groups() == {GroupId("every"), GroupId("g1")}
    ports, ranges = ({key: str(data) for key, data in part.elements} for part in found.rules.maps)
    every = nft.Goto("c-n0-g-tcp-0")
    assert ranges == dict.fromkeys((("tcp", nft.Range(0, 1000)), ("tcp", nft.Range(1003, 65535))), str(every))
    assert ports == {("tcp", n): str(nft.Goto(f"c-n0-g-tcp-{n}")) for n in (1001, 1002)}
    fields = ((4, Field.SADDR4), (6, Field.SADDR6))

    def asked(port: int) -> set[nft.Match]:
        return {m for rule in found.rules.chain(f"c-n0-g-tcp-{port}").rules for m in rule.match}

    sets = {g: {nft.InSet((f,), names.group_set(GroupId(g), v)) for v, f in fields} for g in ("g1", "every")}
    assert asked(0) == sets["every"]
    assert asked(1001) == sets["every"] | sets["g1"]
    assert asked(1002) == sets["every"] | {nft.InSet((f,), names.domain_set(("shop.test",), v)) for v, f in fields}
