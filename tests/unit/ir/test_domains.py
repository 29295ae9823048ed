from __future__ import annotations

import msgspec

from meshbuild import CONFIG
from nodeviews import node
from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin
from tandem.ir.domains import addresses_of, asked_for, for_established, patterns_of
from tandem.ir.node import NodeView
from tandem.ir.policy import Anyone, Domains, PolicySet, Rule, Side

ORIGIN = Origin(kind="ClusterNetworkPolicy", namespace="", name="names")
VIEW = NodeView(node=node(), config=CONFIG)


def rule(*patterns: str) -> Rule:
    return Rule(peers=(Anyone(), Domains(patterns=patterns)), origin=ORIGIN)


def test_a_name_matches_itself_and_the_wildcards_above_it() -> None:
    assert list(patterns_of("www.shop.test")) == ["www.shop.test", "*.shop.test", "*.test"]


def test_a_wildcard_does_not_stand_for_the_name_below_it_alone() -> None:
    assert "*.shop.test" not in patterns_of("shop.test")
    assert "*.shop.test" in patterns_of("a.b.shop.test")


def test_rules_of_every_tier_ask_for_names() -> None:
    made = PolicySet(
        id=PolicySetId("a"),
        side=Side.EGRESS,
        rules=(rule("np.test"),),
        isolated_by=(),
        admin=(rule("admin.test", "*.shop.test"),),
        baseline=(rule("baseline.test"),),
    )
    assert asked_for(made) == {"np.test", "admin.test", "*.shop.test", "baseline.test"}


def test_a_peer_stands_for_what_any_of_its_names_has() -> None:
    learned = {"a.test": ("192.0.2.1",), "*.b.test": ("192.0.2.2", "2001:db8::2"), "c.test": ("192.0.2.3",)}
    peer = Domains(patterns=("*.b.test", "a.test", "unknown.test"))
    assert addresses_of(peer, learned) == {"192.0.2.1", "192.0.2.2", "2001:db8::2"}


def test_what_has_lapsed_counts_for_connections_that_exist_and_for_no_others() -> None:
    view = msgspec.structs.replace(
        VIEW, learned={"a.test": ("192.0.2.1",)}, lapsed={"a.test": ("192.0.2.9",), "b.test": ("192.0.2.2",)}
    )
    assert view.learned == {"a.test": ("192.0.2.1",)}
    assert for_established(view).learned == {"a.test": ("192.0.2.1", "192.0.2.9"), "b.test": ("192.0.2.2",)}


def test_without_anything_lapsed_it_is_the_view_itself() -> None:
    assert for_established(VIEW) is VIEW
