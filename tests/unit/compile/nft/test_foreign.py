"""What the node's table has for pods behind other plugins: their addresses, and none of their policy."""

from __future__ import annotations

import msgspec

from builders import pod
from nodeviews import attached, node, view_of
from tandem.compile.nft.foreign import foreign_state, own_pods
from tandem.compile.nft.node import compile_nft
from tandem.ir.node import ForeignLink, NodeView
from tandem.model.world import World
from tandem.state import nft, nft_text

LINK = ForeignLink(ifname="eth0", node_addresses=("10.88.0.1",), guarded=True)


def view() -> NodeView:
    """A pod of ours, and one of another plugin that a policy isolates."""
    ours = attached(pod("ours", ip="10.244.0.5"))
    behind = msgspec.structs.replace(
        attached(pod("behind", ip="10.88.0.2"), ingress="aaaaaaaaaaaa"), host_ifname="", foreign=LINK
    )
    return msgspec.structs.replace(view_of(World()), node=node("node-1", "10.244.0.0/24"), pods=(ours, behind))


def elements(ruleset: nft.Ruleset, name: str) -> frozenset[object]:
    parts: tuple[nft.Set | nft.Map, ...] = (*ruleset.sets, *ruleset.maps)
    return next(frozenset(part.elements) for part in parts if part.name == name)


def test_without_such_a_pod_there_is_nothing() -> None:
    alone = own_pods(view())
    assert [p.pod.name for p in alone.pods] == ["ours"]
    assert foreign_state(alone) == nft.ruleset()
    assert own_pods(alone) is alone


def test_such_a_pod_has_neither_link_nor_policy_in_the_nodes_table() -> None:
    found = compile_nft(view())
    assert "10.88.0.2" not in {key[1] for key in elements(found, "links4")}  # type: ignore[index]
    assert elements(found, "ingress4") == {(key, nft.Accept()) for key in elements(found, "links4")}
    assert not [chain.name for chain in found.chains if chain.name.startswith("ps-")]


def test_its_address_keeps_its_source() -> None:
    found = compile_nft(view())
    assert elements(found, "foreign4") == {("10.88.0.2",)}
    rules = [nft_text.rule(rule) for rule in found.chain("foreign-source").rules]
    assert rules[:3] == [
        (
            "ip saddr @foreign4 ip daddr @foreign4 ct status dnat snat ip to 10.244.0.1"
            ' comment "between pods of another plugin by a Service"'
        ),
        'ip daddr @foreign4 snat ip to ip saddr comment "to a pod of another plugin"',
        'ip saddr @foreign4 ip daddr @local4 snat ip to ip saddr comment "from a pod of another plugin to ours"',
    ]
