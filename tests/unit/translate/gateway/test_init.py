"""Gateways as a whole."""

from __future__ import annotations

import msgspec

from builders import service
from gatewayworlds import edge, gateway, gateway_class, https, listener, pool, route, standing, tls_secret, world
from meshworlds import dr
from tandem.base.problems import Severity
from tandem.compile.envoy.callers import among_of, policies_among
from tandem.model.core import IngressAddress, LoadBalancerStatus, ServiceStatus
from tandem.model.gateways import Gateway
from tandem.model.kept import Kept
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.balancers import Assignment
from tandem.translate.gateway import Reading, translate_gateways
from tandem.translate.gateway.attach import EdgeRoute
from tandem.translate.gateway.listeners import read_listeners
from tandem.translate.gateway.routes import ReadRoute, read_route
from tandem.translate.options import Options
from tandem.translate.world import translate_world

HOST = "web.default.svc.cluster.local"
POOL = pool("192.0.2.10-192.0.2.12")


def test_listeners_of_one_port_are_one_port_and_its_identity_is_the_gateways() -> None:
    made = gateway("edge", listener("a", hostname="a.test"), listener("b", hostname="b.test"), https())
    found = edge(made, route("hr"), tls_secret(), POOL).gateways["default/edge"]
    assert [(p.port, p.tls, [one.name for one in p.listeners]) for p in found.ports] == [
        (80, False, ["a", "b"]),
        (443, True, ["https"]),
    ]
    assert found.identity == "spiffe://cluster.local/ns/default/sa/edge"


def test_a_gateway_calls_as_one_of_its_namespace_with_the_labels_of_its_pods() -> None:
    """A DestinationRule beside it, and one that selects it, is its own."""
    class_label, name_label = (f"gateway.networking.k8s.io/gateway-{of}" for of in ("class-name", "name"))
    chosen = dr("own", ns="edges", host=HOST, workloadSelector={"matchLabels": {name_label: "edge"}})
    beside, every = dr("beside", ns="edges", host=HOST), dr("every", host="web")
    made = gateway("edge", ns="edges")
    objects = [gateway_class(), service("web"), made, POOL, beside, chosen, every]
    found = translate_world(World.of(objects), Options())
    one = found.edge.gateways["edges/edge"]
    assert dict(one.labels) == {class_label: "tandem", name_label: "edge"}
    among = among_of(found.mesh.policies, one.namespace, one.labels)
    policies = policies_among(found.mesh.policies, among)
    assert policies["default/web"].origin == chosen.origin()
    others = among_of(found.mesh.policies, "edges", ())
    assert policies_among(found.mesh.policies, others)["default/web"].origin == beside.origin()


def test_a_gateway_that_is_being_deleted_is_not_served() -> None:
    made = gateway("edge")
    meta = msgspec.structs.replace(made.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    assert not edge(msgspec.structs.replace(made, metadata=meta), POOL).facts


def test_a_gateway_without_its_class_is_left_alone() -> None:
    assert not edge(gateway("edge"), gateway_class("tandem", "example.com/other"), POOL).gateways


def test_a_service_that_changes_has_its_own_route_read_anew_and_no_certificate() -> None:
    """That was every route and every certificate: a second with a thousand of each."""
    listeners = [https(f"l{n}", of=f"c{n}", hostname=f"h{n}.test") for n in range(4)]
    routes = [
        route(f"r{n}", hostnames=[f"h{n}.test"], rules=[{"backendRefs": [{"name": f"s{n}", "port": 80}]}])
        for n in range(4)
    ]
    secrets = [tls_secret(f"c{n}") for n in range(4)]
    services = [service(f"s{n}") for n in range(4)]
    before = world(gateway("edge", *listeners), POOL, gateway_class(), *routes, *secrets, *services)
    other = service("s1", ports=[{"port": 81, "name": "http"}])
    later = before.with_changes("Service", {other.key: other}, synced=True)
    read: list[str] = []

    def noting(found: World, source: EdgeRoute, options: Options) -> ReadRoute:
        read.append(source.key[1])
        return read_route(found, source, options)

    def listening(found: World, made: Gateway) -> object:
        read.append("listeners")
        return read_listeners(found, made)

    reading = Reading(listeners=listening, route=noting)  # type: ignore[arg-type]
    kept, options, nothing = Kept(translate_gateways), Options(), Assignment()
    for found in (before, later):
        assert kept(found, options, nothing, reading) == translate_gateways(found, options, nothing)
    assert read == ["listeners", "r0", "r1", "r2", "r3", "r1"]


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
