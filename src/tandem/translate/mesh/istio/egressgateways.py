"""Routes that lead through an egress gateway -> what VirtualServices do there, in the place of the way to it. Pure.

Istio's egress gateway is a proxy between the pod's and the host outside. Here both are the Envoy of the pod's node, so
nothing lies between: a route of the mesh whose destination is the gateway becomes the routes that VirtualServices have
at the gateway for the same hosts, merged under it as those of a delegate (docs/design/0053), and is judged by the
policies there (`egressguards.py`). What would be lost is refused: requests are answered with 503, connections closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.authz import AuthzPolicy
from tandem.model.istio import (
    DirectResponse,
    HeaderOperations,
    HttpMatch,
    HttpRoute,
    L4Match,
    L4Route,
    VirtualService,
)
from tandem.model.istiogateway import IstioGateway, Server
from tandem.translate.hostnames import common, covers
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.delegates import MESH, Owned, gateway_named, merge, routes_of, seen
from tandem.translate.mesh.istio.egressguards import LABELS, Use, guards_at, has_labels, use_of
from tandem.translate.options import Options

NAMES: Final = LABELS["app"]
"""Of the gateway's Service, in the root namespace."""


def is_egress(gateway: IstioGateway) -> bool:
    """Whether it selects the egress gateway, and nothing else."""
    selector = gateway.spec.selector
    return bool(selector) and has_labels(selector)


def server_mistakes(gateway: IstioGateway) -> Iterator[Problem]:
    """What of an egress Gateway has no meaning here."""
    for i, server in enumerate(gateway.spec.servers):
        if use_of(server) is Use.NOTHING:
            text = "between a pod and the egress gateway TLS is ISTIO_MUTUAL or PASSTHROUGH: nothing is sent by it"
            yield Problem(at=gateway.origin(f"spec.servers[{i}].tls.mode"), code="UnsupportedValue", text=text)


def is_gateways_own(host: str, namespace: str, context: Context) -> bool:
    """Whether a host means the gateway; a Service of its name that is there is no more than a Service."""
    key = context.resolve(host, namespace)
    return key is not None and is_service_of(key, context.options) and context.service(key) is None


def is_service_of(key: tuple[str, str], options: Options) -> bool:
    """Whether (namespace, name) are those of the gateway's Service."""
    return key[0] == options.root_namespace and key[1] in NAMES


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """A VirtualService at a server of an egress Gateway, and what judges there."""

    gateway: IstioGateway
    server: Server
    source: VirtualService
    judges: tuple[AuthzPolicy, ...]


class Led(msgspec.Struct, frozen=True, kw_only=True):
    """A route of connections at the gateway, merged under one that leads there: where it stands, and what judges."""

    owner: VirtualService
    path: str
    route: L4Route
    judges: tuple[AuthzPolicy, ...]


class Through:
    """The routes of one VirtualService that lead through the gateway; `problems`: why some lead nowhere."""

    def __init__(self, source: VirtualService, context: Context) -> None:
        self._source = source
        self._context = context
        self.problems: list[Problem] = []

    def leads(self, owner: VirtualService, route: HttpRoute | L4Route) -> bool:
        """Whether a destination is the gateway, for clients in the mesh alone."""
        every = set(self._source.spec.gateways) <= {MESH}
        if not every and not (route.match and all(m.gateways and set(m.gateways) <= {MESH} for m in route.match)):
            return False
        home = owner.metadata.namespace
        return any(is_gateways_own(share.destination.host, home, self._context) for share in route.route)

    def requests(self, one: Owned) -> Iterator[Owned]:
        """What becomes of a route: itself, or those at the gateway, and 404 for what none of them takes."""
        if not self.leads(one.owner, one.route):
            yield one
            return
        before, found, taken = len(self.problems), list[Owned](), False
        judges: tuple[AuthzPolicy, ...] = ()
        for place in self._places((one.owner, f"spec.http[{one.index}]"), one.route, Use.REQUESTS):
            judges = place.judges
            for leaf in _routes_at(place, self._context):
                merged = merge(one.route, leaf.route)
                if merged is not None and not taken:
                    taken = not leaf.route.match
                    self._said_twice(one, leaf)
                    name = f"{one.name}/{leaf.name}"
                    found.append(msgspec.structs.replace(leaf, route=merged, name=name, judges=judges))
        wrong = len(self.problems) > before
        yield from () if wrong else found
        if wrong or not taken:
            answer = msgspec.structs.replace(
                one.route, route=(), direct_response=DirectResponse(status=503 if wrong else 404)
            )
            yield msgspec.structs.replace(one, route=answer, judges=judges)

    def connections(self, route: L4Route, at: str) -> Iterator[Led]:
        """The same of connections; what none of them takes is closed."""
        named = any(match.sni_hosts for match in route.match)
        for place in self._places((self._source, at), route, Use.SESSIONS if named else Use.BYTES):
            kind = "tls" if use_of(place.server) is Use.SESSIONS else "tcp"
            for i, leaf in enumerate(place.source.spec.tls if kind == "tls" else place.source.spec.tcp):
                matches = [m for m in leaf.match if _about(m, place)]
                if leaf.match and not matches:
                    continue
                joined = tuple(j for match in route.match if (j := _joined(match, matches)) is not None)
                if joined or not route.match:
                    led = msgspec.structs.replace(leaf, match=joined)
                    yield Led(owner=place.source, path=f"spec.{kind}[{i}]", route=led, judges=place.judges)

    def _places(self, at: tuple[VirtualService, str], route: HttpRoute | L4Route, use: Use) -> Iterator[_Place]:
        """The VirtualServices at the gateway that have all hosts of this one, at servers of the port, by age."""
        port = self._port(at, route)
        if port == 0:
            return
        world, found = self._context.world, False
        wanted = {use} if use is Use.REQUESTS else {use, Use.BYTES}
        servers = [
            (gateway, server)
            for gateway in world.oldest_first(IstioGateway)
            if is_egress(gateway)
            for server in gateway.spec.servers
            if server.port.number == port and use_of(server) in wanted
        ]
        options, rewritten = self._context.options, isinstance(route, HttpRoute) and _is_rewritten(route)
        guards = [guards_at(server, world, options, rewritten=rewritten) for _, server in servers]
        if trouble := next((g.trouble for g in guards if g.trouble), ""):
            self._wrong(at, "destination", trouble)
            return
        for source in world.oldest_first(VirtualService) if servers else ():
            for (gateway, server), guard in zip(servers, guards, strict=True):
                place = _Place(gateway=gateway, server=server, source=source, judges=guard.policies)
                if self._has_all(place):
                    found = True
                    yield place
        if not found:
            self._wrong(
                at, "destination", f"no VirtualService at an egress gateway has all of the hosts at port {port}"
            )

    def _has_all(self, place: _Place) -> bool:
        """Whether the VirtualService at the gateway is there for all hosts of this one."""
        source, namespace = place.source, place.source.metadata.namespace
        named = {gateway_named(name, namespace) for name in source.spec.gateways}
        if "/".join(place.gateway.key) not in named or not seen(source, self._context.options.root_namespace):
            return False
        here = hosts_of(place.server, place.gateway, source)
        own = [self._full(host, source) for host in source.spec.hosts]
        wanted = (self._full(host, self._source) for host in self._source.spec.hosts)
        return all(any(covers(a, host) for a in here) and any(covers(b, host) for b in own) for host in wanted)

    def _port(self, at: tuple[VirtualService, str], route: HttpRoute | L4Route) -> int:
        """Of the gateway; 0 where that cannot be told."""
        if len(route.route) > 1:
            self._wrong(at, "", "the egress gateway has all that a route takes, or nothing")
            return 0
        asked = route.route[0].destination.port
        ports = {asked.number} if asked is not None else {match.port for match in route.match}
        if len(ports) == 1 and 0 not in ports:
            return ports.pop()
        self._wrong(at, "destination.port", "name the port of the egress gateway")
        return 0

    def _said_twice(self, root: Owned, leaf: Owned) -> None:
        """What both hops would do, and one can do once."""
        nothing = HttpRoute()
        for field in ("rewrite", "fault", "mirror", "mirrors", "cors_policy", "headers"):
            values = getattr(root.route, field), getattr(leaf.route, field), getattr(nothing, field)
            if values[2] not in values[:2]:
                there = leaf.owner.origin(f"spec.http[{leaf.index}]")
                text = f"{there} says for the gateway what is said on the way to it: say it once ({field})"
                self._wrong((root.owner, f"spec.http[{root.index}]"), "", text)

    def _full(self, host: str, source: VirtualService) -> str:
        return full_host(host, source.metadata.namespace, self._context.options)

    def _wrong(self, at: tuple[VirtualService, str], field: str, text: str) -> None:
        owner, path = at
        where = f"{path}.route[0].{field}" if field else path
        self.problems.append(Problem(at=owner.origin(where), code="EgressGateway", text=f"{text}: nothing is sent"))


def _is_rewritten(route: HttpRoute) -> bool:
    """Whether requests would come to the gateway otherwise than the pod sent them."""
    shares = (share.headers for share in route.route if share.headers is not None)
    edits = (headers.request for headers in (route.headers, *shares))
    return route.rewrite is not None or any(edit != HeaderOperations() for edit in edits)


def full_host(host: str, namespace: str, options: Options) -> str:
    """A short name is that of a Service in the same namespace."""
    return host.lower() if "." in host or "*" in host else f"{host}.{namespace}.svc.{options.cluster_domain}"


def hosts_of(server: Server, gateway: IstioGateway, source: VirtualService) -> list[str]:
    """Those of a server that a VirtualService may be for."""
    home = source.metadata.namespace
    pairs = (text.lower().rpartition("/")[::2] for text in server.hosts)
    known = {"": home, "*": home, ".": gateway.metadata.namespace}
    return [host for namespace, host in pairs if known.get(namespace, namespace) == home]


def _routes_at(place: _Place, context: Context) -> Iterator[Owned]:
    """The routes of requests there, with the matches that are about the place, of which its own part is left out."""

    def here(route: HttpRoute) -> HttpRoute | None:
        matches = tuple(
            msgspec.structs.replace(match, gateways=(), port=0, source_namespace="", source_labels={})
            for match in route.match
            if _about(match, place)
        )
        if route.match and not matches:
            return None
        every = any(match == HttpMatch(name=match.name) for match in matches)
        return msgspec.structs.replace(route, match=() if every else matches)

    return routes_of(place.source, context.world, [], here)


def _about(match: HttpMatch | L4Match, place: _Place) -> bool:
    home = place.source.metadata.namespace
    named = {gateway_named(name, home) for name in match.gateways}
    own = "/".join(place.gateway.key) in (named or {"/".join(place.gateway.key)})
    return own and match.port in {0, place.server.port.number} and has_labels(match.source_labels)


def _joined(root: L4Match, leaves: Sequence[L4Match]) -> L4Match | None:
    """With the names that are meant on the way to the gateway and there; where the gateway asks for none, all."""
    asked = [name for leaf in leaves for name in leaf.sni_hosts]
    both = (common(a.lower(), b.lower()) for a in root.sni_hosts for b in asked)
    names = tuple(dict.fromkeys(name for name in both if name is not None))
    if not asked:
        return root
    return msgspec.structs.replace(root, sni_hosts=names) if names else None
