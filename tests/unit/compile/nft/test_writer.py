"""Chains in the making, and what they ask."""

from __future__ import annotations

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.crowds import crowd
from tandem.compile.nft.writer import Answers, Writer
from tandem.ir.policy import Anyone, Rule, Verdict
from tandem.state import nft
from tandem.state.nft import Field

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7")
ALLOWS = Rule(peers=(Anyone(),), origin=ORIGIN)
DENIES = Rule(peers=(Anyone(),), origin=ORIGIN, verdict=Verdict.DENY)


def test_a_denial_goes_to_the_chain_of_its_rule_and_an_allow_is_counted_where_that_is_asked_for() -> None:
    plain = Answers(then=(nft.Return(),))
    counted = Answers(then=(nft.Return(),), counted=True, staged=True)
    assert plain.line(ALLOWS, ()).then == (nft.Return(),)
    assert counted.line(ALLOWS, ()).then == (nft.Counter(names.allowed(ORIGIN)), nft.Return())
    assert plain.line(DENIES, ()).then == (nft.Goto(names.denied((ORIGIN,))),)
    assert counted.line(DENIES, ()).then == (nft.Goto(names.denied((ORIGIN,), staged=True)),)
    assert counted.line(ALLOWS, ()).comment == str(ORIGIN)


def test_what_is_written_after_a_turn_can_be_gone_to() -> None:
    writer = Writer("c")
    first, aside, last = (nft.Rule(then=(verdict,)) for verdict in (nft.Return(), nft.Drop(), nft.Accept()))
    writer.add(first)
    writer.aside("a", [aside])
    writer.turn("c-rest")
    writer.add(last)
    assert {chain.name: chain.rules for chain in writer.written().rules.chains} == {
        "a": (aside,),
        "c": (first, nft.Rule(then=(nft.Goto("c-rest"),))),
        "c-rest": (last,),
    }


def test_it_names_the_groups_that_are_asked_by_sets_and_the_counters_of_rules_and_crowds() -> None:
    writer = Writer("c")
    sets = (names.group_set(GroupId("g"), 6), "self6")
    writer.add(*(nft.Rule(match=(nft.InSet((Field.SADDR6,), name),), then=(nft.Counter("ok-1"),)) for name in sets))
    asked = crowd([((GroupId("h"), ()), ("ok-2",)), ((GroupId("k"), ()), ("ok-3",))])
    writer.knows(asked)
    writer.knows(asked)
    written = writer.written()
    assert written.groups() == {GroupId("g")}
    assert written.crowds == (asked,)
    assert written.rules.counters == {"ok-1", "ok-2", "ok-3"}
