"""Blocks of rules: a few one by one, many as tables."""

from __future__ import annotations

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.crowds import SHARES, Crowd, questions, shares
from tandem.compile.nft.verdicts import FEW, Answers, Writer, Written, merged, port_matches, write
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, PortMatch, Rule, Side, Verdict
from tandem.state import nft
from tandem.state.nft import Field

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7")
PLAIN = Answers(then=(nft.Accept(),))
COUNTED = Answers(then=(nft.Accept(),), counted=True)


def _made(*rules: Rule, answers: Answers = PLAIN, large: frozenset[GroupId] = frozenset()) -> Written:
    writer = Writer("c", large)
    write(writer, rules, answers, side=Side.INGRESS, name="c-n0")
    return writer.written()


def _written(*rules: Rule, side: Side = Side.INGRESS, answers: Answers = PLAIN) -> nft.Ruleset:
    writer = Writer("c")
    write(writer, rules, answers, side=side, name="c-n0")
    return writer.written().rules


def _matches(*peers: Peer, side: Side = Side.INGRESS) -> list[tuple[nft.Match, ...]]:
    return [r.match for r in _written(Rule(peers=peers, origin=ORIGIN), side=side).chain("c").rules]


def _port(number: int) -> tuple[PortMatch, ...]:
    return (PortMatch(protocol="TCP", first=number, last=number),)


def test_the_side_decides_which_address_the_peer_has() -> None:
    group = Group(id=GroupId("g"))
    assert _matches(group)[0] == (nft.InSet((Field.SADDR4,), "ag4-g"),)
    assert _matches(group, side=Side.EGRESS)[1] == (nft.InSet((Field.DADDR6,), "ag6-g"),)


def test_excepted_prefixes_are_merged() -> None:
    block = Cidr(prefix="10.0.0.0/8", excepts=("10.1.0.0/17", "10.1.128.0/17", "10.1.2.0/24"))
    assert _matches(block) == [
        (
            nft.Is(Field.SADDR4, nft.Prefix("10.0.0.0", 8)),
            nft.OneOf(Field.SADDR4, (nft.Prefix("10.1.0.0", 16),), negate=True),
        )
    ]


def test_the_whole_internet_is_its_family() -> None:
    assert _matches(Cidr(prefix="0.0.0.0/0")) == [(nft.Is(Field.NFPROTO, "ipv4"),)]
    assert _matches(Cidr(prefix="0.0.0.0/0", excepts=("0.0.0.0/0",))) == []


def test_ports_are_merged_per_protocol() -> None:
    ports = (
        PortMatch(protocol="TCP", first=80, last=80),
        PortMatch(protocol="TCP", first=81, last=90),
        PortMatch(protocol="UDP"),
    )
    assert port_matches(ports) == [
        (nft.Is(Field.L4PROTO, "tcp"), nft.OneOf(Field.DPORT, (nft.Range(80, 90),))),
        (nft.Is(Field.L4PROTO, "udp"),),
    ]
    assert port_matches(()) == [()]


def test_ranges_that_touch_become_one() -> None:
    assert merged([(5, 9), (1, 4), (7, 20), (30, 30)]) == (nft.Range(1, 20), nft.Range(30, 30))


def test_many_blocks_are_one_look_up_and_each_counts_for_its_rule() -> None:
    rules = [
        Rule(
            peers=(Cidr(prefix=f"192.0.2.{i}/32"),),
            ports=_port(1000 + i),
            origin=Origin(kind="NetworkPolicy", name=f"p{i}", path="spec.ingress[0]"),
        )
        for i in range(200)
    ]
    found = _written(*rules, answers=COUNTED)
    assert [r.then for r in found.chain("c").rules] == [
        (nft.CountBy((Field.SADDR4, Field.L4PROTO, Field.DPORT), "c-n0-h4"), nft.Accept())
    ]
    assert len(found.maps[0].elements) == len(found.counters) == 200
    assert not found.maps[0].interval


def test_many_groups_are_found_by_their_port_and_stay_sets_that_all_share() -> None:
    rules = [Rule(peers=(Group(id=GroupId(f"g{i}")),), ports=_port(i), origin=ORIGIN) for i in range(1, FEW + 1)]
    shared = Rule(peers=(Group(id=GroupId("g")),), ports=(*_port(1), *_port(9000)), origin=ORIGIN)
    found = _written(*rules, shared)
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
    said = {GroupId(f"g{i}"): (names.allowed(rule.origin),) for i, rule in enumerate(rules)}
    assert [crowd.said for crowd in found.crowds] == [tuple((g, said[g]) for g in share) for share in shares(said)]
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
    groups = [GroupId(f"{n:012x}") for n in range(60)]
    (alone, *_), *others = shares(groups)
    asked = [alone, *(group for share in others for group in share)][: FEW + 1]
    found = _made(Rule(peers=tuple(Group(id=group) for group in asked), ports=_port(80), origin=ORIGIN))
    assert alone in found.groups()
    assert {*found.groups(), *(group for crowd in found.crowds for group, _ in crowd.said)} == set(asked)


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


def test_an_allow_of_everyone_among_many_comes_last_so_that_the_others_count() -> None:
    rules = [Rule(peers=(Cidr(prefix=f"192.0.2.{i}/32"),), ports=_port(80), origin=ORIGIN) for i in range(FEW + 1)]
    everyone = Rule(peers=(Anyone(),), origin=ORIGIN)
    found = _written(everyone, *rules).chain("c").rules
    assert found[-1].match == ()
    assert len(found) == 2


def test_a_block_cut_into_too_many_pieces_is_a_rule_of_its_own() -> None:
    cut = Cidr(prefix="2001:db8::/32", excepts=("2001:db8::1/128", "2001:db8:ffff::1/128"))
    rules = [Rule(peers=(Cidr(prefix=f"192.0.2.{i}/32"),), origin=ORIGIN) for i in range(FEW + 1)]
    found = _written(*rules, Rule(peers=(cut,), origin=ORIGIN))
    assert [m for r in found.chain("c").rules for m in r.match if isinstance(m, nft.OneOf)]
