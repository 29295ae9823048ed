"""What becomes of requests and connections at a listener of a gateway."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, service
from gatewayworlds import (
    at,
    gateway,
    gateway_class,
    grant,
    https,
    listener,
    names,
    route,
    tcproute,
    tls_secret,
    udproute,
)
from meshworlds import grpcroute
from tandem.model.gateways import Gateway
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.edgeroutes import decide_connection, decide_datagrams, decide_request
from tandem.reference.listeners import listeners_of
from tandem.reference.request import Request, RouteDecision

EDGE = gateway("edge", listener("http", hostname="*.test"), listener("raw", 9000, "TCP"))
NAMES = ("web", "api", "grpc")
SERVICES = tuple(service(name, ports=[{"name": "http", "port": 80}]) for name in NAMES)


def ask(*objects: Object, host: str = "a.test", path: str = "/", edge: Gateway = EDGE, **headers: str) -> RouteDecision:
    world = World.of([namespace("default"), gateway_class(), tls_secret(), edge, *SERVICES, *objects])
    request = Request(
        source_namespace="",
        namespace="",
        service="",
        port=80,
        path=path,
        authority=host,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return decide_request(world, listeners_of(world, edge)[0], request)


def to(name: str, **more: Any) -> list[dict[str, Any]]:
    return [{"backendRefs": [{"name": name, "port": 80}], **more}]


def sent(found: RouteDecision) -> list[str]:
    return [share.service for share in found.backends if not share.status]


def test_the_more_specific_host_goes_first_and_the_rest_goes_on() -> None:
    exact = route("exact", host="a.test", rules=to("api", matches=[{"path": {"value": "/api"}}]))
    wild = route("wild", host="*.test")
    assert sent(ask(exact, wild, path="/api/x")) == ["api"]
    assert sent(ask(exact, wild, path="/else")) == ["web"]
    assert sent(ask(exact, wild, host="b.test", path="/api/x")) == ["web"]
    assert ask(exact, path="/else").status == 404


def test_grpc_goes_before_http_of_the_same_host() -> None:
    grpc = grpcroute("g", parentRefs=[at()], hostnames=["a.test"], rules=to("grpc"))
    plain = route("plain", host="a.test")
    assert sent(ask(grpc, plain, content_type="application/grpc")) == ["grpc"]
    assert sent(ask(grpc, plain)) == ["web"]


@pytest.mark.parametrize(
    "other",
    [
        route("r", at("else")),
        route("r", at(sectionName="raw")),
        route("r", at(port=81)),
        route("r", host="a.org"),
        route("r", at(namespace="default"), ns="shop"),
    ],
)
def test_what_is_not_attached_decides_nothing(other: Object) -> None:
    found = ask(other)
    assert (found.status, found.rule) == (404, None)


def test_a_listener_may_take_some_kinds_and_namespaces_alone() -> None:
    def only(**allowed: Any) -> Gateway:
        return gateway("edge", listener("http", allowedRoutes=allowed))

    assert sent(ask(route(), edge=only(kinds=[{"kind": "GRPCRoute"}]))) == []
    shop = route("r", at(namespace="default"), ns="shop", rules=to("web"))
    every = only(namespaces={"from": "All"})
    assert ask(shop, edge=every).status == 500, "there is no such Service beside the route"


def test_a_parent_service_opens_no_namespace() -> None:
    far = service("far", ns="other", ports=[{"name": "http", "port": 80}])
    both = route(
        "r",
        at(),
        {"kind": "Service", "group": "", "name": "far", "namespace": "other"},
        rules=[{"backendRefs": [{"name": "far", "namespace": "other", "port": 80}]}],
    )
    assert ask(far, both).status == 500
    assert sent(ask(far, both, grant("HTTPRoute", "Service"))) == ["far"]


def connection(*objects: Object, edge: Gateway = EDGE, index: int = 1, sni: str = "") -> RouteDecision:
    world = World.of([namespace("default"), gateway_class(), tls_secret(), edge, *SERVICES, *objects])
    return decide_connection(world, listeners_of(world, edge)[index], sni)


def test_connections_follow_the_first_rule_of_the_oldest_route() -> None:
    old = tcproute("z", at(sectionName="raw"), created="2026-01-01T00:00:00Z", rules=[*to("api"), *to("web")])
    young = tcproute("a", at(sectionName="raw"), created="2026-01-02T00:00:00Z")
    assert sent(connection(old, young)) == ["api"]
    assert connection().backends == ()
    missing = tcproute("m", at(sectionName="raw"), rules=to("none"))
    assert (sent(connection(missing)), connection(missing).status) == ([], 0)


def test_datagrams_follow_the_first_rule_of_the_oldest_route_to_ports_of_udp() -> None:
    edge = gateway("edge", listener("names", 53, "UDP"))

    def decided(*objects: Object) -> RouteDecision:
        world = World.of([namespace("default"), gateway_class(), edge, names(), *objects])
        return decide_datagrams(world, listeners_of(world, edge)[0])

    old = udproute("z", created="2026-01-01T00:00:00Z")
    young = udproute("a", created="2026-01-02T00:00:00Z", rules=to("none"))
    assert sent(decided(old, young)) == ["dns"]
    assert sent(decided(young)) == sent(decided()) == []
    assert not decided(udproute(rules=[{"backendRefs": [{"name": "dns", "port": 80}]}])).backends


def test_requests_of_https_are_routed_as_others() -> None:
    assert sent(ask(route(), edge=gateway("edge", https(hostname="*.test")))) == ["web"]


@pytest.mark.parametrize(("name", "status"), [("api", 0), ("gone", 500)])
def test_who_is_asked_is_told_and_must_be_there(name: str, status: int) -> None:
    asked = {"protocol": "HTTP", "backendRef": {"name": name, "port": 80}, "http": {}}
    rules = to("web", filters=[{"type": "ExternalAuth", "externalAuth": asked}])
    found = ask(route("r", host="a.test", rules=rules))
    assert (found.status, sent(found)) == (status, [] if status else ["web"])
    assert any(f"default/{name}" in step.text for step in found.steps)


def test_a_rule_that_would_ask_two_is_not_applied() -> None:
    asked = {"protocol": "HTTP", "backendRef": {"name": "api", "port": 80}, "http": {}}
    rules = to("web", filters=[{"type": "ExternalAuth", "externalAuth": asked}] * 2)
    assert sent(ask(route("r", host="a.test", rules=rules))) == []
