"""Gateways as a whole."""

from __future__ import annotations

import msgspec

from builders import service
from gatewayworlds import edge, gateway, gateway_class, https, listener, pool, route, tls_secret, world
from tandem.model.meta import Object
from tandem.translate.options import Options
from tandem.translate.world import translate_world

POOL = pool("192.0.2.10-192.0.2.12")


def test_listeners_of_one_port_are_one_port_and_its_identity_is_the_gateways() -> None:
    made = gateway("edge", listener("a", hostname="a.test"), listener("b", hostname="b.test"), https())
    found = edge(made, route("hr"), tls_secret(), POOL).gateways["default/edge"]
    assert [(p.port, p.tls, [one.name for one in p.listeners]) for p in found.ports] == [
        (80, False, ["a", "b"]),
        (443, True, ["https"]),
    ]
    assert found.identity == "spiffe://cluster.local/ns/default/sa/edge"


def test_a_gateway_that_is_being_deleted_is_not_served() -> None:
    made = gateway("edge")
    meta = msgspec.structs.replace(made.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    assert not edge(msgspec.structs.replace(made, metadata=meta), POOL).facts


def test_a_gateway_without_its_class_is_left_alone() -> None:
    assert not edge(gateway("edge"), gateway_class("tandem", "example.com/other"), POOL).gateways


def test_a_port_that_a_gateways_route_names_is_parsed_as_http() -> None:
    def parsed(*more: Object) -> bool:
        found = translate_world(world(plain, gateway("edge"), POOL, *more), Options())
        return found.services["default/web"].ports[0].app.is_http

    plain = service("web", ports=[{"name": "", "port": 80}])
    assert (parsed(), parsed(route("hr"))) == (False, True)


def test_the_longest_name_that_the_api_has_is_served() -> None:
    name = "a" * 253
    assert edge(gateway(name), POOL).gateways[f"default/{name}"].addresses
