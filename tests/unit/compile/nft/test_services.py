"""Service load balancing, followed by the tracer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, pod, service, world
from meshbuild import CONFIG
from nfttrace import Memory, Packet, trace
from nodeviews import DNS, ifname_of, node, routes, view_of
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.services import STABLE, _part, service_state, stable_numbers
from tandem.drivers.nft.plan import AddElements, DeleteElements, plan
from tandem.ir import fabric
from tandem.ir.fabric import AppProtocol, ServicePort
from tandem.ir.node import NodeView
from tandem.model.core import Pod
from tandem.model.world import World
from tandem.state import nft

A, B, CLIENT = (pod(n, ip=ip) for n, ip in (("a", "10.244.0.2"), ("b", "10.244.0.3"), ("c", "10.244.0.4")))
WEB = service("web", ip="10.96.0.20", ports=[{"name": "http", "port": 80, "targetPort": 8080}])
WORLD = world(A, B, CLIENT, WEB, endpoint_slice(WEB, [A, B]))
ASK = Packet(saddr="10.244.0.4", daddr="10.96.0.20", dport=80, iifname=ifname_of(CLIENT))


def test_one_by_one_is_the_same_as_together_also_where_two_claim_one_address() -> None:
    view = many(50)
    first = next(iter(view.services.values()))
    twice = {**view.services, "a/claims": msgspec.structs.replace(first, namespace="a", name="claims")}
    for services in (view.services, twice):
        seen = msgspec.structs.replace(view, services=services)
        whole = {c.name: c.elements for c in _part(seen).containers}
        state = service_state(seen)
        containers: list[nft.Set | nft.Map] = [*state.sets, *state.maps]
        assert {c.name: c.elements for c in containers} == whole


def test_each_endpoint_has_its_number() -> None:
    table = compile_nft(view_of(WORLD))
    always: list[Callable[[int], int]] = [lambda _: 0, lambda _: 1]
    reached = [trace(table, ASK, route=routes(WORLD), choose=choose).packet for choose in always]
    assert [(p.daddr, p.dport) for p in reached] == [("10.244.0.2", 8080), ("10.244.0.3", 8080)]


def test_the_node_itself_is_served() -> None:
    local = Packet(saddr="10.244.0.1", daddr="10.96.0.20", dport=80)
    assert trace(compile_nft(view_of(WORLD)), local, route=routes(WORLD)).packet.daddr == "10.244.0.2"


def test_a_service_without_endpoints_is_refused() -> None:
    bare = world(CLIENT, WEB)
    assert trace(compile_nft(view_of(bare)), ASK, route=routes(bare)).verdict == "reject"
    established = msgspec.structs.replace(ASK, ct_state="established")
    assert trace(compile_nft(view_of(bare)), established, route=routes(bare)).verdict == "accept"


def test_the_number_of_chains_does_not_grow_with_services() -> None:
    more = [service(f"s{i}", ip=f"10.96.2.{i}", ports=[{"name": "http", "port": 80}]) for i in range(9)]
    slices = [endpoint_slice(s, [A, B]) for s in more]
    grown = world(A, B, CLIENT, WEB, endpoint_slice(WEB, [A, B]), *more, *slices)
    assert len(service_state(view_of(grown)).chains) == len(service_state(view_of(WORLD)).chains)


def test_a_replaced_endpoint_is_elements_only() -> None:
    after = world(A, B, CLIENT, WEB, endpoint_slice(WEB, [A, CLIENT]))
    delta = plan(compile_nft(view_of(WORLD)), compile_nft(view_of(after)))
    assert {type(o) for o in delta.operations} == {AddElements, DeleteElements}


def test_the_resolvers_address_is_left_alone() -> None:
    dns = service("kube-dns", ns="kube-system", ip=DNS, ports=[{"name": "dns", "port": 53, "protocol": "UDP"}])
    state = service_state(view_of(world(dns)))
    assert not any(s.elements for s in state.sets)
    assert not any(m.elements for m in state.maps)


def many(count: int, *, moved: int = -1) -> NodeView:
    """So many Services of two endpoints each, with node ports, affinity and hints here and there; one that `moved`."""
    services, ends = {}, {}
    for i in range(count):
        port = ServicePort(
            name="http", port=80, protocol="TCP", app=AppProtocol.HTTP, node_port=30000 + i if i < 2768 else 0
        )
        name = f"s{i}"
        services[f"n/{name}"] = fabric.Service(
            namespace="n",
            name=name,
            cluster_ips=(f"10.96.{i // 250 + 2}.{i % 250 + 1}",),
            ports=(port,),
            affinity_seconds=600 if i % 2 else 0,
        )
        found = [f"10.244.{i % 200}.{n + (9 if i == moved else 2)}" for n in range(2)]
        members = tuple(fabric.Endpoint(address=address, ports=(("http", 8080),)) for address in found)
        ends[f"n/{name}"] = fabric.Endpoints(namespace="n", service=name, endpoints=members)
    return NodeView(node=node(), config=CONFIG, services=services, endpoints=ends)


def shape(state: nft.Ruleset) -> dict[str, tuple[nft.Rule, ...]]:
    return {chain.name: chain.rules for chain in state.chains}


def test_a_change_among_ten_thousand_services_is_a_few_elements_and_rules_are_those_of_ten() -> None:
    small, large = service_state(many(10)), service_state(many(10_000))
    assert shape(small) == shape(large)
    delta = plan(large, service_state(many(10_001)))
    assert {type(o) for o in delta.operations} == {AddElements}
    assert sum(len(o.elements) for o in delta.operations if isinstance(o, AddElements)) <= 7
    delta = plan(large, service_state(many(10_000, moved=5_000)))
    assert {type(o) for o in delta.operations} == {AddElements, DeleteElements}
    assert sum(len(o.elements) for o in delta.operations if isinstance(o, AddElements | DeleteElements)) <= 12


def test_a_port_that_the_service_does_not_have_is_refused() -> None:
    table = compile_nft(view_of(WORLD))
    for link in (ASK.iifname, ""):
        other = msgspec.structs.replace(ASK, dport=81, iifname=link)
        assert trace(table, other, route=routes(WORLD)).verdict == "reject"
        ping = msgspec.structs.replace(other, protocol="icmp")
        assert trace(table, ping, route=routes(WORLD)).verdict == "accept"


OUTSIDE = Packet(saddr="203.0.113.7", daddr="192.168.0.1", dport=30080, iifname="eth0")
REMOTE = pod("far", ip="10.245.0.2", node="node-2")


def node_port(*pods: Pod, **spec: Any) -> World:
    web = service(
        "web",
        ip="10.96.0.20",
        type="NodePort",
        ports=[{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
        **spec,
    )
    return world(*pods, CLIENT, web, endpoint_slice(web, list(pods)))


def masqueraded(made: World, packet: Packet) -> bool:
    return any("from outside" in step for step in trace(compile_nft(view_of(made)), packet, route=routes(made)).path)


def test_what_passes_through_the_node_gets_the_nodes_address_and_what_ends_here_keeps_its_own() -> None:
    assert masqueraded(node_port(REMOTE), OUTSIDE)
    assert not masqueraded(node_port(A), OUTSIDE)
    assert not masqueraded(node_port(REMOTE), msgspec.structs.replace(OUTSIDE, saddr="10.244.0.4", iifname=ASK.iifname))


def test_a_pods_address_never_becomes_the_nodes_towards_a_pod_of_this_node() -> None:
    # Inbound capture lets the node's own address pass: traffic from outside must not come to look like the node's.
    found = trace(compile_nft(view_of(node_port(A))), OUTSIDE, route=routes(WORLD))
    assert found.packet.saddr == "203.0.113.7"
    assert not any("Snat" in step or "Masquerade" in step for step in found.path)


def test_affinity_chooses_the_same_endpoint_again_for_the_same_client_only() -> None:
    table = compile_nft(view_of(node_port(A, B, sessionAffinity="ClientIP")))
    memory: Memory = {}

    def reach(packet: Packet, draw: int) -> str:
        return trace(table, packet, route=routes(WORLD), choose=lambda _: draw, memory=memory).packet.daddr

    assert [reach(OUTSIDE, draw) for draw in (1, 0, 0)] == ["10.244.0.3"] * 3
    assert reach(msgspec.structs.replace(OUTSIDE, saddr="203.0.113.8"), 0) == "10.244.0.2"


def six(**spec: Any) -> World:
    pods = [pod(n, ip=f"fd00:10:244::{i}") for i, n in ((2, "a"), (3, "b"))]
    web = service("web", ip="fd00:10:96::20", ports=[{"name": "http", "port": 80, "targetPort": 8080}], **spec)
    return world(*pods, web, msgspec.structs.replace(endpoint_slice(web, pods), address_type="IPv6"))


def test_affinity_of_ipv6_has_a_chain_and_a_memory_of_its_own_front() -> None:
    made = six(sessionAffinity="ClientIP")
    table = compile_nft(view_of(made))
    memory: Memory = {}
    asked = Packet(saddr="fd00:10:244::9", daddr="fd00:10:96::20", dport=80)

    def reach(packet: Packet, draw: int) -> str:
        return trace(table, packet, route=routes(made), choose=lambda _: draw, memory=memory).packet.daddr

    assert [reach(asked, draw) for draw in (1, 0, 0)] == ["fd00:10:244::3"] * 3
    assert reach(msgspec.structs.replace(asked, saddr="fd00:10:244::8"), 0) == "fd00:10:244::2"
    state, plain = service_state(view_of(made)), service_state(view_of(six()))
    assert len(state.chains) == len(plain.chains)
    assert {m.type for m in state.maps if m.name.startswith("affinity6")} == {("ipv6_addr",)}
    assert not any(m.name.startswith("affinity6") for m in plain.maps)


def test_endpoints_that_share_a_digest_have_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.compile.nft.services.digest", lambda *_: "0" * 8)
    numbers = stable_numbers([("10.0.0.1", 80), ("10.0.0.2", 80)])
    assert sorted(numbers.values()) == [STABLE, STABLE + 1]
