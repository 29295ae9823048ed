"""The compiled rules send every connection where the reference says that Kubernetes sends it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import endpoint_slice, node, pod, service, world
from meshbuild import CONFIG
from nfttrace import Memory, Packet, Trace, trace
from nodeviews import DNS, ifname_of, routes, view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import apply, plan
from tandem.model import core
from tandem.model.world import World
from tandem.reference.services import Answer, Dialled, answer

NODE_IP = "192.168.0.1"
CLIENT = pod("client", ip="10.244.0.9", node="node-1")
PODS = tuple(pod(f"p{i}", ip=f"10.244.0.{i + 10}", node=f"node-{i % 2 + 1}") for i in range(4))
FRONTS = ("10.96.0.20", "10.96.0.21", DNS, "198.51.100.1", "203.0.113.9", NODE_IP, "127.0.0.1")
PORTS = (80, 81, 30080, 30081)
NODES = (node("node-1"), node("node-1", zone="a"), node("node-1", zone="c"))
CONDITIONS = (
    core.EndpointConditions(ready=True, serving=True, terminating=False),
    core.EndpointConditions(ready=False, serving=False, terminating=False),
    core.EndpointConditions(ready=False, serving=True, terminating=True),
    core.EndpointConditions(ready=False, serving=False, terminating=True),
)


HINTS = (
    core.EndpointHints(),
    core.EndpointHints(for_zones=(core.ForPlace(name="a"),)),
    core.EndpointHints(for_zones=(core.ForPlace(name="b"),)),
    core.EndpointHints(for_zones=(core.ForPlace(name="b"),), for_nodes=(core.ForPlace(name="node-1"),)),
    core.EndpointHints(for_zones=(core.ForPlace(name="a"),), for_nodes=(core.ForPlace(name="node-2"),)),
)


@st.composite
def services(draw: st.DrawFn) -> tuple[core.Service, core.EndpointSlice]:
    number = draw(st.integers(0, 1))
    policy = st.sampled_from(["Cluster", "Local"])
    spec: dict[str, Any] = {
        "type": draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"])),
        "internalTrafficPolicy": draw(policy),
        "externalTrafficPolicy": draw(policy),
        "sessionAffinity": draw(st.sampled_from(["None", "ClientIP"])),
        "externalIPs": draw(
            st.sampled_from([[], ["203.0.113.9"], [NODE_IP], ["198.51.100.1"], ["10.96.0.20", "10.96.0.21"]])
        ),
    }
    ports = [
        {"name": "a", "port": 80, "targetPort": 8080, "nodePort": 30080 + number},
        {"name": "b", "port": 81, "targetPort": 8081, "protocol": "UDP"},
    ]
    made = service(f"s{number}", ip=f"10.96.0.{20 + number}", ports=ports, **spec)
    if spec["type"] == "LoadBalancer":
        ranges = draw(st.sampled_from([(), ("10.244.0.0/16",), ("203.0.113.0/24", "192.168.0.1/32"), ("1.2.3.4/32",)]))
        limited = msgspec.structs.replace(made.spec, load_balancer_source_ranges=ranges)
        made = msgspec.structs.replace(made, spec=limited)
    if draw(st.booleans()):
        ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip="198.51.100.1"),))
        made = msgspec.structs.replace(made, status=core.ServiceStatus(load_balancer=ingress))
    chosen = draw(st.lists(st.sampled_from(PODS), unique_by=lambda p: p.metadata.name, max_size=4))
    piece = endpoint_slice(made, chosen)
    hints = draw(st.sampled_from([HINTS[:1], HINTS, HINTS[1:3], HINTS[1:2], HINTS[3:]]))
    ends = [
        msgspec.structs.replace(e, conditions=draw(st.sampled_from(CONDITIONS)), hints=draw(st.sampled_from(hints)))
        for e in piece.endpoints
    ]
    return made, msgspec.structs.replace(piece, endpoints=tuple(ends))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    made = draw(st.lists(services(), unique_by=lambda pair: pair[0].metadata.name, max_size=2))
    return world(draw(st.sampled_from(NODES)), CLIENT, *PODS, *(o for pair in made for o in pair))


def attempts() -> list[Packet]:
    ways = (("10.244.0.9", ifname_of(CLIENT)), (NODE_IP, ""), ("203.0.113.50", "eth0"))
    return [
        Packet(saddr=source, iifname=link, daddr=front, dport=port, protocol=protocol)
        for source, link in ways
        for front in FRONTS
        for port in PORTS
        for protocol in ("tcp", "udp")
        if link == "" or front != "127.0.0.1"
    ]


def outcome(found: Trace) -> str:
    if found.verdict != "accept":
        return {"reject": "refused", "drop": "dropped"}[found.verdict]
    return "reached" if found.packet.dnat else "none"


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.integers(0, 7))
def test_the_kernel_rules_send_each_connection_where_the_reference_says(made: World, draw: int) -> None:
    ruleset, route = compile_nft(view_of(made)), routes(made)
    for packet in attempts():
        dialled = Dialled(
            source=packet.saddr,
            address=packet.daddr,
            protocol=packet.protocol.upper(),
            port=packet.dport,
            inside=packet.iifname != "eth0",
            at_node=packet.daddr in {NODE_IP, "127.0.0.1", DNS},
            inner=CONFIG.service_cidrs,
        )
        wanted: Answer = answer(made, "node-1", dialled)
        found = trace(ruleset, packet, route=lambda a: "" if a == "127.0.0.1" else route(a), choose=lambda _: draw)
        assert outcome(found) == wanted.outcome, (packet, found, wanted)
        if wanted.outcome == "reached":
            assert (found.packet.daddr, found.packet.dport) in wanted.endpoints


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), worlds(), st.lists(st.integers(0, 7), min_size=4, max_size=4))
def test_affinity_holds_as_long_as_the_endpoint_is_there(before: World, after: World, draws: list[int]) -> None:
    memory: Memory = {}
    for packet in attempts():
        if packet.saddr == "10.244.0.9" and packet.daddr.startswith("10.96.0.2") and packet.protocol == "tcp":
            _same_endpoint(before, after, packet, memory=memory, draws=draws)


def _same_endpoint(before: World, after: World, packet: Packet, *, memory: Memory, draws: list[int]) -> None:
    def reach(made: World, number: int) -> tuple[str, int] | None:
        found = trace(
            compile_nft(view_of(made)), packet, route=routes(made), choose=lambda _: number, memory=memory
        ).packet
        return (found.daddr, found.dport) if found.dnat else None

    def sticky(made: World) -> bool:
        found = [s for s in made.sorted(core.Service) if packet.daddr in s.spec.cluster_ips]
        return bool(found) and found[0].spec.session_affinity == "ClientIP"

    first = reach(before, draws[0])
    if not sticky(before) or first is None:
        return
    assert reach(before, draws[1]) == first
    if sticky(after):
        dialled = Dialled(address=packet.daddr, protocol="TCP", port=packet.dport, inside=True)
        left = answer(after, "node-1", dialled).endpoints
        second = reach(after, draws[2])
        assert second == first if first in left else second in (left or {None})
        assert reach(after, draws[3]) == second


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), worlds())
def test_any_change_of_services_is_a_transaction_that_the_kernel_would_take(before: World, after: World) -> None:
    old, new = compile_nft(view_of(before)), compile_nft(view_of(after))
    assert apply(plan(old, new), old) == new
