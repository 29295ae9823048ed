"""A gateway -> its listeners at the node's own address and their routes; which clusters it sends by. Pure.

Bytes: one chain, whose connections go to clusters by weight; one that has nowhere to go is closed.

Plain text: one chain and one route configuration for a port, whose virtual hosts are those of all listeners. TLS: a
chain for each listener, chosen by SNI, with routes of its own; a host of another listener is answered there with 421,
so that a connection that a client reuses for it is given up (RFC 9110, section 15.5.20). Sessions whose bytes are
handed on have a chain for the names of each route (`sessions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

import msgspec

from tandem.base.ids import PodUid
from tandem.compile import names
from tandem.compile.envoy import hcm, tls
from tandem.compile.envoy.action import redirect, respond
from tandem.compile.envoy.cluster import Client
from tandem.compile.envoy.failed import UNTOLD
from tandem.compile.envoy.filters import compile_gateway_filters
from tandem.compile.envoy.filters.external import network_guards
from tandem.compile.envoy.guarded import Guarded, guard_at, guard_of
from tandem.compile.envoy.http3 import offered, quic_listener
from tandem.compile.envoy.peers import before_peers
from tandem.compile.envoy.proto import BUFFER_BYTES, Json, extension, listening_at
from tandem.compile.envoy.rbac import check_of
from tandem.compile.envoy.reencrypt import is_secured, secured
from tandem.compile.envoy.route import COUNTED, compile_route, counting
from tandem.compile.envoy.scope import Hashes, PortScope, counters_of
from tandem.compile.envoy.sessions import ending, matching, session_chains
from tandem.ir.fabric import AppProtocol, Service, ServicePort
from tandem.ir.gateway import (
    Gateway,
    GatewayListener,
    GatewayPort,
    HostRoutes,
    Sessions,
    connections_at,
    destinations_of,
    grpc_backends_of,
    opened_of,
    passed_of,
    routes_of,
)
from tandem.ir.mesh import DIALLED, Backend, BytesRoute, Redirect, Route, RouteMatch
from tandem.state.assembled import Assembled
from tandem.state.xds import Resource

MISDIRECTED: Final = 421
_NOTHING: Final[Json] = {}


def client_of(gateway: Gateway, *, grpc: bool = False, tls: bool = False, questions: bool = False) -> Client:
    """Who sends: in the node's own namespace, as the gateway's identity. `grpc`: in what the client speaks.

    `questions`: those of routes over gRPC.
    """
    uid = names.gateway_client(gateway.namespace, gateway.name, tls=tls)
    opened = gateway.backend_tls if tls else ()
    return Client(
        uid=uid, netns="", identity=gateway.identity, gateway=not grpc, questions=questions, backend_tls=opened
    )


def clusters_used(gateway: Gateway) -> dict[Client, set[str]]:
    """As whom it sends, and the shared clusters of its backends and of whom it asks that its own ones are like.

    Backends of gRPC are spoken to in HTTP/2, as their clients speak; all others in HTTP/1.1 or as their port says.
    TLS of the gateway's is in none that is handed on, and in none in which it asks.
    """
    calls = {_cluster(backend) for backend in grpc_backends_of(gateway)}
    asked = {
        _cluster(route.check.backend) for route in routes_of(gateway) if route.check is not None and route.check.grpc
    }
    found: dict[Client, set[str]] = {}

    def uses(backends: Iterable[Backend], secure: tuple[str, ...]) -> None:
        for name in dict.fromkeys(map(_cluster, backends)):
            client = client_of(gateway, grpc=name in calls, tls=is_secured(name, secure), questions=name in asked)
            found.setdefault(client, set()).add(name)

    uses(opened_of(gateway), secured(gateway))
    uses((*passed_of(gateway), *_asked(gateway)), ())
    return found


def services_used(gateway: Gateway) -> set[str]:
    """`namespace/name` of the Services of these clusters."""
    return {f"{b.namespace}/{b.service}" for b in (*destinations_of(gateway), *_asked(gateway))}


def _asked(gateway: Gateway) -> Iterator[Backend]:
    """The external authorizer of its policies, and who counts what comes in."""
    check = check_of(gateway.authorization)
    if check is not None:
        yield Backend(namespace=check.namespace, service=check.service, port=check.port)
    yield from counters_of(routes_of(gateway))


def _cluster(backend: Backend) -> str:
    return names.service_cluster(backend.namespace, backend.service, backend.port, backend.subset)


@lru_cache(maxsize=1024)
def compile_gateway(gateway: Gateway, own: tuple[str, ...]) -> tuple[Resource, ...]:
    """The listeners, at `own`: the node's own addresses of the gateway's families."""
    quic = (port for port in gateway.ports if port.http3)
    return (
        *(_listener(gateway, port, own) for port in gateway.ports),
        *(quic_listener(gateway, port, own, guard_at(gateway, port.port, own)) for port in quic),
    )


def compile_gateway_guards(gateway: Gateway, own: tuple[str, ...], keys: Mapping[str, str]) -> list[Resource]:
    """What judges its requests; `keys` are those that were fetched."""
    ports = {port.port: guard_at(gateway, port.port, own) for port in gateway.ports if port.reads_requests}
    return compile_gateway_filters(guard_of(gateway), ports, keys) if ports else []


@lru_cache(maxsize=1024)
def compile_gateway_routes(gateway: Gateway, hashes: Hashes) -> tuple[Resource, ...]:
    """The route configurations of every port."""
    return tuple(resource for port in gateway.ports for resource in _routes(gateway, port, hashes))


def _listener(gateway: Gateway, port: GatewayPort, own: tuple[str, ...]) -> Resource:
    name = names.gateway_listener(gateway.namespace, gateway.name, port.port)
    inspector = extension("tls-inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector")
    body: dict[str, Any] = {
        "name": name,
        "stat_prefix": hcm.EDGE,
        **listening_at(own, port.target, ""),
        "traffic_direction": "INBOUND",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "listener_filters": [inspector] if port.tls else [],
        "filter_chains": list(_chains(gateway, port, own)),
    }
    origins = {*(listener.origin for listener in port.listeners), *(r.origin for r in connections_at(port))}
    origins |= {policy.origin for policy in gateway.authorization if port.hands_on}
    return Resource(name=name, body=body, origins=frozenset(origins))


def _chains(gateway: Gateway, port: GatewayPort, own: tuple[str, ...]) -> Iterator[Json]:
    guard = guard_at(gateway, port.port, own)
    if port.bytes:
        every = tuple(connections_at(port))
        to = [share for route in every for share in _shares(gateway, secured(gateway), route)]
        divided = next(filter(None, map(hcm.divided, every)), "")
        log_name = names.destination_log(guard.uid)
        last = hcm.tcp(hcm.EDGE, to or names.REFUSED, log_name, sticky=True, divided=divided)
        yield {"name": "tcp", "filters": [*network_guards(guard, hcm.EDGE), last]}
        return
    if not port.tls:
        routes = names.gateway_routes(gateway.namespace, gateway.name, port.port)
        yield {"name": "http", "filters": [_manager(gateway, port, guard, routes)]}
        return
    for listener in port.listeners:
        if listener.sessions is not Sessions.REQUESTS or not listener.can_end:
            secure = secured(gateway) if listener.sessions is not Sessions.PASSTHROUGH else ()
            yield from session_chains(listener, partial(_shares, gateway, secure), guard, gateway.identity)
        else:
            routes = names.gateway_routes(gateway.namespace, gateway.name, port.port, listener.name)
            yield {
                "name": listener.name,
                "filter_chain_match": matching(listener.asked),
                "filters": [*before_peers(listener.terms.mesh), _manager(gateway, port, guard, routes)],
                "transport_socket": ending(listener, gateway.identity, tls.ALPN_EDGE),
            }


def _manager(gateway: Gateway, port: GatewayPort, guard: Guarded, routes: str) -> Json:
    return hcm.gateway_http(gateway, guard, port.port, routes)


def _shares(gateway: Gateway, secure: tuple[str, ...], route: BytesRoute) -> list[Json]:
    """By weight; one that does not exist has no cluster: its share is closed. `secure`: clusters that speak TLS."""
    named = ((_cluster(backend), backend.weight) for backend in route.backends)
    return [
        {"name": names.client_cluster(client_of(gateway, tls=is_secured(name, secure)).uid, name), "weight": weight}
        for name, weight in named
    ]


def _routes(gateway: Gateway, port: GatewayPort, hashes: Hashes) -> Iterator[Resource]:
    if port.bytes:
        return
    scope = _scope(gateway, port, hashes)
    if not port.tls:
        name = names.gateway_routes(gateway.namespace, gateway.name, port.port)
        hosts = [host for listener in port.listeners for host in listener.hosts]
        # A listener's own hosts go to no other one, also where it has no route for them.
        bare = [HostRoutes(host=name) for listener in port.listeners for name in listener.hostnames]
        yield _configuration(name, _virtual_hosts(name, (*hosts, *bare), port, scope), hosts, scope.client)
        return
    for listener in (one for one in port.listeners if one.sessions is Sessions.REQUESTS):
        name = names.gateway_routes(gateway.namespace, gateway.name, port.port, listener.name)
        own = (*listener.hosts, *(HostRoutes(host=name) for name in listener.hostnames))
        virtual = _virtual_hosts(name, own, port, scope, offered(port, listener))
        known = {domain for host in virtual for domain in host["domains"]}
        others = [other for other in port.listeners if other is not listener]
        yield _configuration(name, [*virtual, *_misdirected(others, known)], listener.hosts, scope.client)


def _configuration(name: str, hosts: Iterable[Json], used: Iterable[HostRoutes], client: PodUid | None) -> Resource:
    routes = [route for host in used for route in host.routes]
    fields, counted = counting(routes, client)
    head = {
        "name": name,
        "virtual_hosts": [],
        # `example.com:8080` is example.com.
        "ignore_port_in_host_matching": True,
        "validate_clusters": False,
        **UNTOLD,
        **fields,
    }
    body = Assembled(head, "virtual_hosts", tuple(hosts))
    return Resource(name=name, body=body, origins=counted.union(route.origin for route in routes))


def _virtual_hosts(
    name: str, hosts: Iterable[HostRoutes], port: GatewayPort, scope: PortScope, offers: Json = _NOTHING
) -> list[Json]:
    """One for each host, the first where there are several; without a route that matches Envoy answers 404.

    Of a host that is as it was before in the configuration of that name it is the very same.
    """
    book, place = _book(name), (port.port, port.tls, scope, offers)
    known = book.hosts if book.place == place else {}
    found: dict[str, _Host] = {}
    for host in hosts:
        if host.host not in found:
            before = known.get(host.host)
            if before is None or before.host != host:
                each = before.each if before is not None else {}
                made = [_made(route, each.get(route.name), port, scope) for route in host.routes]
                routes = tuple(one for _, several in made for one in several)
                head = {"name": host.host, "domains": [host.host], "routes": [], **COUNTED, **offers}
                before = _Host(host, Assembled(head, "routes", routes), {one[0].name: one for one in made})
            found[host.host] = before
    book.place, book.hosts = place, found
    return [one.made for one in found.values()]


_Made = tuple[Route, tuple[Json, ...]]
"""A route, and what becomes of it."""


def _made(route: Route, before: _Made | None, port: GatewayPort, scope: PortScope) -> _Made:
    if before is not None and before[0] == route:
        return before
    return route, tuple(_route(route, match, port, scope) for match in _matches(route))


class _Host(msgspec.Struct, frozen=True):
    """What became of a host, and of each of its routes by name."""

    host: HostRoutes
    made: Json
    each: Mapping[str, _Made]


class _Book:
    """What the hosts of a configuration became, where everything else was like that."""

    def __init__(self) -> None:
        self.place: object = None
        self.hosts: dict[str, _Host] = {}


@lru_cache(maxsize=1024)
def _book(_name: str) -> _Book:
    return _Book()


def _misdirected(others: Iterable[GatewayListener], known: set[str]) -> Iterator[Json]:
    refuse = {"name": "misdirected", "match": {"prefix": "/"}, "direct_response": respond(MISDIRECTED)}
    for name in (name for other in others for name in other.asked):
        if name not in known:
            yield {"name": name, "domains": [name], "routes": [refuse]}


def _matches(route: Route) -> tuple[RouteMatch, ...]:
    return route.matches or (RouteMatch(),)


def _route(route: Route, match: RouteMatch, port: GatewayPort, scope: PortScope) -> Json:
    made = compile_route(route, match, scope)
    if isinstance(route.action, Redirect):
        made = {**made, "redirect": _redirect(route.action, match, port)}
    return made


def _redirect(action: Redirect, match: RouteMatch, port: GatewayPort) -> Json:
    """Without a port of its own it leads to that of its scheme, or the listener's (HTTPRequestRedirectFilter, port)."""
    kept = action if action.port or action.scheme else msgspec.structs.replace(action, port=DIALLED)
    return redirect(kept, match, port.port, here="https" if port.tls else "http")


def _scope(gateway: Gateway, port: GatewayPort, hashes: Hashes) -> PortScope:
    """What actions of routes ask of where they are; every backend of a gateway's route names its port."""
    app = AppProtocol.GRPC if any(one.grpc_web for one in port.listeners) else AppProtocol.HTTP
    front = ServicePort(name="", port=port.port, protocol="TCP", app=app)
    service = Service(namespace=gateway.namespace, name=gateway.name, cluster_ips=gateway.addresses, ports=(front,))
    return PortScope(
        service=service,
        port=front,
        client=client_of(gateway).uid,
        gateway=True,
        secured=secured(gateway),
        secure_client=client_of(gateway, tls=True).uid,
        hashes=hashes,
    )
