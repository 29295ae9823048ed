"""Where Services are dialled, and which endpoints are there for whom."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import endpoint_slice, pod, service, world
from nodeviews import view_of
from tandem.compile.nft.families import V4, V6
from tandem.compile.nft.fronts import Front, Lane, fronts, owned
from tandem.ir.node import NodeView
from tandem.model import core

HERE, THERE = pod("a", ip="10.244.0.2", node="node-1"), pod("b", ip="10.244.1.2", node="node-2")
BOTH = (("10.244.0.2", 80), ("10.244.1.2", 80))


def view(*pods: core.Pod, status: str = "", **spec: Any) -> NodeView:
    web = service("web", ip="10.96.0.20", ports=[{"port": 80, "nodePort": 30080}], **spec)
    if status:
        balancer = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=status),))
        web = msgspec.structs.replace(web, status=core.ServiceStatus(load_balancer=balancer))
    return view_of(world(*pods, web, endpoint_slice(web, list(pods))))


def by_key(found: NodeView) -> dict[object, Front]:
    return {f.key: f for f in fronts(found, V4)}


def test_a_cluster_ip_has_one_front_and_a_node_port_another() -> None:
    assert list(by_key(view(HERE))) == [("10.96.0.20", "tcp", 80)]
    both = by_key(view(HERE, type="NodePort"))
    assert [(f.lane, f.key) for f in both.values()] == [
        (Lane.ADDRESS, ("10.96.0.20", "tcp", 80)),
        (Lane.NODE, ("tcp", 30080)),
    ]


def test_external_addresses_and_those_of_the_pool_are_fronts() -> None:
    found = view(HERE, type="LoadBalancer", status="198.51.100.1", externalIPs=["203.0.113.1"])
    assert {k for k in by_key(found) if len(tuple(k)) == 3} == {  # type: ignore[arg-type]
        ("10.96.0.20", "tcp", 80),
        ("198.51.100.1", "tcp", 80),
        ("203.0.113.1", "tcp", 80),
    }
    assert set(owned(found, V4)) == {"10.96.0.20", "198.51.100.1"}


def test_policies_leave_the_endpoints_of_this_node() -> None:
    found = by_key(view(HERE, THERE, type="NodePort", internalTrafficPolicy="Local", externalTrafficPolicy="Local"))
    assert found["10.96.0.20", "tcp", 80].targets == BOTH[:1]
    outer = found["tcp", 30080]
    assert (outer.targets, outer.outside) == (BOTH, BOTH[:1])
    assert by_key(view(HERE, THERE, type="NodePort"))["tcp", 30080].outside is None


def test_a_service_without_any_endpoint_is_refused_and_one_without_local_ones_is_not() -> None:
    assert by_key(view())["10.96.0.20", "tcp", 80].refused
    assert not by_key(view(THERE, internalTrafficPolicy="Local"))["10.96.0.20", "tcp", 80].refused


def test_one_family_does_not_see_the_other() -> None:
    assert not list(fronts(view(HERE, type="NodePort"), V6))


def test_an_address_and_port_of_two_services_is_the_first_ones() -> None:
    first, second = (
        service(n, ip=f"10.96.0.{i}", externalIPs=["203.0.113.1"], ports=[{"port": 80}])
        for n, i in (("a", 21), ("b", 22))
    )
    made = view_of(world(HERE, THERE, first, second, endpoint_slice(first, [HERE]), endpoint_slice(second, [THERE])))
    assert by_key(made)["203.0.113.1", "tcp", 80].targets == BOTH[:1]


def test_what_a_service_was_given_is_not_anothers_by_calling_it_external() -> None:
    owner = service("z", ip="10.96.0.21", type="LoadBalancer", ports=[{"port": 80}])
    balancer = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip="198.51.100.1"),))
    owner = msgspec.structs.replace(owner, status=core.ServiceStatus(load_balancer=balancer))
    thief = service("a", ip="10.96.0.22", externalIPs=["10.96.0.21", "198.51.100.1"], ports=[{"port": 80}])
    made = view_of(world(HERE, THERE, owner, thief, endpoint_slice(owner, [HERE]), endpoint_slice(thief, [THERE])))
    services = dict(made.services)
    services["default/a"] = msgspec.structs.replace(services["default/a"], external_ips=thief.spec.external_ips)
    found = by_key(msgspec.structs.replace(made, services=services))
    for address in thief.spec.external_ips:
        assert found[address, "tcp", 80].targets == BOTH[:1]
    assert found["10.96.0.22", "tcp", 80].targets == BOTH[1:]
