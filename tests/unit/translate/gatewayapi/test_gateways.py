"""The Gateway that is written for Istio's; tests/property/test_written_gateways.py has it there and back."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from ingressworlds import ROOT, gateway, https, secret, server, to, vs
from pems import pem
from tandem.model.meta import Object, RawObject
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.translate.gatewayapi.write import Written, write_gateway_api
from tandem.translate.options import Options
from tandem.translate.world import translate_world

PEM = pem()
SIMPLE = {"mode": "SIMPLE", "credentialName": "cert"}
WEB = service("web", ports=[{"name": "http", "port": 80}])
ELSEWHERE = "web.other.svc.cluster.local"


def write(*objects: Object) -> Written:
    world = World.of([WEB, service("web", ns="other", ports=[{"name": "http", "port": 80}]), *objects])
    found = translate_world(world, Options())
    made = write_gateway_api(world, found.mesh, Options(), found.edge)
    assert [problem for raw in made.objects for problem in validate(raw)] == []
    return made


def of(made: Written, kind: str) -> list[RawObject]:
    return [raw for raw in made.objects if raw["kind"] == kind]


def listeners(made: Written) -> dict[str, dict[str, Any]]:
    (found,) = of(made, "Gateway")
    assert found["metadata"] == {"name": "istio-ingressgateway", "namespace": ROOT}
    return {one["name"]: one for one in found["spec"]["listeners"]}


def told(made: Written) -> list[str]:
    return [f"{r.code} {r.at.kind} {r.at.path}" for r in made.remarks]


def test_plain_text_is_one_listener_and_hosts_are_those_of_routes() -> None:
    made = write(gateway("shop", server("*.shop.test")), vs(hosts=("a.shop.test",)))
    assert told(made) == []
    assert listeners(made).keys() == {"http-80"}
    (route,) = of(made, "HTTPRoute")
    assert route["metadata"] == {"name": "web-a-shop-test-http-80", "namespace": "default"}
    assert route["spec"]["hostnames"] == ["a.shop.test"]
    assert route["spec"]["parentRefs"] == [
        {"name": "istio-ingressgateway", "namespace": ROOT, "sectionName": "http-80"}
    ]


def test_each_host_in_tls_is_a_listener_with_the_secret_of_its_server() -> None:
    made = write(secret(), gateway("shop", https("a.test", "*.b.test")), vs(hosts=("x.b.test",)))
    assert told(made) == ["Changed IstioGateway spec.servers[0].hosts"]
    found = listeners(made)
    assert {name: one["hostname"] for name, one in found.items()} == {
        "https-443-0-0": "a.test",
        "https-443-0-1": "*.b.test",
    }
    assert found["https-443-0-0"]["tls"] == {"mode": "Terminate", "certificateRefs": [{"name": "cert"}]}
    (route,) = of(made, "HTTPRoute")
    assert [ref["sectionName"] for ref in route["spec"]["parentRefs"]] == ["https-443-0-1"]


def test_what_is_elsewhere_needs_leave() -> None:
    made = write(secret(ns="default"), gateway("shop", https("shop.test")), vs("web", to(ELSEWHERE)))
    leaves = {raw["metadata"]["namespace"]: raw["spec"] for raw in of(made, "ReferenceGrant")}
    assert [leave["from"][0]["kind"] for leave in leaves.values()] == ["Gateway", "HTTPRoute"]
    assert leaves["default"]["to"] == [{"group": "", "kind": "Secret", "name": "cert"}]
    assert leaves["other"]["to"] == [{"group": "", "kind": "Service", "name": "web"}]


def test_clients_are_asked_for_an_authority_port_by_port() -> None:
    chain = secret("cert", tls_crt=PEM[0], tls_key=PEM[1], ca_crt=PEM[0])
    made = write(chain, gateway("shop", https("shop.test", mode="MUTUAL")), vs())
    assert told(made) == []
    (roots,) = of(made, "ConfigMap")
    (found,) = of(made, "Gateway")
    (asked,) = found["spec"]["tls"]["frontend"]["perPort"]
    assert asked["port"] == 443
    assert asked["tls"]["validation"]["caCertificateRefs"][0]["name"] == roots["metadata"]["name"]


def test_bytes_and_sessions_have_routes_of_their_own() -> None:
    passed = server("db.test", port=9443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
    carried = [{"destination": {"host": "web", "port": {"number": 80}}}]
    tls = [{"match": [{"sniHosts": ["db.test"]}], "route": carried}]
    source = vs(hosts=("db.test",), tls=tls, tcp=[{"route": carried}])
    made = write(gateway("shop", passed, server(port=9000, protocol="TCP")), source)
    assert told(made) == []
    assert {raw["kind"]: raw["spec"]["parentRefs"][0]["sectionName"] for raw in made.objects[1:]} == {
        "TCPRoute": "tcp-9000",
        "TLSRoute": "tls-9443-0-0",
    }
    assert listeners(made)["tls-9443-0-0"]["tls"] == {"mode": "Passthrough"}


@pytest.mark.parametrize(
    ("tls", "path"),
    [
        ({"mode": "ISTIO_MUTUAL", "credentialName": ""}, "spec.servers[0].tls.mode"),
        ({"minProtocolVersion": "TLSV1_3"}, "spec.servers[0].tls"),
    ],
)
def test_what_has_no_form_is_told(tls: dict[str, Any], path: str) -> None:
    made = write(secret(), gateway("shop", server("shop.test", port=443, protocol="HTTPS", tls=SIMPLE | tls)), vs())
    assert f"NotCarried IstioGateway {path}" in told(made)


def test_a_route_at_a_gateway_that_is_not_served_is_told() -> None:
    assert told(write(vs())) == ["NotCarried VirtualService spec.gateways"]


def test_sessions_that_a_more_specific_server_would_take_are_lost() -> None:
    passed = server("*", port=9443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
    ended = server("db.test", port=9443, protocol="TLS", tls=SIMPLE)
    tls = [{"match": [{"sniHosts": ["db.test"]}], "route": [{"destination": {"host": "web", "port": {"number": 80}}}]}]
    made = write(secret(), gateway("shop", passed, ended), vs(hosts=("db.test",), tls=tls))
    assert "NotCarried VirtualService spec.tls[0].match" in told(made)
