"""The compiled nftables rules agree with the reference evaluator, for any World and any packet."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeviews import DNS, ifname_of, routes, view_of
from property.worlds import worlds
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import apply, plan
from tandem.drivers.nft.trace import Packet, Trace, trace
from tandem.model import core
from tandem.model.world import World
from tandem.reference import policy as reference
from tandem.state import nft
from tandem.translate.policy import translate_policy


def packets(world: World) -> list[tuple[str, str, str, int]]:
    """(source, destination, protocol, port) between every two ends, one of them a pod."""
    pods = [a for p in world.sorted(core.Pod) if not p.finished for a in p.addresses]
    outside = ["203.0.113.7", "203.0.113.200", "2001:db8::1"]
    pairs = [(s, d) for s in pods for d in (*pods, *outside, DNS) if s != d] + [(s, d) for s in outside for d in pods]
    ports = (("tcp", 80), ("tcp", 8080), ("tcp", 53), ("udp", 53), ("sctp", 80), ("icmp", 0))
    return [(s, d, *port) for s, d in pairs if (":" in s) == (":" in d) for port in ports]


def through_the_nodes(world: World, rulesets: dict[str, nft.Ruleset], packet: Packet) -> Trace:
    """The packet on the source's node, and then on the destination's."""
    where = {a: p for p in world.sorted(core.Pod) if not p.finished for a in p.addresses}
    source, destination = where.get(packet.saddr), where.get(packet.daddr)
    result: Trace | None = None
    for end in (source, destination):
        if end is None or (end is destination and source and source.spec.node_name == end.spec.node_name):
            continue
        node = end.spec.node_name
        arriving = msgspec.structs.replace(packet, iifname=ifname_of(end) if end is source else "eth0")
        result = trace(rulesets[node], arriving, route=routes(world, node_name=node))
        if result.verdict != "accept":
            break
    assert result
    return result


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_the_kernel_rules_agree_with_the_reference(world: World) -> None:
    rulesets = {n: compile_nft(view_of(world, node_name=n)) for n in ("node-1", "node-2")}
    for source, destination, protocol, port in packets(world):
        packet = Packet(saddr=source, daddr=destination, protocol=protocol, dport=port)
        found = through_the_nodes(world, rulesets, packet)
        asked = reference.Packet(source=source, destination=destination, protocol=protocol.upper(), port=port)
        wanted = reference.decide(world, asked)
        assert (found.verdict == "accept") == wanted.allowed, (packet, found, wanted)
        assert wanted.allowed or found.log.endswith(f"/{wanted.denied_by}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), worlds())
def test_a_plan_leads_from_any_state_to_any_other(before: World, after: World) -> None:
    old, new = compile_nft(view_of(before)), compile_nft(view_of(after))
    assert apply(plan(old, new), old) == new
    assert apply(plan(None, new), old) == new
    assert not plan(new, new)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(world: World, random: Any) -> None:
    objects = list(world.objects())
    random.shuffle(objects)
    one, again = translate_policy(world), translate_policy(World.of(objects))
    assert msgspec.json.encode(one) == msgspec.json.encode(again)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_number_of_base_chains_is_constant(world: World) -> None:
    ruleset = compile_nft(view_of(world))
    assert sum(c.base is not None for c in ruleset.chains) == 9
