"""What one node is sent."""

from __future__ import annotations

from builders import endpoint_slice, namespace, pod, policy, service
from meshworlds import vs
from tandem.base.problems import Origin
from tandem.ir import wire
from tandem.model.core import Node
from tandem.model.meta import Meta
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.slices import slice_for
from tandem.translate.world import Translation, translate_world


def node(name: str) -> Node:
    return Node(api_version="v1", kind="Node", metadata=Meta(name=name))


def translation() -> Translation:
    web = service("web", ports=[{"name": "http", "port": 80}])
    a = pod("a", app="web", node="node-1")
    plain = pod("b", namespace="plain", app="x", node="node-2")
    objects = [
        *(node(f"node-{i}") for i in (1, 2, 3)),
        namespace("default", **{"tandem.io/mesh": "enabled"}),
        web,
        a,
        plain,
        endpoint_slice(web, [a]),
        policy("p", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [{"podSelector": {}}]}]),
        vs(hosts=["web"], http=[{"route": [{"destination": {"host": "web"}}]}]),
    ]
    return translate_world(World.of(objects), Options())


def names(node_name: str) -> dict[str, list[str]]:
    found = slice_for(node_name, translation())
    return {url.removeprefix(wire.PREFIX): sorted(values) for url, values in found.items() if values}


def test_a_node_gets_its_pods_their_policy_and_the_groups_that_these_name() -> None:
    found = names("node-1")
    assert found["LocalPod"] == ["uid-default-a"]
    assert len(found["PolicySet"]) == len(found["AddressGroup"]) == 1
    assert found["RouteTable"] == found["Service"] == found["Endpoints"] == ["default/web"]


def test_a_node_without_meshed_pods_gets_services_and_no_routing() -> None:
    found = names("node-2")
    assert found["Service"] == ["default/web"]
    assert "RouteTable" not in found
    assert "PolicySet" not in found


def test_a_node_without_pods_serves_services_on_its_own_addresses() -> None:
    assert names("node-3") == {
        "MeshConfig": ["mesh"],
        "Node": ["node-1", "node-2", "node-3"],
        "Service": ["default/web"],
        "Endpoints": ["default/web"],
    }


def test_every_type_is_there_even_if_it_is_empty() -> None:
    assert list(slice_for("node-3", translation())) == list(wire.TYPES)


def test_every_value_survives_the_wire() -> None:
    for url, values in slice_for("node-1", translation()).items():
        for value in values.values():
            assert wire.decode(url, wire.encode(value)) == value


def test_origins_are_found_at_every_depth() -> None:
    found = wire.origins(translation().mesh.tables["default/web"])
    assert found == {Origin(kind="VirtualService", namespace="default", name="vs", path="spec.http[0]")}
