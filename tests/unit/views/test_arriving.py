"""The way of a pod to a gateway, as what its packets become on the node."""

from __future__ import annotations

from typing import Any

import msgspec

import ingressworlds as istio
from builders import namespace, node, pod, policy
from gatewayworlds import gateway, gateway_class, listener, pool, standing
from tandem.model.core import ConfigMap
from tandem.model.meta import Meta, Object
from tandem.model.world import World
from tandem.translate.gateway.targets import target_of
from tandem.views.arriving import Came, leave
from tandem.views.parties import destination_of, source_of
from tandem.views.ways import Question

EDGE = gateway("edge", listener("http"), addresses=[{"value": "192.0.2.65"}])
PORT = target_of(("default", "edge"), 80, ())


def left(*objects: Object, to: str = "gateway/edge:80", source: str = "c", meshed: bool = False) -> Came:
    client = pod("c", ip="10.244.0.9", node="n1", labels={"tandem.io/mesh": "enabled"} if meshed else {})
    spec = msgspec.structs.replace(node("n1").spec, pod_cidrs=("10.244.0.0/24",))
    home = msgspec.structs.replace(node("n1"), spec=spec)
    always = (namespace("default"), gateway_class(), pool("192.0.2.64/28"), home, EDGE, client)
    world = World.of([*always, *objects])
    ends = source_of(world, source, "default"), destination_of(world, to, "default")
    return leave(world, Question(source=source, destination=to), *ends)


def only(cidr: str, *ports: int) -> Object:
    rule: dict[str, Any] = {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port} for port in ports]}
    return policy("only", podSelector={}, policyTypes=["Egress"], egress=[rule])


def test_network_policies_know_the_nodes_own_address_and_its_port() -> None:
    assert not left(only("10.244.0.1/32", PORT)).denied
    assert [line.rule.name for line in left(only("10.244.0.1/32", 80)).denied if line.rule] == ["only"]
    assert left(only("192.0.2.65/32")).denied, "what was dialled is translated before it is judged"


def test_the_gateway_of_istios_gateways_has_a_port_of_its_own() -> None:
    theirs = istio.gateway("shop", status={"addresses": [{"value": "192.0.2.70"}]})
    port = target_of(("istio-system", "istio~ingressgateway"), 80, {PORT})
    assert not left(theirs, only("10.244.0.1/32", port), to="gateway/shop:80").denied
    assert left(theirs, only("10.244.0.1/32", PORT), to="gateway/shop:80").denied


def test_a_pod_of_the_mesh_that_may_reach_the_registry_alone_does_not_leave() -> None:
    meta = Meta(name="istio", namespace="istio-system")
    data = {"mesh": "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
    mesh = ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=data)
    assert [line.layer for line in left(mesh, meshed=True).denied] == ["outbound"]
    assert not left(mesh).denied


def test_the_service_that_stands_for_a_gateway_is_one_of_the_mesh() -> None:
    meta = Meta(name="istio", namespace="istio-system")
    data = {"mesh": "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
    mesh = ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=data)
    assert not left(mesh, standing(EDGE), to="svc/edge-tandem:80", meshed=True).denied
    assert left(mesh, standing(EDGE), to="192.0.2.65:80", meshed=True).denied


def test_from_outside_there_is_nothing_to_leave() -> None:
    assert left(only("192.0.2.65/32"), source="203.0.113.7") == Came(lines=())
