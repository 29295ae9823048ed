"""TCPRoutes and TLSRoutes with Services as parents -> Layers of routes of bytes, with Problems. Pure.

A port of a Service has one kind of route: those of requests go before TLSRoutes, and those before TCPRoutes (GEP-1294).
A TLSRoute has the names that it lists: a session that asks for another one, and what is no TLS, goes to the Service
itself. A consumer's own routes leave nothing of their ports to the producer's (GEP-1426).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import BytesMatch, BytesRoute
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import Key
from tandem.translate.mesh.attach import Attachment, ConnectionRoute, attach, is_mesh_parent
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import Context, Layer, Layers
from tandem.translate.mesh.layers import Accepted, age, left_of
from tandem.translate.protocols import app_protocol, routed_http

Place = tuple[Key, str]
"""A Service, and the namespace whose pods see it so; empty: all."""


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """A route at a Service, with what it does there."""

    attachment: Attachment
    connections: BytesRoute


def read_connections(
    context: Context, source: ConnectionRoute | UDPRoute, parents: frozenset[Key]
) -> tuple[BytesRoute, tuple[Problem, ...]]:
    """What the rules of a route come to: shares that may not be used are kept, and lead nowhere."""
    problems: list[Problem] = []
    reader = BackendReader(source, context, parents, problems)
    made: list[BytesRoute] = []
    what, lost = ("datagrams", "dropped") if isinstance(source, UDPRoute) else ("connections", "closed")
    otherwise = f"its share of {what} is {lost}"
    for i, rule in enumerate(source.spec.rules):
        at = f"spec.rules[{i}]"
        shares = [
            msgspec.structs.replace(reader.read(ref, f"{at}.backendRefs[{j}]", otherwise)[0], weight=ref.weight)
            for j, ref in enumerate(rule.backend_refs)
        ]
        name = f"{source.kind}/{source.metadata.namespace}/{source.metadata.name}/{i}"
        used = tuple(share for share in shares if share.weight > 0)
        made.append(BytesRoute(name=name, matches=(), backends=used, origin=source.origin(at)))
        if i:
            text = f"all {what} follow the first rule of a route"
            problems.append(Problem(at=source.origin(at), code="Shadowed", text=text, severity=Severity.WARNING))
    return made[0], tuple(problems)


def accept_connections(context: Context) -> tuple[list[Connected], list[Problem]]:
    """Every route at each Service that it is attached to, in the order in which they get what several are for."""
    found: list[Connected] = []
    problems: list[Problem] = []
    sources: list[ConnectionRoute] = [*sorted(context.world.sorted(TLSRoute), key=age)]
    for source in (*sources, *sorted(context.world.sorted(TCPRoute), key=age)):
        attachments, mistakes = attach(source, context)
        problems += mistakes
        if attachments:
            connections, wrong = read_connections(context, source, frozenset(_parents(source)))
            problems += wrong
            found += (Connected(attachment=a, connections=connections) for a in attachments)
    return found, problems


def _parents(source: ConnectionRoute) -> Iterator[Key]:
    """The Services that a route names, at whatever port: whose client may be sent to them."""
    for parent in source.spec.parent_refs:
        if is_mesh_parent(parent):
            yield parent.namespace or source.metadata.namespace, parent.name


def connection_layers(context: Context, requests: Sequence[Accepted], connected: Iterable[Connected]) -> Layers:
    """The routes of bytes for everyone, and for each namespace for which they are others.

    `requests`: the routes that have ports before them.
    """
    problems: list[Problem] = []
    own: dict[Place, list[Connected]] = {}
    for one in connected:
        own.setdefault((one.attachment.service, one.attachment.consumer), []).append(one)
    services = {service for service, _ in own}
    held = _held(context, [one for one in requests if one.attachment.service in services])
    made: dict[Place, tuple[BytesRoute, ...]] = {}
    for (service, consumer), items in sorted(own.items()):
        places = _Ports(context, service, held.get((service, consumer), {}))
        made[service, consumer] = tuple(places.share(items))
        held[service, consumer] = places.taken
        problems += places.problems
    layers = []
    for service, consumer in sorted({*made, *(place for place in held if (place[0], "") in made)}):
        routes = made.get((service, consumer), ())
        general = made.get((service, ""), ()) if consumer else ()
        if general:
            every = _tcp_ports(context, service)
            routes += tuple(_without(general, held.get((service, consumer), {}).keys(), every))
        at = (*routes, *general)
        if at:  # a consumer to whom nothing is left has a layer of its own all the same, with nothing in it
            origin = at[0].origin
            layers.append(Layer(service=service, consumer=consumer, routes=(), scopes=(), bytes=routes, origin=origin))
    return Layers(layers=tuple(layers), problems=tuple(problems))


def _held(context: Context, requests: Iterable[Accepted]) -> dict[Place, dict[int, Origin]]:
    """The ports at which requests are seen, and the oldest route that has them."""
    found: dict[Place, dict[int, Origin]] = {}
    for one in sorted(requests, key=lambda one: age(one.attachment.route)):
        attachment = one.attachment
        service = context.service(attachment.service)
        ports = service.spec.ports if service is not None else ()
        routed = routed_http(ports, attachment.ports)
        place = found.setdefault((attachment.service, attachment.consumer), {})
        for port in (p.port for p in ports if app_protocol(p).is_http or p.port in routed):
            if not attachment.ports or port in attachment.ports:
                place.setdefault(port, attachment.route.origin())
    return found


class _Ports:
    """The ports of a Service as some clients see it, shared out among its routes; `taken` is who has which."""

    def __init__(self, context: Context, service: Key, held: Mapping[int, Origin]) -> None:
        self._every = _tcp_ports(context, service)
        self._where = f"Service {service[0]}/{service[1]}"
        self._names: dict[tuple[int, str], Origin] = {}
        self.taken = dict(held)
        self.problems: list[Problem] = []

    def share(self, items: Iterable[Connected]) -> Iterator[BytesRoute]:
        """The routes, each where it has something: of one kind those for every name after those for some."""
        by_kind: dict[type, list[Connected]] = {}
        for one in sorted(items, key=lambda one: not _names(one.attachment.route)):
            by_kind.setdefault(type(one.attachment.route), []).append(one)
        for kind in by_kind.values():
            before, own = dict(self.taken), dict[int, Origin]()
            for one in kind:
                attachment, told = left_of(one.attachment, before, self._every)
                self.problems += told
                if attachment is None:
                    continue
                for port in attachment.ports or self._every:
                    own.setdefault(port, attachment.route.origin())
                self._shadow(attachment)
                yield _at(one.connections, attachment)
            self.taken = {**own, **self.taken}

    def _shadow(self, attachment: Attachment) -> None:
        """Tells a route what an older one of its kind has already."""
        route = attachment.route
        lost: dict[tuple[str, Origin], list[str]] = {}
        for port in attachment.ports or self._every:
            for name in _names(route) or ("",):
                first = self._names.setdefault((port, name), route.origin())
                if first != route.origin():
                    lost.setdefault((name, first), []).append(str(port))
        for (name, first), ports in lost.items():
            what = f"connections for {name}" if name else "connections"
            text = f"{what} to port {', '.join(ports)} of {self._where} follow the older {first}"
            at = route.origin("spec.hostnames" if name else "spec.rules")
            self.problems.append(Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING))


def _names(route: object) -> tuple[str, ...]:
    return route.spec.hostnames if isinstance(route, TLSRoute) else ()


def _at(connections: BytesRoute, attachment: Attachment) -> BytesRoute:
    names = _names(attachment.route)
    match = BytesMatch(ports=attachment.ports, server_names=names)
    return msgspec.structs.replace(connections, matches=(match,) if match != BytesMatch() else (), requests=True)


def _without(routes: Iterable[BytesRoute], taken: Iterable[int], every: tuple[int, ...]) -> Iterator[BytesRoute]:
    """The routes at the ports that are not taken."""
    gone = frozenset(taken)
    for route in routes:
        matches = tuple(
            msgspec.structs.replace(match, ports=tuple(port for port in match.ports or every if port not in gone))
            for match in route.matches or (BytesMatch(),)
        )
        left = tuple(match for match in matches if match.ports)
        if not gone:
            yield route
        elif left:
            yield msgspec.structs.replace(route, matches=left)


def _tcp_ports(context: Context, key: Key) -> tuple[int, ...]:
    service = context.service(key)
    return tuple(p.port for p in (service.spec.ports if service is not None else ()) if p.protocol == "TCP")
