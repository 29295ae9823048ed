"""The whole translation."""

from __future__ import annotations

from typing import Any, cast

from builders import endpoint_slice, pod, service
from meshworlds import dr, to, vs
from tandem.ir.fabric import AppProtocol
from tandem.model.core import Node
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.world import Options, translate_nodes, translate_world


def node(name: str, *addresses: tuple[str, str], **spec: Any) -> Node:
    listed = [{"type": t, "address": a} for t, a in addresses]
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": spec,
        "status": {"addresses": listed},
    }
    return cast("Node", parse(raw))


def test_the_order_of_objects_does_not_matter() -> None:
    web = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
    pods = [pod("a", app="web"), pod("b", app="web")]
    objects = [web, *pods, endpoint_slice(web, pods), dr(host="web"), dr("second", host="web")]
    assert translate_world(World.of(objects), Options()) == translate_world(World.of(objects[::-1]), Options())


def test_an_empty_world_translates_to_nothing() -> None:
    found = translate_world(World.of([]), Options())
    assert (found.pods, found.services, found.mesh.tables, found.problems) == ({}, {}, {}, ())


def test_the_internal_address_of_a_node_is_preferred() -> None:
    world = World.of([node("n", ("ExternalIP", "192.0.2.1"), ("InternalIP", "10.0.0.1"), podCIDR="10.244.0.0/24")])
    found = translate_nodes(world)["n"]
    assert (found.addresses, found.pod_cidrs) == (("10.0.0.1",), ("10.244.0.0/24",))


def test_a_node_has_the_first_address_of_each_family() -> None:
    world = World.of([node("n", *(("InternalIP", a) for a in ("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2")))])
    assert translate_nodes(world)["n"].addresses == ("fd00::1", "10.0.0.1")


def test_a_host_name_is_no_address() -> None:
    assert translate_nodes(World.of([node("n", ("Hostname", "n"))]))["n"].addresses == ()


def test_options_become_the_configuration_of_every_node() -> None:
    config = translate_world(World.of([]), Options(trust_domain="example.org", roots_pem="PEM")).config
    assert (config.trust_domain, config.roots_pem) == ("example.org", "PEM")


def test_a_virtualservice_makes_the_only_port_of_its_service_http() -> None:
    web, one = service("web"), pod("a", app="web")
    route = vs(hosts=["web"], http=[{"route": [to("web")]}])
    plain = translate_world(World.of([web, one]), Options())
    routed = translate_world(World.of([web, one, route]), Options())
    assert [t.services["default/web"].ports[0].app for t in (plain, routed)] == [AppProtocol.TCP, AppProtocol.HTTP]
    assert [t.pods["uid-default-a"].plain_http_ports for t in (plain, routed)] == [(), (80,)]
    assert routed.problems == ()
