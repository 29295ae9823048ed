"""Routes at the listeners of one port -> for each listener the hosts that are its own, and their routes in order. Pure.

A host belongs to the listener of the port that is the most specific for it, and no other listener's routes see its
requests (listener isolation). Within a listener, routes whose host name is more specific come first; what they do not
match goes on to the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.gateway import HostRoutes
from tandem.ir.mesh import BytesRoute, Route
from tandem.model.gateway import BackendObject
from tandem.model.grpcroute import GRPCRoute
from tandem.model.tcproute import ConnectionRule
from tandem.model.udproute import UDPRoute
from tandem.model.world import Key, World
from tandem.translate.gateway.attach import Attached, EdgeRoute
from tandem.translate.hostnames import covering, most_specific, specificity
from tandem.translate.mesh.attach import ConnectionRoute
from tandem.translate.mesh.connections import read_connections
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.grpcroute import read_grpcroute
from tandem.translate.mesh.httproute import read_httproute
from tandem.translate.mesh.layers import REFUSING, Rank, age
from tandem.translate.options import Options

Ranked = tuple[tuple[Rank, Route], ...]
"""The matches of a route in their order, each with its rank."""


class ReadRoute(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of a route come to, and whether it may be used."""

    routes: tuple[tuple[Rank, Route], ...]
    connections: BytesRoute | None = None
    """Of a route that hands on bytes or datagrams, in place of `routes`."""
    problems: tuple[Problem, ...]

    @property
    def accepted(self) -> bool:
        """True unless it has a value that is not enforced: then nothing of it is applied."""
        return not any(p.code in REFUSING and p.severity is Severity.ERROR for p in self.problems)


def read_route(world: World, source: EdgeRoute, options: Options) -> ReadRoute:
    """The rules of a route as they are for gateways: no parent Service is anybody's way to another namespace."""
    context = Context(world=world, options=options, policies={})
    if isinstance(source, ConnectionRoute | UDPRoute):
        connections, mistakes = read_connections(context, source, frozenset())
        return ReadRoute(routes=(), connections=connections, problems=mistakes)
    if isinstance(source, GRPCRoute):
        routes, problems = read_grpcroute(context, source, frozenset())
    else:
        routes, problems = read_httproute(context, source, frozenset())
    return ReadRoute(routes=tuple(routes), problems=tuple(problems))


def services_of(route: EdgeRoute) -> Iterator[Key]:
    """The Services that a route names as backends, for copies and to be asked, whatever is wrong with them."""
    for rule in route.spec.rules:
        named: list[BackendObject] = list(rule.backend_refs)
        if not isinstance(rule, ConnectionRule):
            named += (item.request_mirror.backend_ref for item in rule.filters if item.request_mirror is not None)
            named += (item.external_auth.backend_ref for item in rule.filters if item.external_auth is not None)
        for ref in named:
            if (ref.group, ref.kind) == ("", "Service"):
                yield ref.namespace or route.metadata.namespace, ref.name


def hosts_of(
    hostname: str, hostnames: AbstractSet[str], attached: Iterable[tuple[Attached, Ranked]]
) -> tuple[HostRoutes, ...]:
    """The hosts of the listener `hostname`, among the `hostnames` of all listeners of the port."""
    by_name: dict[str, list[tuple[Attached, Ranked]]] = {}
    for one, routes in attached:
        for host in one.hosts:
            by_name.setdefault(host, []).append((one, routes))
    own = (host for host in by_name if most_specific(hostnames, host) == hostname)
    ordered = sorted(own, key=lambda h: (specificity(h), h))
    return tuple(HostRoutes(host=host, routes=_in_order(host, by_name)) for host in ordered)


def _in_order(host: str, by_name: Mapping[str, list[tuple[Attached, Ranked]]]) -> tuple[Route, ...]:
    best: dict[tuple[str, Key], tuple[tuple[int, int], Attached, Ranked]] = {}
    for name in covering(host):  # of several names of a route the most specific one counts
        for attached, routes in by_name.get(name, ()):
            best.setdefault((attached.route.kind, attached.route.key), (specificity(name), attached, routes))
    entries = [
        # GRPCRoutes match requests of gRPC alone, and say more of those than an HTTPRoute does.
        ((ranked, attached.route.kind, rank_of, age(attached.route), position), route)
        for ranked, attached, routes in best.values()
        for position, (rank_of, route) in enumerate(routes)
    ]
    return tuple(route for _, route in sorted(entries, key=lambda entry: entry[0]))
