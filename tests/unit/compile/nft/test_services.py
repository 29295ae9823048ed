"""Service load balancing, followed by the tracer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from builders import endpoint_slice, pod, service, world
from nodeviews import DNS, ifname_of, routes, view_of
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.services import service_state
from tandem.drivers.nft.plan import AddElements, DeleteElements, plan
from tandem.drivers.nft.trace import Packet, trace

A, B, CLIENT = (pod(n, ip=ip) for n, ip in (("a", "10.244.0.2"), ("b", "10.244.0.3"), ("c", "10.244.0.4")))
WEB = service("web", ip="10.96.0.20", ports=[{"name": "http", "port": 80, "targetPort": 8080}])
WORLD = world(A, B, CLIENT, WEB, endpoint_slice(WEB, [A, B]))
ASK = Packet(saddr="10.244.0.4", daddr="10.96.0.20", dport=80, iifname=ifname_of(CLIENT))


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
