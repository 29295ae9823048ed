"""The evaluator of Service routing, case by case as Kubernetes describes them."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import endpoint_slice, pod, service, world
from tandem.model import core
from tandem.model.world import World
from tandem.reference.services import Answer, Dialled, answer

HERE, THERE = pod("a", ip="10.244.0.2", node="node-1"), pod("b", ip="10.244.1.2", node="node-2")
WEB: dict[str, Any] = {
    "ip": "10.96.0.20",
    "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
}
CLUSTER_IP = Dialled(address="10.96.0.20", protocol="TCP", port=80, inside=True)
NODE_PORT = Dialled(address="192.168.0.1", protocol="TCP", port=30080, inside=False, at_node=True)
BOTH = frozenset({("10.244.0.2", 8080), ("10.244.1.2", 8080)})
ONE = frozenset({("10.244.0.2", 8080)})


def of(*pods: core.Pod, **spec: Any) -> World:
    web = service("web", **WEB, **spec)
    return world(*pods, web, endpoint_slice(web, list(pods)))


def test_a_cluster_ip_reaches_every_endpoint_and_refuses_other_ports() -> None:
    assert answer(of(HERE, THERE), "node-1", CLUSTER_IP) == Answer(outcome="reached", endpoints=BOTH)
    other = msgspec.structs.replace(CLUSTER_IP, port=81)
    assert answer(of(HERE), "node-1", other).outcome == "refused"
    assert answer(of(), "node-1", CLUSTER_IP).outcome == "refused"


def test_an_address_of_no_service_is_none_of_ours() -> None:
    assert answer(of(HERE), "node-1", msgspec.structs.replace(CLUSTER_IP, address="192.0.2.1")).outcome == "none"


def test_internal_policy_local_keeps_to_the_node_and_drops_where_it_has_no_endpoint() -> None:
    local = of(HERE, THERE, internalTrafficPolicy="Local")
    assert answer(local, "node-1", CLUSTER_IP).endpoints == ONE
    assert answer(of(THERE, internalTrafficPolicy="Local"), "node-1", CLUSTER_IP).outcome == "dropped"


def test_external_policy_local_holds_for_sources_outside_only() -> None:
    local = of(HERE, THERE, type="NodePort", externalTrafficPolicy="Local")
    assert answer(local, "node-1", NODE_PORT).endpoints == ONE
    assert answer(local, "node-1", msgspec.structs.replace(NODE_PORT, inside=True)).endpoints == BOTH
    assert answer(local, "node-3", NODE_PORT).outcome == "dropped"


def test_a_node_port_is_not_served_on_loopback() -> None:
    loopback = msgspec.structs.replace(NODE_PORT, address="127.0.0.1", inside=True)
    assert answer(of(HERE, type="NodePort"), "node-1", loopback).outcome == "none"


def test_terminating_endpoints_serve_last() -> None:
    web = service("web", **WEB, internalTrafficPolicy="Local")
    piece = endpoint_slice(web, [HERE, THERE])
    ending = core.EndpointConditions(ready=False, serving=True, terminating=True)
    first = msgspec.structs.replace(piece.endpoints[0], conditions=ending)
    piece = msgspec.structs.replace(piece, endpoints=(first, piece.endpoints[1]))
    assert answer(world(HERE, THERE, web, piece), "node-1", CLUSTER_IP).endpoints == ONE
    free = msgspec.structs.replace(web, spec=msgspec.structs.replace(web.spec, internal_traffic_policy="Cluster"))
    assert answer(world(HERE, THERE, free, piece), "node-1", CLUSTER_IP).endpoints == BOTH - ONE


def test_what_was_given_to_a_service_comes_before_what_another_calls_external() -> None:
    thief = service("a", ip="10.96.0.99", ports=[{"port": 80}], externalIPs=["10.96.0.20", "10.96.0.30"])
    made = world(HERE, THERE, web := service("web", **WEB), endpoint_slice(web, [HERE]), thief)
    assert answer(made, "node-1", CLUSTER_IP).endpoints == ONE
    free = msgspec.structs.replace(CLUSTER_IP, address="10.96.0.30")
    assert answer(made, "node-1", free).outcome == "refused"
    assert answer(made, "node-1", msgspec.structs.replace(free, inner=("10.96.0.0/16",))).outcome == "none"
