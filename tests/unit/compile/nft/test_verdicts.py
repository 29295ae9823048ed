"""Blocks of rules: a few one by one, many as tables."""

from __future__ import annotations

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.compile.nft.verdicts import write
from tandem.compile.nft.verdicts_groups import FEW
from tandem.compile.nft.writer import Answers, Writer
from tandem.ir.policy import Anyone, Cidr, Group, PortMatch, Rule, Side
from tandem.state import nft
from tandem.state.nft import Field

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7")
PLAIN = Answers(then=(nft.Accept(),))
COUNTED = Answers(then=(nft.Accept(),), counted=True)


def _written(*rules: Rule, side: Side = Side.INGRESS, answers: Answers = PLAIN) -> nft.Ruleset:
    writer = Writer("c")
    write(writer, rules, answers, side=side, name="c-n0")
    return writer.written().rules


def _port(number: int) -> tuple[PortMatch, ...]:
    return (PortMatch(protocol="TCP", first=number, last=number),)


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


def test_as_many_lines_as_are_few_are_written_out_and_groups_of_both_families_are_two() -> None:
    rules = [Rule(peers=(Group(id=GroupId(f"g{i}")),), ports=_port(i + 1), origin=ORIGIN) for i in range(FEW // 2 + 1)]
    assert len(_written(*rules[1:]).chain("c").rules) == FEW
    assert [table.name for table in _written(*rules).maps] == ["c-n0-g-p"]
    blocks = [Rule(peers=(Cidr(prefix=f"192.0.2.{i}/32"),), ports=_port(80), origin=ORIGIN) for i in range(FEW)]
    assert [table.name for table in _written(*rules[1:], *blocks).sets] == ["c-n0-h4"]


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
