"""Gateways as a whole."""

from __future__ import annotations

import msgspec

from builders import service
from gatewayworlds import edge, gateway, gateway_class, https, listener, pool, route, standing, tls_secret, world
from tandem.base.problems import Severity
from tandem.model.core import IngressAddress, LoadBalancerStatus, ServiceStatus
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


def test_it_knows_the_service_that_stands_for_it_and_no_other() -> None:
    made = gateway("edge")
    name = made.metadata.name
    found = edge(made, POOL, standing(made))
    assert (found.gateways[f"default/{name}"].service, found.problems) == ("edge-tandem", ())
    for other in (service("edge-tandem"), standing(gateway("edge", ns="default", created=""))):
        meta = msgspec.structs.replace(other.metadata, owner_references=())
        found = edge(made, POOL, msgspec.structs.replace(other, metadata=meta))
        assert found.gateways[f"default/{name}"].service == ""
        assert [(p.code, p.severity, p.at.path) for p in found.problems] == [
            ("NameTaken", Severity.WARNING, "metadata.name")
        ]


def test_what_stands_for_a_gateway_is_bytes_and_has_no_addresses_of_its_own() -> None:
    made = gateway("edge")
    ingress = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=(IngressAddress(ip="192.0.2.10"),)))
    stands = msgspec.structs.replace(standing(made), status=ingress)
    translated = translate_world(world(made, stands, POOL), Options())
    found = translated.services["default/edge-tandem"]
    assert (found.balancer_ips, [port.app.is_http for port in found.ports]) == ((), [False])
    assert not translated.told.get(("Service", "default", "edge-tandem"))
    assert ("default", "edge-tandem") not in translated.balancers.given


def test_the_longest_name_that_the_api_has_is_served() -> None:
    name = "a" * 253
    assert edge(gateway(name), POOL).gateways[f"default/{name}"].addresses
