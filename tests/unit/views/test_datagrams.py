"""From a client outside to a gateway's port of UDP: what silences it, which route decides, whom the pod sees."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import namespace, node, pod, policy, service, sliced
from gatewayworlds import allowing, at, gateway, gateway_class, in_set, listener, listenerset, udproute
from meshworlds import authz, peerauth
from tandem.model.core import Node, NodeAddress, Pod
from tandem.model.meta import Condition, Object
from tandem.views.explain import Explanation, Question, explain

CLIENT = "203.0.113.7"
EDGE = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
MESH = {"tandem.io/mesh": "enabled"}
GATEWAY = gateway(
    "edge", listener("names", 53, "UDP"), listener("both", 80, "UDP"), listener("web"), **allowing("Same")
)
PORTS = [
    {"name": "tcp", "port": 53, "targetPort": 5354},
    {"name": "udp", "port": 53, "targetPort": 5353, "protocol": "UDP"},
]


def ready(name: str, ip: str, on: str) -> Pod:
    made = pod(name, ip=ip, node=on, labels={"app": "dns", **MESH})
    status = msgspec.structs.replace(made.status, conditions=(Condition(type="Ready", status="True"),))
    return msgspec.structs.replace(made, status=status)


NAMES = service("dns", ip="10.96.0.20", ports=PORTS, selector={"app": "dns"})
A = ready("a", "10.244.0.5", "n1")
STRICT = peerauth("strict", mtls={"mode": "STRICT"})


def at_address(made: Node, address: str) -> Node:
    status = msgspec.structs.replace(made.status, addresses=(NodeAddress(type="InternalIP", address=address),))
    return msgspec.structs.replace(made, status=status)


def ask(*objects: Object, to: str = "gateway/edge:53", **more: Any) -> Explanation:
    base = (namespace("default"), gateway_class(), node("n1"), GATEWAY, NAMES, A)
    return explain(sliced(*base, *objects), Question(source=CLIENT, destination=to, **more))


def steps(found: Explanation) -> list[tuple[str, str]]:
    return [(line.layer, f"{line.rule.kind}/{line.rule.name}") for line in found.route if line.rule is not None]


def test_listener_and_route_are_named_and_the_mesh_has_no_part_in_it() -> None:
    found = ask(udproute(), STRICT)
    assert found.allowed, found
    assert steps(found) == [("listener", "Gateway/edge"), ("route", "UDPRoute/ur")]
    (way,) = found.ways
    assert (way.address, way.port, way.transport) == ("10.244.0.5", 5353, "plain")
    assert way.steps[0].text == f"seen as {CLIENT}"


def test_without_a_route_or_an_endpoint_nobody_is_there() -> None:
    gone = [{"backendRefs": [{"name": "gone", "port": 53}]}]
    for found in (ask(), ask(udproute(rules=gone))):
        assert (found.allowed, found.ways) == (False, ())
        assert "nobody is there" in found.summary


def test_policy_of_the_pod_judges_the_client_by_udp() -> None:
    rule = {"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}
    found = ask(udproute(), policy("shut", ingress=[rule]))
    assert not found.allowed
    assert [origin.name for origin in found.decided_by] == ["shut"]
    by_port = policy("dns", ingress=[{"ports": [{"protocol": "UDP", "port": 5353}]}])
    assert ask(udproute(), by_port).allowed


def test_another_node_that_may_answer_is_a_way_of_its_own_where_it_makes_a_difference() -> None:
    rule = {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}
    found = ask(udproute(), at_address(node("n2"), "192.168.0.2"), policy("some", ingress=[rule]))
    assert [(way.allowed, way.steps[0].text) for way in found.ways] == [
        (True, f"seen as {CLIENT}"),
        (False, "seen as 192.168.0.2"),
    ]


@pytest.mark.parametrize(
    ("more", "allowed"), [({"action": "DENY"}, False), ({"action": "AUDIT"}, True), ({"targetRefs": [EDGE]}, False)]
)
def test_a_policy_at_the_gateway_silences_it(more: dict[str, Any], *, allowed: bool) -> None:
    found = ask(udproute(), authz(rules=[{}], **({"targetRefs": [EDGE]} | more)))
    assert found.allowed == allowed
    assert ("dropped at the gateway" in found.summary) == (not allowed)


def test_a_listener_of_a_set_counts_and_tcp_goes_first_at_a_port_of_both() -> None:
    more = listenerset("ls", listener("more", 54, "UDP"))
    assert ask(more, udproute("ur", in_set("ls")), to="gateway/edge:54").allowed
    found = ask(udproute("ur", at()), to="gateway/edge:80", host="a.test")
    assert [layer for layer, _ in steps(found)] == ["listener"]
    assert "HTTP" in found.route[0].text
