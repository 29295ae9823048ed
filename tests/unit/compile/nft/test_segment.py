"""The table of the bridge."""

from __future__ import annotations

import msgspec

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import PolicySetId
from tandem.compile.nft.dispatch import pod_sets
from tandem.compile.nft.segment import compile_segment
from tandem.ir.node import NodeView
from tandem.state import nft, nft_text

A, B = pod("a", ip="10.244.0.2", app="a"), pod("b", ip="10.244.0.3", app="b")
CLOSED = policy("closed", podSelector={"matchLabels": {"app": "b"}}, ingress=[], policyTypes=["Ingress"])


def shared(view: NodeView) -> NodeView:
    """The same with every pod on the bridge."""
    pods = tuple(
        msgspec.structs.replace(a, segment=True, mac=f"02:00:00:00:00:0{i}") for i, a in enumerate(view.pods, 1)
    )
    return msgspec.structs.replace(view, pods=pods)


def of(view: NodeView) -> nft.Ruleset:
    found = compile_segment(view)
    assert found is not None
    return found


def elements(ruleset: nft.Ruleset, name: str) -> frozenset[nft.Key]:
    return next(s.elements for s in ruleset.sets if s.name == name)


def test_without_a_bridge_there_is_no_table() -> None:
    assert compile_segment(view_of(world(A, B))) is None


def test_a_port_carries_its_pods_mac_and_addresses() -> None:
    view = shared(view_of(world(A, B)))
    links = {a.pod.name: a.host_ifname for a in view.pods}
    ruleset = of(view)
    assert elements(ruleset, "ports") == {
        (links["a"], "02:00:00:00:00:01"),
        (links["b"], "02:00:00:00:00:02"),
    }
    assert (links["b"], "02:00:00:00:00:02", "10.244.0.3") in elements(ruleset, "ports4")
    assert elements(ruleset, "ports6") == frozenset()


def test_a_pod_that_policy_isolates_is_deaf_or_mute_to_what_is_for_everyone() -> None:
    view = shared(view_of(world(A, B, CLOSED)))
    (isolated,) = (a.host_ifname for a in view.pods if a.pod.name == "b")
    assert elements(of(view), "deaf") == {(isolated,)}
    assert elements(of(view), "mute") == frozenset()


def test_what_is_only_staged_makes_nobody_deaf() -> None:
    view = shared(view_of(world(A, B, CLOSED)))
    open_so_far = {
        key: msgspec.structs.replace(s, rules=(), isolated_by=(), preview=PolicySetId("later"))
        for key, s in view.sets.items()
    }
    assert elements(of(msgspec.structs.replace(view, sets=open_so_far)), "deaf") == frozenset()
    assert len(elements(of(msgspec.structs.replace(view, sets={})), "deaf")) == 1


def test_a_change_of_policy_changes_elements_and_no_rule() -> None:
    before, after = of(shared(view_of(world(A, B)))), of(shared(view_of(world(A, B, CLOSED))))
    assert before.chains == after.chains


def test_its_text_is_a_table_of_the_family_bridge() -> None:
    text = nft_text.table(of(shared(view_of(world(A, B)))))
    assert text.startswith("table bridge tandem {\n")
    assert "meta pkttype != { broadcast, multicast } ether daddr set 02:" in text


def test_what_comes_out_of_the_bridge_comes_from_a_pod() -> None:
    view = shared(view_of(world(A, B)))
    links4 = next(s for s in pod_sets(view) if s.name == "links4")
    assert {("td-br", "10.244.0.2"), ("td-br", "10.244.0.3")} < links4.elements
