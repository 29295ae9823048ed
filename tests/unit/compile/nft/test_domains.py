"""Sets of learned addresses."""

from __future__ import annotations

import msgspec

from builders import pod
from meshbuild import CONFIG
from nodeviews import attached, node
from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.chains import judge
from tandem.compile.nft.domains import ANSWER_BYTES, ANSWERS, LEARN, domain_sets, learning, patterns_of_pods
from tandem.compile.nft.guard import compile_guard
from tandem.compile.nft.judged import used_sets
from tandem.compile.nft.node import compile_nft
from tandem.ir.domains import Learned
from tandem.ir.node import ForeignLink, NodeView
from tandem.ir.policy import Domains, PolicySet, Rule, Side
from tandem.state import nft
from tandem.state.nft import Field
from tandem.state.ownership import NAMES_GROUP

ORIGIN = Origin(kind="ClusterNetworkPolicy", namespace="", name="names")
SHOP = Domains(patterns=("*.shop.test", "shop.test"))
OTHER = Domains(patterns=("other.test",))
EGRESS = PolicySet(
    id=PolicySetId("out"),
    side=Side.EGRESS,
    rules=(),
    isolated_by=(ORIGIN,),
    admin=(Rule(peers=(SHOP, OTHER), origin=ORIGIN), Rule(peers=(SHOP,), origin=ORIGIN)),
)


def view(learned: Learned) -> NodeView:
    pods = (attached(pod("web", ip="10.244.0.2"), egress="out"),)
    return NodeView(node=node(), config=CONFIG, pods=pods, sets={EGRESS.id: EGRESS}, learned=dict(learned))


def test_each_peer_has_a_set_per_family_with_what_any_of_its_names_has() -> None:
    now = view({"*.shop.test": ("192.0.2.1", "2001:db8::1"), "shop.test": ("192.0.2.2",), "gone.test": ("192.0.2.3",)})
    assert {s.name: s.elements for s in domain_sets(now, used_sets(now))} == {
        names.domain_set(SHOP.patterns, 4): {("192.0.2.1",), ("192.0.2.2",)},
        names.domain_set(SHOP.patterns, 6): {("2001:db8::1",)},
        names.domain_set(OTHER.patterns, 4): set(),
        names.domain_set(OTHER.patterns, 6): set(),
    }


def test_the_sets_are_part_of_the_table_and_nothing_else_changes_with_what_is_learned() -> None:
    before, after = compile_nft(view({})), compile_nft(view({"other.test": ("192.0.2.1",)}))
    assert after.chains == before.chains
    assert [s.name for s in after.sets] == [s.name for s in before.sets]
    assert [s.name for s, t in zip(after.sets, before.sets, strict=True) if s != t] == [
        names.domain_set(OTHER.patterns, 4)
    ]


def test_a_rule_for_names_matches_its_sets() -> None:
    allows = PolicySet(
        id=PolicySetId("x"),
        side=Side.EGRESS,
        rules=(Rule(peers=(OTHER,), origin=ORIGIN),),
        isolated_by=(ORIGIN,),
    )
    matches = [rule.match for rule in judge(allows).rules.chain("ps-x").rules if rule.match]
    assert matches[:2] == [
        (nft.InSet((Field.DADDR4,), names.domain_set(OTHER.patterns, 4)),),
        (nft.InSet((Field.DADDR6,), names.domain_set(OTHER.patterns, 6)),),
    ]


def test_answers_are_copied_that_the_node_gives_to_pods_whose_policy_is_about_names() -> None:
    two = view({})
    other = attached(pod("other", ip="10.244.0.3"))
    both = msgspec.structs.replace(two, pods=(*two.pods, other))
    made = learning(both)
    [chain] = made.chains
    assert chain.name == LEARN
    assert chain.base == nft.Hook(type="filter", hook="output", priority=10)
    assert [(rule.match, rule.then) for rule in chain.rules] == [
        (
            (
                nft.OneOf(Field.L4PROTO, ("udp", "tcp")),
                nft.Is(Field.SPORT, 53),
                nft.OneOf(Field.SADDR4, ("10.96.0.10",)),
                nft.InSet((Field.DADDR4,), "asking4"),
            ),
            (ANSWERS, nft.Log("names", group=NAMES_GROUP, snaplen=ANSWER_BYTES)),
        )
    ]
    assert {s.name: s.elements for s in made.sets} == {"asking4": {("10.244.0.2",)}, "asking6": set()}


def test_where_no_policy_is_about_names_nothing_is_copied() -> None:
    plain = msgspec.structs.replace(EGRESS, admin=())
    without = msgspec.structs.replace(view({}), sets={EGRESS.id: plain})
    assert learning(without) == nft.Ruleset()
    unused = msgspec.structs.replace(view({}), pods=(attached(pod("web", ip="10.244.0.2")),))
    assert learning(unused) == nft.Ruleset()


def test_a_staged_policy_asks_for_its_names_as_well() -> None:
    staged = PolicySetId("staged")
    plain = msgspec.structs.replace(EGRESS, admin=(), preview=staged)
    preview = msgspec.structs.replace(EGRESS, id=staged)
    now = msgspec.structs.replace(view({}), sets={EGRESS.id: plain, staged: preview})
    assert patterns_of_pods(now) == {EGRESS.id: {"*.shop.test", "shop.test", "other.test"}}
    assert learning(now) != nft.Ruleset()


def test_behind_another_plugin_the_pods_own_table_has_its_names_and_the_node_copies_its_answers() -> None:
    now = view({"other.test": ("192.0.2.1",)})
    foreign = msgspec.structs.replace(now.pods[0], foreign=ForeignLink(ifname="eth0", guarded=True))
    behind = msgspec.structs.replace(now, pods=(foreign,))
    inside = {s.name: s.elements for s in compile_guard(behind, foreign).sets}
    assert inside[names.domain_set(OTHER.patterns, 4)] == {("192.0.2.1",)}
    node = {s.name: s.elements for s in compile_nft(behind).sets}
    assert node["asking4"] == {("10.244.0.2",)}
    assert names.domain_set(OTHER.patterns, 4) not in node


def test_while_nothing_is_learned_the_sets_are_the_very_same() -> None:
    now = view({"other.test": ("192.0.2.1",)})
    more = msgspec.structs.replace(now, pods=(*now.pods, attached(pod("new", ip="10.244.0.9"), egress="out")))
    before, after = domain_sets(now, used_sets(now)), domain_sets(more, used_sets(more))
    assert [id(s) for s in before] == [id(s) for s in after]
