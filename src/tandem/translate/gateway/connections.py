"""TCPRoutes, TLSRoutes and UDPRoutes -> where the connections and datagrams of their listeners go, with Problems. Pure.

Nothing of a connection tells routes apart but the name that is asked for in TLS: each name has the oldest TLSRoute that
is for it, a TCPRoute has what no TLSRoute is for, and every connection follows the first rule. All others are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import BytesMatch, BytesRoute
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.translate.gateway.attach import Attached, EdgeRoute
from tandem.translate.hostnames import EVERY, most_specific, specificity
from tandem.translate.mesh.attach import ConnectionRoute
from tandem.translate.mesh.layers import age

Given = tuple[Attached, BytesRoute]
"""A route at a listener and what its rules come to."""


def _what(source: EdgeRoute) -> str:
    return "datagrams" if isinstance(source, UDPRoute) else "connections"


def in_order(world: World) -> tuple[ConnectionRoute | UDPRoute, ...]:
    """Every route, in the order in which they get what several of them are for."""
    every: tuple[tuple[ConnectionRoute | UDPRoute, ...], ...] = (
        world.sorted(TLSRoute),
        world.sorted(TCPRoute),
        world.sorted(UDPRoute),
    )
    return tuple(route for routes in every for route in sorted(routes, key=age))


def shared_out(attached: Iterable[Given]) -> tuple[tuple[Given, ...], tuple[Problem, ...]]:
    """The routes of one listener, in order, each with the hosts that are left to it; those without any are left out."""
    taken: dict[str, Attached] = {}
    found: list[Given] = []
    problems: list[Problem] = []
    for one, connections in attached:
        lost = [host for host in one.hosts if host in taken]
        problems.extend(_shadowed(one, host, taken[host]) for host in lost)
        left = tuple(host for host in one.hosts if host not in taken)
        taken |= dict.fromkeys(left, one)
        if left:
            found.append((msgspec.structs.replace(one, hosts=left), connections))
    return tuple(found), tuple(problems)


def named_of(hostname: str, hostnames: AbstractSet[str], attached: Iterable[Given]) -> tuple[BytesRoute, ...]:
    """The routes of the listener `hostname`, among the `hostnames` of all listeners of the port, by its own names."""
    found: list[BytesRoute] = []
    for one, connections in attached:
        own = sorted(
            (h for h in one.hosts if most_specific(hostnames, h) == hostname), key=lambda h: (specificity(h), h)
        )
        matches = () if EVERY in own else (BytesMatch(server_names=tuple(own)),)
        if own:
            found.append(msgspec.structs.replace(connections, matches=matches))
    return tuple(found)


def _shadowed(one: Attached, host: str, first: Attached) -> Problem:
    """What a route is told which has nothing of what a listener and it are both for."""
    what = _what(one.route) if host == EVERY else f"connections for {host}"
    text = f"{what} of listener {one.listener[1]} follow {first.route.kind} {'/'.join(first.route.key)}"
    at = one.route.origin("spec.hostnames" if isinstance(one.route, TLSRoute) and host != EVERY else "spec.rules")
    return Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)
