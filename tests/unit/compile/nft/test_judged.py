"""What a node has of its pods' policy, and that going on from view to view says what a beginning says."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import ContainerId, GroupId, PodUid, PolicySetId
from tandem.base.problems import Origin
from tandem.base.table import Table
from tandem.compile.nft.chains import joined, judge
from tandem.compile.nft.crowds import LARGE, crowd_tables, crowd_tables_of_node
from tandem.compile.nft.judged import (
    Judged,
    compiles_alike,
    group_sets,
    group_sets_of_node,
    judged,
    preview_of,
    used_sets,
    with_previews,
)
from tandem.compile.nft.verdicts_groups import FEW
from tandem.ir.domains import names_of
from tandem.ir.node import NodeView
from tandem.ir.policy import AddressGroup, Domains, Group, Peer, PolicySet, Rule, Side, Verdict
from tandem.state import nft

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress", source="p.yaml:7")


def test_previews_are_compiled_and_their_groups_declared() -> None:
    seen = view_of(world(pod("web"), policy(ingress=[{"from": [{"podSelector": {}}]}])))
    (enforced,) = used_sets(seen)
    group = Rule(peers=(Group(id=GroupId("later")),), origin=ORIGIN)
    preview = msgspec.structs.replace(enforced, id=PolicySetId("y"), rules=(group,))
    beside = msgspec.structs.replace(enforced, preview=preview.id)
    there = msgspec.structs.replace(seen, sets={beside.id: beside, preview.id: preview})
    assert preview_of(there, beside) == preview
    assert preview_of(seen, beside) is None
    assert with_previews(there, used_sets(there)) == (beside, preview)
    assert {c.name for c in judged(there).rules.chains} == {f"ps-{beside.id}", "pv-y"}
    assert judged(there).groups == {*seen.groups, GroupId("later")}
    assert judged(there) is judged(msgspec.structs.replace(there, groups={}))
    assert "ag4-later" in {s.name for s in group_sets(there, judged(there).groups)}


def test_a_set_or_group_that_has_not_arrived_is_closed_or_empty() -> None:
    seen = view_of(world(pod("web"), policy(ingress=[{"from": [{"podSelector": {}}]}])))
    groups = judged(seen).groups
    assert sorted(len(s.elements) for s in group_sets(seen, groups)) == [0, 1]
    nothing = msgspec.structs.replace(seen, sets={}, groups={})
    assert [s.closed for s in used_sets(nothing)] == [True]
    assert [len(s.elements) for s in group_sets(nothing, groups)] == [0, 0]


def test_an_address_more_in_a_group_is_an_element_more_of_the_set_of_its_family() -> None:
    seen = view_of(world(pod("web"), policy(ingress=[{"from": [{"podSelector": {}}]}])))
    (name,) = seen.groups

    def elements(*addresses: str) -> dict[str, frozenset[nft.Key]]:
        group = AddressGroup(id=name, addresses=addresses)
        there = msgspec.structs.replace(seen, groups={name: group})
        found = group_sets_of_node(there, judged(there).groups)
        assert found == tuple(group_sets(there, judged(there).groups))
        return {s.name: s.elements for s in found}

    for addresses in (("10.0.0.1",), ("10.0.0.1", "fd00::1"), ("10.0.0.2", "fd00::1"), (), ("fd00::2", "fd00::3")):
        four, six = (frozenset((a,) for a in addresses if (":" in a) == six) for six in (False, True))
        assert elements(*addresses) == {f"ag4-{name}": four, f"ag6-{name}": six}


def test_a_set_that_no_pod_has_changes_nothing_that_is_compiled() -> None:
    before = view_of(world(pod("p", ip="10.244.0.2", node="node-1")))
    alone = PolicySet(id=PolicySetId("new"), side=Side.INGRESS, rules=(), isolated_by=())
    news = msgspec.structs.replace(before, sets={**before.sets, alone.id: alone})
    assert compiles_alike(before, news)
    (attached,) = before.pods
    holder = msgspec.structs.replace(attached, pod=msgspec.structs.replace(attached.pod, ingress=alone.id))
    held = msgspec.structs.replace(news, pods=(holder,))
    assert not compiles_alike(news, held)
    assert not compiles_alike(held, msgspec.structs.replace(held, sets=before.sets))
    shown = msgspec.structs.replace(alone, id=PolicySetId("own"), preview=alone.id)
    beside = msgspec.structs.replace(held, sets={shown.id: shown})
    assert not compiles_alike(beside, msgspec.structs.replace(beside, sets={shown.id: shown, alone.id: alone}))


INGRESS, EGRESS = ([PolicySetId(name) for name in names] for names in ("uvw", "xyz"))
IDS = [*INGRESS, *EGRESS]
GROUPS = [GroupId(name) for name in "ghk"]
CROWD = [*GROUPS, *(GroupId(f"c{number}") for number in range(FEW))]
MEMBERS = ((), ("10.244.0.3",), ("10.244.0.3", "10.244.0.4", "fd00::1"), ("10.244.0.4", "fd00::2"))
FULL = tuple(f"10.245.{number // 200}.{number % 200}" for number in range(LARGE + 1))


@st.composite
def _sets(draw: st.DrawFn) -> dict[PolicySetId, PolicySet]:
    """Sets of a node, half of each side; some share a rule, some have a preview that may not have arrived."""
    found = {}
    for name in draw(st.lists(st.sampled_from(IDS), unique=True)):
        mine = EGRESS if name in EGRESS else INGRESS
        groups = draw(st.one_of(st.just(CROWD), st.lists(st.sampled_from(GROUPS), max_size=2, unique=True)))
        spelt = draw(st.lists(st.sampled_from(["a.test", "b.test"]), max_size=1))
        peers: tuple[Peer, ...] = (
            *(Group(id=group) for group in groups),
            *(Domains(patterns=(pattern,)) for pattern in spelt),
        )
        # A rule denies on one side, and on that side the same wherever it is.
        origin = msgspec.structs.replace(ORIGIN, path=f"spec.{mine[0]}[{len(groups)}]")
        rule = Rule(peers=peers, origin=origin, verdict=draw(st.sampled_from([Verdict.ACCEPT, Verdict.DENY])))
        found[name] = PolicySet(
            id=name,
            side=Side.EGRESS if mine is EGRESS else Side.INGRESS,
            rules=(),
            isolated_by=(),
            admin=(rule,) if peers else (),
            preview=draw(st.sampled_from([None, *mine])),
        )
    return found


@st.composite
def _groups(draw: st.DrawFn) -> dict[GroupId, AddressGroup]:
    """Some are large, and some have not arrived."""
    members = {name: draw(st.sampled_from([None, *MEMBERS, FULL])) for name in CROWD[:4]}
    members |= dict.fromkeys(CROWD[4:], MEMBERS[1])
    return {name: AddressGroup(id=name, addresses=found) for name, found in members.items() if found is not None}


Step = st.tuples(_sets(), st.lists(st.sampled_from(IDS), max_size=4), _groups(), st.booleans())


@given(st.lists(Step, min_size=2, max_size=6))
def test_going_on_from_view_to_view_gives_what_a_beginning_gives(
    steps: list[tuple[dict[PolicySetId, PolicySet], list[PolicySetId], dict[GroupId, AddressGroup], bool]],
) -> None:
    seen = view_of(world(pod("web", ip="10.244.0.2", node="node-1")))
    (attached,) = seen.pods
    sets: Table[PolicySetId, PolicySet] = Table()
    groups: Table[GroupId, AddressGroup] = Table()
    for wanted, used, members, plain in steps:
        groups = groups.become(members)
        same = {name: sets[name] if sets.get(name) == found else found for name, found in wanted.items()}
        sets = sets.changed(same, sets.keys() - same.keys())
        pods = tuple(
            msgspec.structs.replace(
                attached,
                container_id=ContainerId(f"c{number}"),
                pod=msgspec.structs.replace(
                    attached.pod,
                    uid=PodUid(f"u{number}"),
                    ingress=name if name in INGRESS else None,
                    egress=name if name in EGRESS else None,
                ),
            )
            for number, name in enumerate(used)
        )
        now = msgspec.structs.replace(
            seen,
            pods=pods,
            sets=dict(sets) if plain else sets,
            groups=dict(groups) if plain else groups,
        )
        found = judged(now)
        assert found == beginning(now)
        made = group_sets(now, found.groups)
        assert group_sets_of_node(now, found.groups) == tuple(sorted(made, key=lambda one: one.name))
        tables = crowd_tables_of_node(now.groups, found.crowds)
        assert in_order(tables) == in_order(crowd_tables(now.groups, found.crowds))


def beginning(view: NodeView) -> Judged:
    used = used_sets(view)
    large = frozenset(name for name, group in view.groups.items() if len(group.addresses) > LARGE)
    written = joined(judge(found, preview_of(view, found), large=large) for found in used)
    asked = with_previews(view, used)
    return Judged(
        rules=in_order(written.rules),
        groups=written.groups(),
        patterns=tuple(sorted({peer.patterns for found in asked for peer in names_of(found)})),
        crowds=tuple(sorted(written.crowds, key=lambda one: one.name)),
    )


def in_order(rules: nft.Ruleset) -> nft.Ruleset:
    return nft.ruleset(chains=rules.chains, sets=rules.sets, maps=rules.maps, counters=rules.counters)
