"""What becomes of a request at the gateway of Istio's Gateways: the IR agrees with the reference, on random worlds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from builders import service
from ingressworlds import KEY, gateway, https, secret, server
from meshworlds import vs
from property.test_routes import CREATED, NAMESPACES, PATHS, leaves, rules, vs_routes
from property.test_routes import _match as matches
from tandem.ir.gateway import Gateway, GatewayListener, HostRoutes
from tandem.ir.mesh import Forward, Redirect, Respond, Route
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.ingress import decide_ingress, take_ingress
from tandem.reference.ingressbytes import decide_ingress_bytes
from tandem.reference.request import Request
from tandem.translate.options import Options
from tandem.translate.world import translate_world

PORTS = (80, 81, 443)
HOSTS = ("a.test", "b.a.test", "c.test")
names = st.sampled_from(("a.test", "*.a.test", "b.a.test", "*", "*.test", "shop/*", "./a.test", "default/*.a.test"))
plain = st.builds(
    lambda hosts, port, more: server(*hosts, port=port, **more),
    st.lists(names, min_size=1, max_size=2, unique=True),
    st.sampled_from((80, 81)),
    st.sampled_from(({}, {}, {"tls": {"httpsRedirect": True}})),
)
secure = st.builds(lambda hosts: https(*hosts), st.lists(names, min_size=1, max_size=2, unique=True))
gateways = st.builds(
    lambda name, ns, created, servers: gateway(name, *servers, ns=ns, created=created),
    st.sampled_from(("edge", "other")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.lists(plain | secure, min_size=1, max_size=3),
)
virtual = st.builds(
    lambda name, ns, created, spec: vs(name, ns=ns, created=created, **spec),
    st.sampled_from(("p", "q")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.fixed_dictionaries(
        {
            "hosts": st.lists(
                st.sampled_from(("a.test", "*.a.test", "b.a.test", "*")), min_size=1, max_size=2, unique=True
            ),
            "http": st.lists(vs_routes(), min_size=1, max_size=3),
            "gateways": st.sampled_from((["edge"], ["edge", "other"], ["shop/edge", "mesh"], ["mesh"])),
        },
        optional={"exportTo": st.sampled_from((["."], ["*"], ["istio-system"]))},
    ),
)
requests = st.builds(
    Request,
    source_namespace=st.just(""),
    namespace=st.just(""),
    service=st.just(""),
    port=st.sampled_from(PORTS),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(("x-a", "x-b")), st.sampled_from(("x", "xx", "y")), max_size=2),
    authority=st.sampled_from(HOSTS),
)
Answer = tuple[int, tuple[tuple[str, str, int, str, int], ...], str]


def precision(host: str, pattern: str) -> int:
    """How well a pattern fits a host, 0 for not at all."""
    if pattern == host:
        return 1000
    wild = pattern == "*" or (pattern.startswith("*.") and host.endswith(pattern[1:]))
    return len(pattern) if wild else 0


def closest(host: str, hosts: list[HostRoutes]) -> HostRoutes | None:
    return max((h for h in hosts if precision(host, h.host)), key=lambda h: precision(host, h.host), default=None)


def known(listeners: Iterable[GatewayListener]) -> list[HostRoutes]:
    """Those with routes go before the names alone."""
    every = tuple(listeners)
    bare = [HostRoutes(host=name) for one in every for name in one.hostnames]
    return [*(host for one in every for host in one.hosts), *bare]


def from_ir(found: Gateway | None, request: Request, sni: str) -> Answer:
    port = next((p for p in found.ports if p.port == request.port), None) if found is not None else None
    if port is None:
        return 0, (), ""
    hosts = known(port.listeners)
    if port.tls:
        fit = {one: max(precision(sni, name) for name in one.asked) for one in port.listeners}
        chosen = max(fit, key=lambda one: fit[one])
        if not fit[chosen]:
            return 0, (), ""
        hosts = known([chosen])
        taken = {host.host for host in hosts}
        others = [n for one in port.listeners if one is not chosen for n in one.asked if n not in taken]
        other = max((precision(request.authority, name) for name in others), default=0)
        if other > max((precision(request.authority, host.host) for host in hosts), default=0):
            return 421, (), ""
    seen: dict[str, HostRoutes] = {}
    for host in hosts:
        seen.setdefault(host.host, host)
    best = closest(request.authority, list(seen.values()))
    routes: tuple[Route, ...] = best.routes if best is not None else ()
    route = next((r for r in routes if not r.matches or any(matches(m, request) for m in r.matches)), None)
    if route is None:
        return 404, (), ""
    rule = f"{route.origin.name} {route.origin.path}"
    if isinstance(route.action, Redirect | Respond):
        return route.action.status, (), rule
    assert isinstance(route.action, Forward)
    sent = ((b.namespace, b.service.partition("!")[0], b.port, b.subset, b.weight) for b in route.action.backends)
    return 0, tuple(sent), rule


def from_reference(world: World, request: Request, sni: str) -> Answer:
    found = decide_ingress(world, request, sni=sni)
    sent = tuple((b.namespace, b.service, b.port or request.port, b.subset, b.weight) for b in found.backends)
    return found.status, sent, f"{found.rule.name} {found.rule.path}" if found.rule is not None else ""


def world_of(objects: list[Object]) -> World:
    two: list[dict[str, Any]] = [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]
    services = [service(name, ns=ns, ports=two[: 2 if name == "a" else 1]) for ns in NAMESPACES for name in ("a", "b")]
    return World.of([*services, secret(), *objects])


@given(
    st.lists(gateways, min_size=1, max_size=3),
    st.lists(virtual, min_size=1, max_size=3),
    st.lists(leaves | rules, max_size=2),
    st.lists(st.tuples(requests, st.sampled_from(HOSTS)), min_size=3, max_size=8),
)
@settings(max_examples=300)
def test_requests_at_the_gateway_agree_with_the_reference(
    some: list[Object], virtual_services: list[Object], more: list[Object], asked: list[tuple[Request, str]]
) -> None:
    world = world_of([*some, *virtual_services, *more])
    found = translate_world(world, Options()).edge.gateways.get(KEY)
    for request, sni in asked:
        full = msgspec.structs.replace(request, scheme="https" if request.port == 443 else "http")
        assert from_ir(found, full, sni) == from_reference(world, full, sni), full


NAMES = ("a.test", "b.a.test", "c.a.test", "b.test")
several = st.lists(names.filter(lambda host: not host.endswith("/*")), min_size=1, max_size=2, unique=True)
passed = st.builds(lambda hosts: server(*hosts, port=9443, protocol="TLS", tls={"mode": "PASSTHROUGH"}), several)
ended = st.builds(
    lambda hosts: server(*hosts, port=9443, protocol="TLS", tls={"mode": "SIMPLE", "credentialName": "cert"}), several
)
raw = st.just(server(port=9000, protocol="TCP"))
destinations = st.lists(st.sampled_from(("a", "b", "gone")), min_size=1, max_size=2, unique=True)


def bytes_route(hosts: list[str], *matches: dict[str, Any]) -> dict[str, Any]:
    weights = {"weight": 1} if len(hosts) > 1 else {}
    return {"match": list(matches), "route": [{"destination": {"host": host}, **weights} for host in hosts]}


def about(**required: Any) -> st.SearchStrategy[dict[str, Any]]:
    more = {
        "port": st.sampled_from((9443, 9000, 1)),
        "gateways": st.sampled_from((["edge"], ["other"], ["shop/edge"])),
        "sourceLabels": st.sampled_from(({"istio": "ingressgateway"}, {"app": "x"})),
    }
    return st.fixed_dictionaries(required, optional=more)


sni = st.lists(st.sampled_from(("a.test", "*.a.test", "b.a.test", "b.test")), min_size=1, max_size=2, unique=True)
sessions = st.builds(bytes_route, destinations, about(sniHosts=sni))
connections = st.builds(bytes_route, destinations) | st.builds(bytes_route, destinations, about())
carrying = st.builds(
    lambda name, ns, created, hosts, tls, tcp: vs(
        name, hosts=list(hosts), gateways=["edge"], ns=ns, created=created, tls=tls, tcp=tcp
    ),
    st.sampled_from(("p", "q")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(CREATED),
    st.sampled_from((("*.test",), ("a.test", "*.a.test"), ("b.a.test",))),
    st.lists(sessions, min_size=1, max_size=3),
    st.lists(connections, max_size=2),
)
Carried = tuple[str, frozenset[tuple[str, str]]]
"""The route, and the Services that are there."""


def chosen_by(one: GatewayListener) -> tuple[str, ...]:
    """The names of its routes, and of what it is for beside them one for every host alone, as filter chains have it."""
    routed = tuple(name for route in one.named for match in route.matches for name in match.server_names)
    left = tuple(name for name in one.hostnames if name not in routed)
    return (*routed, *(("*",) if "*" in left else left))


def carried_by_ir(found: Gateway | None, number: int, name: str) -> Carried:
    port = next((p for p in found.ports if p.port == number), None) if found is not None else None
    if port is None:
        return "", frozenset()
    fit = {one: max((precision(name, asked) for asked in chosen_by(one)), default=0) for one in port.listeners}
    chosen = max(fit, key=lambda one: fit[one])
    route = chosen.connections
    if port.tls:
        ranked = [
            (max((precision(name, n) for m in r.matches for n in m.server_names), default=1), r) for r in chosen.named
        ]
        best = max((rank for rank, _ in ranked), default=0)
        route = next((r for rank, r in ranked if rank == best and rank and fit[chosen]), None)
    if route is None:
        return "", frozenset()
    there = frozenset((b.namespace, b.service) for b in route.backends if "!" not in b.service)
    return f"{route.origin.name} {route.origin.path}", there


def carried_by_reference(world: World, number: int, name: str) -> Carried:
    taken = take_ingress(world, number, sni=name, host=name)
    if not taken.servers:
        return "", frozenset()
    found = decide_ingress_bytes(world, taken.servers[0], name)
    there = frozenset((b.namespace, b.service) for b in found.backends)
    return f"{found.rule.name} {found.rule.path}" if found.rule is not None else "", there


@given(
    st.lists(
        st.builds(
            lambda name, ns, created, servers: gateway(name, *servers, ns=ns, created=created),
            st.sampled_from(("edge", "other")),
            st.sampled_from(NAMESPACES),
            st.sampled_from(CREATED),
            st.lists(passed | ended | raw, min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=2,
    ),
    st.lists(carrying, min_size=1, max_size=3),
)
@settings(max_examples=150)
def test_connections_at_the_gateway_agree_with_the_reference(some: list[Object], sources: list[Object]) -> None:
    world = world_of([*some, *sources])
    found = translate_world(world, Options()).edge.gateways.get(KEY)
    for number, name in (*((9443, name) for name in NAMES), (9000, "")):
        assert carried_by_ir(found, number, name) == carried_by_reference(world, number, name), (number, name)
