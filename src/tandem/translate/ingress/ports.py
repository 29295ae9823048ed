"""Servers and the VirtualServices at their Gateways -> ports of the gateway in the IR. Pure.

A host of a VirtualService and one of a server meet in what both are for. Where several VirtualServices have the same
host, the routes of older ones come first, and those that take every request after all others (Istio).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir import gateway as ir
from tandem.ir.mesh import (
    AS_ASKED,
    Backend,
    BytesMatch,
    BytesRoute,
    Exact,
    Forward,
    HeaderMatch,
    Redirect,
    Route,
    RouteMatch,
)
from tandem.model.core import Service
from tandem.model.world import Key
from tandem.translate.hostnames import EVERY, common, specificity
from tandem.translate.ingress.bindings import Bound, Place, is_everything
from tandem.translate.ingress.servers import ReadServer, Use

MOVED: Final = 301
SESSIONS: Final = {Use.TERMINATE: ir.Sessions.TERMINATE, Use.PASSTHROUGH: ir.Sessions.PASSTHROUGH}
BY_PLAIN_TEXT: Final = RouteMatch(
    headers=(HeaderMatch(name="x-forwarded-proto", match=Exact("https"), invert=True),),
)
"""Of requests at a gateway before which proxies are trusted: with others Envoy itself says how they came."""
Find = Callable[[Key], Service | None]


class PortReader:
    """Makes the ports; `met` is which VirtualServices are at which server, `problems` what their destinations lack.

    `trusting`: proxies before the gateway are believed how a request came to them.
    """

    def __init__(self, bound: Sequence[Bound], find: Find, root: str, *, trusting: bool) -> None:
        self._bound = bound
        self._find = find
        self._root = root
        self._trusting = trusting
        self.met: set[tuple[Key, Key]] = set()
        """VirtualService and Gateway."""
        self.problems: list[Problem] = []

    def read(self, port: int, target: int, servers: Sequence[ReadServer]) -> ir.GatewayPort:
        """The port of these servers, which do not clash."""
        first = servers[0].use
        shared = self._joined(servers) if first is Use.PLAIN else {}
        return ir.GatewayPort(
            port=port,
            target=target,
            tls=first.secure,
            bytes=first is Use.BYTES,
            listeners=tuple(self._listener(server, shared.get(server.name)) for server in servers),
        )

    def _listener(self, server: ReadServer, hosts: tuple[ir.HostRoutes, ...] | None) -> ir.GatewayListener:
        own = hosts if hosts is not None else ()
        if server.use is Use.REQUESTS:
            own = _in_order(self._hosts([server]))
        # In plain text a host that no route is for is left to whoever is for more hosts (Istio).
        name, *others = server.names if server.use.secure else (EVERY,)
        return ir.GatewayListener(
            name=server.name,
            hostname=name,
            others=tuple(others),
            hosts=own,
            certificates=server.tls.certificates,
            terms=server.tls.terms,
            connections=self._connections(server),
            sessions=SESSIONS.get(server.use, ir.Sessions.REQUESTS),
            named=self._named(server),
            grpc_web=server.grpc_web,
            origin=server.gateway.origin(server.at),
        )

    def _joined(self, servers: Sequence[ReadServer]) -> dict[str, tuple[ir.HostRoutes, ...]]:
        """The hosts of plain text by server: each with the first that has it, with the routes of all."""
        whole = self._hosts(servers)
        found: dict[str, tuple[ir.HostRoutes, ...]] = {}
        for server in servers:
            mine = {host: whole.pop(host) for host in [h for h in whole if h in self._hosts([server])]}
            found[server.name] = _in_order(mine)
        return found

    def _hosts(self, servers: Sequence[ReadServer]) -> dict[str, list[Route]]:
        found: dict[str, list[Route]] = {}
        redirected: dict[str, Route] = {}
        for server in servers:
            for bound in self._at(server):
                for host in shared_hosts(server, bound):
                    routes = bound.routes(self._place(server))
                    found.setdefault(host, []).extend(self._dialled(route, server) for route in routes)
                    if server.redirects:
                        redirected.setdefault(host, _to_https(server))
            for rule in server.hosts if server.redirects else ():
                redirected.setdefault(rule.host, _to_https(server))
        ordered = {host: last_for_everything(routes) for host, routes in found.items()}
        return ordered | {host: self._redirected(route, ordered.get(host, [])) for host, route in redirected.items()}

    def _redirected(self, route: Route, behind: list[Route]) -> list[Route]:
        """Who has come to a proxy before the gateway by HTTPS is not sent there again."""
        if not self._trusting:
            return [route]
        return [msgspec.structs.replace(route, matches=(BY_PLAIN_TEXT,)), *behind]

    def _at(self, server: ReadServer) -> Iterator[Bound]:
        """The VirtualServices that are at this server, the oldest first."""
        for bound in self._bound:
            if server.gateway.key in bound.gateways and shared_hosts(server, bound):
                self.met.add((bound.source.key, server.gateway.key))
                yield bound

    def _connections(self, server: ReadServer) -> BytesRoute | None:
        if server.use is not Use.BYTES:
            return None
        found = (route for bound in self._at(server) for route in bound.connections(self._place(server)))
        route = next(found, None)
        return self._carried(route, server) if route is not None else None

    def _named(self, server: ReadServer) -> tuple[BytesRoute, ...]:
        """Of sessions that end: the first route of connections; of those that are handed on: the routes by name."""
        if server.use is Use.TERMINATE:
            found = (route for bound in self._at(server) for route in bound.connections(self._place(server)))
            return tuple(self._carried(route, server) for route in islice(found, 1))
        if server.use is not Use.PASSTHROUGH:
            return ()
        sessions = ((b, route) for b in self._at(server) for route in b.sessions(self._place(server)))
        taken: set[str] = set()
        named: list[BytesRoute] = []
        for bound, route in sessions:
            names = tuple(n for n in names_of(route, server, bound) if n not in taken)
            taken.update(names)
            if names:
                named.append(
                    self._carried(msgspec.structs.replace(route, matches=(BytesMatch(server_names=names),)), server)
                )
        return tuple(named)

    def _place(self, server: ReadServer) -> Place:
        return Place(gateway=server.gateway.key, port=server.port, root=self._root)

    def _dialled(self, route: Route, server: ReadServer) -> Route:
        """With the port for every destination: without one it is that of the gateway (Istio)."""
        action = route.action
        if isinstance(action, Forward):
            action = msgspec.structs.replace(
                action, backends=tuple(self._ported(b, route, server) for b in action.backends)
            )
        mirrors = tuple(
            msgspec.structs.replace(m, backend=self._ported(m.backend, route, server)) for m in route.mirrors
        )
        return msgspec.structs.replace(route, action=action, mirrors=mirrors)

    def _carried(self, route: BytesRoute, server: ReadServer) -> BytesRoute:
        return msgspec.structs.replace(route, backends=tuple(self._ported(b, route, server) for b in route.backends))

    def _ported(self, backend: Backend, route: Route | BytesRoute, server: ReadServer) -> Backend:
        if backend.port:
            return backend
        service = self._find((backend.namespace, backend.service))
        if service is not None and server.port not in {port.port for port in service.spec.ports}:
            text = f"Service {backend.namespace}/{backend.service} has several ports, and {server.port} is none of them"
            self.problems.append(Problem(at=route.origin, code="PortNotFound", text=f"{text}: name one"))
        return msgspec.structs.replace(backend, port=server.port)


def shared_hosts(server: ReadServer, bound: Bound) -> tuple[str, ...]:
    """What a server and a VirtualService are both for."""
    home = bound.source.metadata.namespace
    rules = [rule.host for rule in server.hosts if rule.namespace in {"", home}]
    found = (common(mine, theirs) for mine in rules for theirs in bound.hosts)
    return tuple(dict.fromkeys(host for host in found if host is not None))


def names_of(route: BytesRoute, server: ReadServer, bound: Bound) -> tuple[str, ...]:
    """The names by which sessions come to a route at a server: those that both are for."""
    asked = [name for match in route.matches for name in match.server_names]
    found = (common(host, name) for host in shared_hosts(server, bound) for name in asked)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def last_for_everything(routes: Iterable[Route]) -> list[Route]:
    """The routes in their order, but those that take every request after all others, match by match (Istio)."""
    first: list[Route] = []
    last: list[Route] = []
    for route in routes:
        some = tuple(match for match in route.matches if not is_everything(match))
        if some:
            first.append(msgspec.structs.replace(route, matches=some))
        if len(some) < len(route.matches) or not route.matches:
            last.append(msgspec.structs.replace(route, matches=()))
    return [*first, *last]


def _in_order(hosts: dict[str, list[Route]]) -> tuple[ir.HostRoutes, ...]:
    ordered = sorted(hosts, key=lambda host: (specificity(host), host))
    return tuple(ir.HostRoutes(host=host, routes=tuple(hosts[host])) for host in ordered)


def _to_https(server: ReadServer) -> Route:
    origin = server.gateway.origin(f"{server.at}.tls.httpsRedirect")
    action = Redirect(status=MOVED, scheme="https", port=AS_ASKED)
    return Route(
        name=f"IstioGateway/{'/'.join(server.gateway.key)}/{server.index}/https",
        matches=(),
        action=action,
        origin=origin,
    )


def by_port(servers: Iterable[ReadServer]) -> dict[int, list[ReadServer]]:
    """In their order."""
    found: dict[int, list[ReadServer]] = {}
    for server in servers:
        found.setdefault(server.port, []).append(server)
    return found
