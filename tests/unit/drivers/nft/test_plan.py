"""What a transaction contains, and what it means."""

from __future__ import annotations

import pytest

from tandem.drivers.nft.plan import (
    AddContainer,
    AddElements,
    AddRules,
    DeleteContainer,
    DeleteElements,
    Delta,
    FlushChain,
    Operation,
    ReplaceTable,
    apply,
    chain_targets,
    container_targets,
    plan,
)
from tandem.state import nft
from tandem.state.nft import Field


def _peers(*addresses: str) -> nft.Ruleset:
    rule = nft.Rule(match=(nft.InSet((Field.SADDR4,), "peers"),), then=(nft.Accept(),))
    peers = nft.Set(name="peers", type=("ipv4_addr",), elements=frozenset((a,) for a in addresses))
    return nft.ruleset(chains=(nft.Chain(name="c", rules=(rule,)),), sets=(peers,))


def _kinds(delta: Delta) -> list[type[Operation]]:
    return [type(o) for o in delta.operations]


def test_nothing_to_do_is_an_empty_delta() -> None:
    assert not plan(_peers("10.0.0.1"), _peers("10.0.0.1"))


def test_a_new_peer_is_one_element() -> None:
    delta = plan(_peers("10.0.0.1"), _peers("10.0.0.1", "10.0.0.2"))
    assert delta.operations == (AddElements(nft.Set(name="peers", type=("ipv4_addr",)), frozenset({("10.0.0.2",)})),)


def test_as_many_sets_of_other_names_are_others() -> None:
    a, b, c = (nft.Set(name=name, type=("ipv4_addr",)) for name in "abc")
    before, now = nft.ruleset(sets=(a, b)), nft.ruleset(sets=(b, c))
    delta = plan(before, now)
    assert delta.operations == (AddContainer(c), DeleteContainer(a))
    assert apply(delta, before) == now


def test_a_peer_that_is_replaced_is_removed_first() -> None:
    assert _kinds(plan(_peers("10.0.0.1"), _peers("10.0.0.2"))) == [DeleteElements, AddElements]


def test_a_chain_whose_rules_differ_is_filled_again_in_place() -> None:
    old = nft.ruleset(chains=(nft.Chain(name="c", rules=(nft.Rule(then=(nft.Drop(),)),)),))
    new = nft.ruleset(chains=(nft.Chain(name="c", rules=(nft.Rule(then=(nft.Accept(),)),)),))
    assert _kinds(plan(old, new)) == [FlushChain, AddRules]


def test_an_unknown_state_is_replaced_as_a_whole() -> None:
    assert _kinds(plan(None, _peers()))[0] is ReplaceTable


def test_a_declaration_that_changed_replaces_the_table() -> None:
    wide = nft.ruleset(sets=(nft.Set(name="peers", type=("ipv4_addr",), interval=True),))
    assert _kinds(plan(_peers(), wide))[0] is ReplaceTable


def test_a_set_that_becomes_a_map_of_its_name_replaces_the_table_and_so_does_a_map_that_becomes_a_set() -> None:
    judged = nft.ruleset(maps=(nft.Map(name="peers", type=("ipv4_addr",)),))
    for old, new in ((_peers(), judged), (judged, _peers())):
        assert _kinds(plan(old, new))[0] is ReplaceTable


def test_apply_refuses_a_lookup_in_no_set() -> None:
    with pytest.raises(ValueError, match="peers: does not exist"):
        apply(
            Delta(operations=(*plan(nft.Ruleset(), nft.ruleset(chains=(nft.Chain(name="c"),))).operations, LOOKUP)),
            None,
        )


LOOKUP = AddRules("c", _peers().chain("c").rules)


def test_targets_of_a_rule_are_found() -> None:
    rule = nft.Rule(match=(nft.InSet((Field.SADDR4,), "s"),), then=(nft.Dispatch((Field.DADDR4,), "m"), nft.Goto("c")))
    assert chain_targets(rule) == ("c",)
    assert container_targets(rule) == ("s", "m")
