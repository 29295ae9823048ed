"""Deltas as commands of one transaction."""

from __future__ import annotations

from tandem.drivers.nft.commands import commands
from tandem.drivers.nft.plan import plan
from tandem.state import nft

BASE = nft.Hook(type="nat", hook="prerouting", priority=-100)
RULE = nft.Rule(then=(nft.Drop(),), comment="why")


def _table(*elements: str, rules: tuple[nft.Rule, ...] = (RULE,)) -> nft.Ruleset:
    return nft.ruleset(
        chains=(nft.Chain(name="c", base=BASE, rules=rules),),
        sets=(nft.Set(name="s", type=("ipv4_addr",), elements=frozenset((e,) for e in elements)),),
    )


def test_the_first_load_replaces_the_table_in_one_transaction() -> None:
    assert commands(plan(None, _table("10.0.0.1"))).splitlines() == [
        "add table inet tandem",
        "delete table inet tandem",
        "add table inet tandem",
        "create set inet tandem s { type ipv4_addr; }",
        "create chain inet tandem c { type nat hook prerouting priority -100; policy accept; }",
        "add element inet tandem s { 10.0.0.1 }",
        'add rule inet tandem c drop comment "why"',
    ]


def test_a_change_names_what_changed_only() -> None:
    assert commands(plan(_table("10.0.0.1"), _table("10.0.0.2", rules=()))).splitlines() == [
        "delete element inet tandem s { 10.0.0.1 }",
        "flush chain inet tandem c",
        "add element inet tandem s { 10.0.0.2 }",
    ]


def test_what_is_gone_is_deleted_last() -> None:
    assert commands(plan(_table("10.0.0.1"), nft.ruleset())).splitlines() == [
        "delete element inet tandem s { 10.0.0.1 }",
        "flush chain inet tandem c",
        "delete chain inet tandem c",
        "delete set inet tandem s",
    ]
