"""VirtualServices that name a Gateway -> their routes, each with the gateways and ports that it is about. Pure.

What a route does is read by the readers of the mesh. A VirtualService is at a Gateway if it names it, is exported to
the namespace of the gateway, and has a host in common with one of the servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import BytesMatch, BytesRoute, Prefix, Route, RouteMatch
from tandem.model.istio import HttpMatch, HttpRoute, L4Match, VirtualService
from tandem.model.world import Key
from tandem.translate.ingress.workload import has_labels
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.bytesroutes import BytesReader
from tandem.translate.mesh.istio.delegates import MESH, gateway_named, is_delegate, routes_of
from tandem.translate.mesh.istio.egressgateways import Through, full_host
from tandem.translate.mesh.istio.httproutes import RouteReader
from tandem.translate.mesh.istio.virtualservice import (
    is_sound,
    object_mistakes,
    own_mistakes,
    read_owned,
    refuses,
    unreachable,
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a Gateway; `root` is the namespace in which the gateway stands."""

    gateway: Key
    port: int
    root: str


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A VirtualService that is applied: its routes as they stand, and as they were read, with all matches of both."""

    source: VirtualService
    gateways: tuple[Key, ...]
    hosts: tuple[str, ...]
    """In lower case, Services by their full names."""
    http: tuple[tuple[HttpRoute, Route], ...] = ()
    tls: tuple[tuple[tuple[L4Match, ...], BytesRoute], ...] = ()
    tcp: tuple[tuple[tuple[L4Match, ...], BytesRoute], ...] = ()

    def routes(self, place: Place) -> Iterator[Route]:
        """Those that are about this port of this Gateway, with nothing in them that is settled by that.

        None comes after one that takes everything.
        """
        for asked, route in self.http:
            matches = tuple(
                msgspec.structs.replace(made, ports=(), source_namespace=None, source_labels=())
                for match, made in zip(asked.match, route.matches, strict=True)
                if self._about(match, place)
            )
            if matches or not asked.match:
                yield msgspec.structs.replace(route, matches=matches)
            if not asked.match or any(map(is_everything, matches)):
                return

    def connections(self, place: Place) -> Iterator[BytesRoute]:
        """The routes of connections of which nothing is known but the port: the first has all of them."""
        yield from self._of_bytes(self.tcp, place)

    def sessions(self, place: Place) -> Iterator[BytesRoute]:
        """The routes of sessions by their names."""
        yield from self._of_bytes(self.tls, place)

    def _of_bytes(
        self, routes: tuple[tuple[tuple[L4Match, ...], BytesRoute], ...], place: Place
    ) -> Iterator[BytesRoute]:
        for asked, route in routes:
            names = [
                made.server_names
                for match, made in zip(asked, route.matches, strict=True)
                if self._about(match, place) and not made.subnets
            ]
            if names or not asked:
                merged = tuple(dict.fromkeys(name for some in names for name in some))
                matches = (BytesMatch(server_names=merged),) if merged else ()
                yield msgspec.structs.replace(route, matches=matches)

    def _about(self, match: HttpMatch | L4Match, place: Place) -> bool:
        if match.port not in {0, place.port}:
            return False
        home = self.source.metadata.namespace
        named = "/".join(place.gateway) in {gateway_named(name, home) for name in match.gateways}
        if match.gateways and (not named or isinstance(match, HttpMatch)):
            return named
        return has_labels(match.source_labels) and match.source_namespace in {"", place.root}


def is_everything(match: RouteMatch) -> bool:
    """Whether no request passes it by."""
    return match in {RouteMatch(), RouteMatch(path=Prefix("/"))}


def named(text: str, source: VirtualService) -> Key:
    """The Gateway that a VirtualService means: `NAMESPACE/NAME`, or a name in its own namespace."""
    namespace, _, name = gateway_named(text, source.metadata.namespace).partition("/")
    return namespace, name


def names_gateways(source: VirtualService) -> bool:
    """Whether it is about gateways at all."""
    return any(name != MESH for name in source.spec.gateways)


Said = tuple[Bound | None, tuple[Problem, ...]]
"""None: nothing of it is applied."""
Read = Callable[[VirtualService, Context], Said]


def read_bound(source: VirtualService, context: Context) -> Said:
    """What one that names gateways comes to."""
    problems = list(object_mistakes(source))
    if is_delegate(source):
        return None, tuple(problems)
    owned = list(routes_of(source, context.world, problems, keep=lambda route: route))
    problems += own_mistakes(source, context)
    http = tuple((one.route, read_owned(one, context)) for one in owned if is_sound(one.owner, source, context))
    reader = RouteReader(source, context)
    bytes_reader = BytesReader(source, reader, Through(source, context), here=lambda _: True)
    connections = {route.origin.path: route for route in bytes_reader.read()}
    problems += (*reader.problems, *bytes_reader.problems, *_of_subnets(source), *unreachable(source))
    if refuses(problems):
        return None, tuple(problems)
    return Bound(
        source=source,
        gateways=tuple(dict.fromkeys(named(name, source) for name in source.spec.gateways if name != MESH)),
        hosts=tuple(
            dict.fromkeys(full_host(host, source.metadata.namespace, context.options) for host in source.spec.hosts)
        ),
        http=http,
        tls=_pairs(source, "tls", connections),
        tcp=_pairs(source, "tcp", connections),
    ), tuple(problems)


def _pairs(
    source: VirtualService, kind: str, made: dict[str, BytesRoute]
) -> tuple[tuple[tuple[L4Match, ...], BytesRoute], ...]:
    asked = source.spec.tls if kind == "tls" else source.spec.tcp
    return tuple((route.match, made[path]) for i, route in enumerate(asked) if (path := f"spec.{kind}[{i}]") in made)


def _of_subnets(source: VirtualService) -> Iterator[Problem]:
    """At a gateway its own address is dialled, whatever the destination is."""
    for kind, routes in (("tls", source.spec.tls), ("tcp", source.spec.tcp)):
        for i, route in enumerate(routes):
            for j, match in enumerate(route.match):
                if match.destination_subnets and match.gateways and MESH not in match.gateways:
                    at = source.origin(f"spec.{kind}[{i}].match[{j}].destinationSubnets")
                    text = "at a gateway it is the gateway that is dialled: match the port or sniHosts"
                    yield Problem(at=at, code="UnsupportedValue", text=text)
