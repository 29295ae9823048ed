"""Connections at Istio's Gateways by the reference."""

from __future__ import annotations

from typing import Any

from builders import service
from ingressworlds import gateway, server, vs
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.ingress import take_ingress
from tandem.reference.ingressbytes import decide_ingress_bytes
from tandem.reference.request import RouteDecision

PORTS = [{"name": "http", "port": 80}]
PASSED = server("*.test", port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
RAW = server(port=9000, protocol="TCP")


def decided(*objects: Object, port: int = 443, sni: str = "a.test") -> RouteDecision:
    world = World.of([service("web", ports=PORTS), service("other", ports=PORTS), *objects])
    (one,) = take_ingress(world, port, sni=sni, host="").servers
    return decide_ingress_bytes(world, one, sni)


def to(host: str = "web", **match: Any) -> dict[str, Any]:
    return {"match": [match] if match else [], "route": [{"destination": {"host": host}}]}


def sent(found: RouteDecision) -> list[str]:
    return [share.service for share in found.backends]


def test_the_most_specific_name_has_the_session_and_of_equal_ones_the_first() -> None:
    routes = [to(sniHosts=["*.test"]), to("other", sniHosts=["a.test"]), to(sniHosts=["a.test"])]
    source = vs("raw", hosts=("*.test",), tls=routes)
    assert sent(decided(gateway("shop", PASSED), source)) == ["other"]
    assert sent(decided(gateway("shop", PASSED), source, sni="b.test")) == ["web"]


def test_a_name_of_a_route_comes_before_wider_ones_of_other_servers_also_beside_one_for_every_host() -> None:
    passing: dict[str, Any] = {"port": 443, "protocol": "TLS", "tls": {"mode": "PASSTHROUGH"}}
    both = gateway("shop", server("*", "a.test", **passing), server("*.test", **passing))
    exact = vs("exact", hosts=("a.test",), tls=[to(sniHosts=["a.test"])])
    wide = vs("wide", hosts=("*.test",), tls=[to("other", sniHosts=["*.test"])])
    assert sent(decided(both, exact, wide)) == ["web"]
    assert sent(decided(both, exact, wide, sni="b.test")) == ["other"]


def test_a_match_of_another_port_gateway_or_client_is_about_nothing_here() -> None:
    for match in ({"port": 444}, {"gateways": ["elsewhere"]}, {"sourceLabels": {"app": "x"}}):
        source = vs("raw", hosts=("a.test",), tls=[to(sniHosts=["a.test"], **match)])
        found = decided(gateway("shop", PASSED), source)
        assert (found.rule, found.backends) == (None, ())
    named = vs("raw", hosts=("a.test",), tls=[to(sniHosts=["a.test"], port=443, gateways=["default/shop"])])
    assert sent(decided(gateway("shop", PASSED), named)) == ["web"]


def test_a_match_that_names_gateways_is_about_the_sources_as_well() -> None:
    odd = to("other", gateways=["shop"], sniHosts=["a.test"], sourceLabels={"app": "web"})
    source = vs("raw", hosts=("*.test",), tls=[odd, to(sniHosts=["a.test"])])
    assert sent(decided(gateway("shop", PASSED), source)) == ["web"]


def test_connections_go_by_the_first_route_of_the_oldest() -> None:
    older = vs("b", hosts=("*",), created="2026-01-01T00:00:00Z", tcp=[to("other")])
    newer = vs("a", hosts=("*",), created="2026-02-01T00:00:00Z", tcp=[to()])
    assert sent(decided(gateway("shop", RAW), older, newer, port=9000)) == ["other"]


def test_what_is_not_there_is_closed() -> None:
    found = decided(gateway("shop", RAW), vs("b", hosts=("*",), tcp=[to("gone")]), port=9000)
    assert (found.backends, found.status) == ((), 0)
    assert "closed" in found.steps[-1].text
