"""What gateways are sent agrees with the reference's reading, on random listeners, routes and requests."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from builders import namespace, service
from gatewayworlds import at, gateway, gateway_class, https, listener, pool, tls_secret
from meshworlds import grpcroute, httproute
from property.test_routes import _match
from tandem.ir.gateway import GatewayPort
from tandem.ir.mesh import Route
from tandem.model.gateways import Gateway
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.edgeroutes import decide_request
from tandem.reference.listeners import take
from tandem.reference.request import Request
from tandem.translate.options import Options
from tandem.translate.world import translate_world

HOSTS = ("a.test", "b.a.test", "c.b.a.test", "x.test", "else.org")
PATTERNS = ("*.test", "*.a.test", "a.test", "b.a.test", "else.org")
CREATED = ("", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
PATHS = ("/", "/v1", "/v1/x", "/x.A/Get")
BACKENDS = [{"name": "web", "port": 80}]
Raw = dict[str, Any]
Answer = tuple[int, str]
"""Status of what has no route (0: it has one), and the rule that decides."""

NAMESPACES: st.SearchStrategy[Raw] = st.sampled_from(({}, {"from": "All"}, {"from": "None"}))
KINDS: st.SearchStrategy[list[Raw]] = st.sampled_from(([], [{"kind": "GRPCRoute"}], [{"kind": "HTTPRoute"}]))


@st.composite
def listeners(draw: st.DrawFn) -> list[Raw]:
    found = []
    for i in range(draw(st.integers(1, 4))):
        allowed = {"namespaces": draw(NAMESPACES) or {"from": "Same"}, "kinds": draw(KINDS)}
        make = draw(st.sampled_from((listener, listener, https)))
        hostname = draw(st.sampled_from(("", *PATTERNS)))
        found.append(make(f"l{i}", **({"hostname": hostname} if hostname else {}), allowedRoutes=allowed))
    return found


MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(
            ({"type": "Exact", "value": "/v1"}, {"value": "/v1"}, {"type": "RegularExpression", "value": "/v.*"})
        ),
        "headers": st.just([{"name": "x", "value": "1"}]),
    },
)
METHODS = st.sampled_from(({}, {"method": {"service": "x.A"}}, {"method": {"service": "x.A", "method": "Get"}}))
PARENTS: st.SearchStrategy[Raw] = st.sampled_from(
    ({}, {"sectionName": "l0"}, {"sectionName": "l1"}, {"port": 80}, {"port": 443})
)


@st.composite
def routes(draw: st.DrawFn) -> list[Object]:
    found: list[Object] = []
    for i in range(draw(st.integers(0, 4))):
        grpc = draw(st.booleans())
        match = METHODS if grpc else MATCHES
        rules = draw(st.lists(st.lists(match, max_size=2), min_size=1, max_size=2))
        spec = {
            "parentRefs": [
                at(namespace="default", **parent) for parent in draw(st.lists(PARENTS, min_size=1, max_size=2))
            ],
            "hostnames": draw(st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True)),
            "rules": [{"matches": matches, "backendRefs": BACKENDS} for matches in rules],
        }
        make = grpcroute if grpc else httproute
        home, created = draw(st.sampled_from(("default", "default", "shop"))), draw(st.sampled_from(CREATED))
        found.append(make(f"r{i}", ns=home, created=created, **spec))
    return found


REQUESTS = st.builds(
    lambda host, path, grpc, x: Request(
        source_namespace="",
        namespace="",
        service="",
        port=80,
        path=path,
        authority=host,
        headers={**({"content-type": "application/grpc"} if grpc else {}), **({"x": "1"} if x else {})},
    ),
    st.sampled_from(HOSTS),
    st.sampled_from(PATHS),
    st.booleans(),
    st.booleans(),
)


def most_specific(domains: dict[str, Any], host: str) -> str | None:
    """As Envoy looks for a virtual host: the name itself, the longest wildcard, every host."""
    labels = host.split(".")
    tried = (host, *(f"*.{'.'.join(labels[i:])}" for i in range(1, len(labels))), "*")
    return next((domain for domain in tried if domain in domains), None)


def chosen(found: list[Route], request: Request) -> Answer:
    route = next((r for r in found if not r.matches or any(_match(m, request) for m in r.matches)), None)
    return (0, f"{route.origin.kind} {route.origin.name} {route.origin.path}") if route is not None else (404, "")


def from_ir(port: GatewayPort | None, request: Request, sni: str) -> Answer:
    if port is None:
        return 0, ""
    if not port.tls:
        domains = {h.host: list(h.routes) for one in port.listeners for h in one.hosts}
        domains |= {one.hostname: [] for one in port.listeners if one.hostname not in domains}
        best = most_specific(domains, request.authority)
        return chosen(domains[best], request) if best is not None else (404, "")
    served = {one.hostname: one for one in port.listeners if one.certificates}
    asked = most_specific(served, sni)
    if asked is None:
        return 0, ""
    mine = served[asked]
    domains = {mine.hostname: [], **{h.host: list(h.routes) for h in mine.hosts}}
    others = {one.hostname: None for one in port.listeners if one.hostname not in domains}
    best = most_specific({**domains, **others}, request.authority)
    if best is None:
        return 404, ""
    return chosen(domains[best], request) if best in domains else (421, "")


def from_reference(world: World, edge: Gateway, port: int, request: Request, sni: str) -> Answer:
    taken = take(world, edge, port, sni=sni, host=request.authority)
    if taken.listener is None:
        return taken.status, ""
    decision = decide_request(world, taken.listener, request)
    if decision.index < 0 or decision.rule is None:
        return decision.status, ""
    return 0, f"{decision.rule.kind} {decision.rule.name} {decision.rule.path}"


@settings(max_examples=300)
@given(listeners(), routes(), st.lists(REQUESTS, min_size=1, max_size=6), st.sampled_from(HOSTS))
def test_requests_take_the_way_that_the_reference_says(
    named: list[Raw], attached: list[Object], asked: list[Request], sni: str
) -> None:
    edge = gateway("edge", *named, addresses=[{"value": "192.0.2.65"}])
    web = [service("web", ns=ns, ports=[{"name": "http", "port": 80}]) for ns in ("default", "shop")]
    base = [namespace("default"), namespace("shop"), gateway_class(), tls_secret(), pool("192.0.2.65"), *web]
    world = World.of([*base, edge, *attached])
    made = translate_world(world, Options()).edge.gateways.get("default/edge")
    ports = {port.port: port for port in made.ports} if made is not None else {}
    for request in asked:
        for number in (80, 443):
            said = from_reference(world, edge, number, request, sni)
            assert from_ir(ports.get(number), request, sni) == said, (number, request)
