"""The whole translation."""

from __future__ import annotations

from builders import endpoint_slice, pod, service
from meshworlds import dr, to, vs
from tandem.ir.fabric import AppProtocol
from tandem.model.world import World
from tandem.translate.world import Options, translate_world


def test_the_order_of_objects_does_not_matter() -> None:
    web = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
    pods = [pod("a", app="web"), pod("b", app="web")]
    objects = [web, *pods, endpoint_slice(web, pods), dr(host="web"), dr("second", host="web")]
    assert translate_world(World.of(objects), Options()) == translate_world(World.of(objects[::-1]), Options())


def test_an_empty_world_translates_to_nothing() -> None:
    found = translate_world(World.of([]), Options())
    assert (found.pods, found.services, found.mesh.tables, found.problems) == ({}, {}, {}, ())


def test_options_become_the_configuration_of_every_node() -> None:
    config = translate_world(World.of([]), Options(trust_domain="example.org")).config
    assert (config.trust_domain, config.roots_pem) == ("example.org", "")


def test_a_virtualservice_makes_the_only_port_of_its_service_http() -> None:
    web, one = service("web"), pod("a", app="web")
    route = vs(hosts=["web"], http=[{"route": [to("web")]}])
    plain = translate_world(World.of([web, one]), Options())
    routed = translate_world(World.of([web, one, route]), Options())
    assert [t.services["default/web"].ports[0].app for t in (plain, routed)] == [AppProtocol.DETECTED, AppProtocol.HTTP]
    assert [t.pods["uid-default-a"].plain_http_ports for t in (plain, routed)] == [(), (80,)]
    assert routed.problems == ()
