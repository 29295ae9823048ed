"""Tiers whose verdict changes from rule to rule; that packets get the first rule's: tests/property/test_verdicts.py."""

from __future__ import annotations

from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft import verdicts_mixed
from tandem.compile.nft.chains import judge
from tandem.compile.nft.verdicts_groups import FEW
from tandem.compile.nft.writer import Written
from tandem.ir.policy import Anyone, Cidr, Group, Peer, PolicySet, PortMatch, Rule, Side, Verdict
from tandem.state import nft

SET = names.set_chain(PolicySetId("x"))
TURNS = (Verdict.ACCEPT, Verdict.DENY, Verdict.PASS)
HTTP, DNS = PortMatch(protocol="TCP", first=80, last=80), PortMatch(protocol="UDP", first=53, last=53)


def rule(number: int, peer: Peer | None = None, *ports: PortMatch, verdict: Verdict | None = None) -> Rule:
    return Rule(
        peers=(peer or Group(id=GroupId(f"g{number}")),),
        ports=ports,
        origin=Origin(kind="C", name=f"c{number}"),
        verdict=verdict or TURNS[number % 3],
    )


def judged(*rules: Rule, large: frozenset[GroupId] = frozenset()) -> Written:
    return judge(PolicySet(id=PolicySetId("x"), side=Side.INGRESS, rules=(), isolated_by=(), admin=rules), large=large)


def asked(written: Written, chain: str = SET) -> list[str]:
    """The tables and sets that a chain asks, in order."""
    lines = written.rules.chain(chain).rules
    found = [s.map for r in lines for s in r.then if isinstance(s, nft.Dispatch | nft.CountBy)]
    return found + [m.name for r in lines for m in r.match if isinstance(m, nft.InSet)]


def test_groups_of_changing_verdicts_are_two_look_ups_and_their_ends_three_chains_at_most() -> None:
    written = judged(*(rule(n) for n in range(60)))
    (verdicts, counters) = sorted(written.crowds, key=lambda c: -len(c.said))
    assert asked(written) == [names.crowd_table(verdicts.name, version) for version in (4, 6)]
    assert [place[0] for place, _ in verdicts.said] == [f"g{n}" for n in range(60)]
    assert [place[0] for place, _ in counters.said] == [f"g{n}" for n in range(0, 60, 3)]
    ends = {datum.chain for _, datum in verdicts.said if isinstance(datum, nft.Goto)}
    assert {e for e in ends if not e.startswith("no-")} == {f"{SET}-a-end0", f"{SET}-a-end1"}
    assert asked(written, f"{SET}-a-end0") == [names.crowd_table(counters.name, version) for version in (4, 6)]


def test_a_tier_of_few_blocks_stays_as_blocks() -> None:
    written = judged(*(rule(n) for n in range(FEW)))
    assert not written.crowds
    assert len(asked(written)) == 2 * FEW


def test_of_two_rules_about_one_group_the_first_says() -> None:
    written = judged(*(rule(n) for n in range(30)), rule(31, Group(id=GroupId("g1")), verdict=Verdict.ACCEPT))
    said = dict(max(written.crowds, key=lambda c: len(c.said)).said)
    assert said[GroupId("g1"), ()] == nft.Goto(names.denied((rule(1).origin,)))


def test_what_has_no_ports_is_asked_for_each_port_and_for_all_others() -> None:
    written = judged(*(rule(n, None, *((HTTP,) if n % 2 else ())) for n in range(60)), rule(60, None, DNS))
    (by_port,) = (m for m in written.rules.maps if m.name == f"{SET}-a-p")
    assert sorted(key for key, _ in by_port.elements) == [("tcp", 80), ("udp", 53)]
    by_chain = {
        chain: next(c for c in written.crowds if names.crowd_table(c.name, 4) == asked(written, chain)[0])
        for chain in (f"{SET}-a-tcp-80", f"{SET}-a-udp-53")
    }
    assert {chain: len(found.said) for chain, found in by_chain.items()} == {
        f"{SET}-a-tcp-80": 60,
        f"{SET}-a-udp-53": 31,
    }


def test_what_no_crowd_has_is_asked_in_its_place() -> None:
    large = GroupId("g20")
    block = Cidr(prefix="192.0.2.0/24")
    written = judged(
        *(rule(n) for n in range(40)), rule(40, block), *(rule(n) for n in range(41, 80)), large=frozenset({large})
    )
    lines = written.rules.chain(SET).rules
    own = [i for i, line in enumerate(lines) if any(isinstance(m, nft.InSet) and "g20" in m.name for m in line.match)]
    cidr = [i for i, line in enumerate(lines) if any(isinstance(m, nft.Is) for m in line.match)]
    assert (own, cidr) == ([2, 3], [6])
    assert sorted(len(c.said) for c in written.crowds if isinstance(c.said[0][1], nft.Goto)) == [19, 20, 39]


def test_after_a_rule_about_everyone_nothing_is_asked() -> None:
    written = judged(*(rule(n) for n in range(40)), rule(40, Anyone()), *(rule(n) for n in range(41, 80)))
    assert max(len(c.said) for c in written.crowds) == 40
    assert written.rules.chain(SET).rules[2].match == ()


def test_a_tier_that_would_be_said_too_often_stays_as_blocks() -> None:
    ports = [PortMatch(protocol="TCP", first=n, last=n) for n in range(1, 60)]
    rules = [rule(n, None, *(() if n % 2 else (ports[n // 2],))) for n in range(110)]
    assert len(ports) * 55 > verdicts_mixed.AGAIN * len(rules)
    assert all("-a-" not in chain.name for chain in judged(*rules).rules.chains)


def test_a_tier_of_too_many_ports_stays_as_blocks() -> None:
    rules = [rule(n, None, PortMatch(protocol="TCP", first=n + 1, last=n + 1)) for n in range(verdicts_mixed.MOST + 1)]
    assert all("-a-" not in chain.name for chain in judged(*rules).rules.chains)
    assert any("-a-" in chain.name for chain in judged(*rules[:-1]).rules.chains)
