"""TCPRoutes and TLSRoutes at listeners whose bytes are handed on -> where their connections go, with Problems. Pure.

Nothing of a connection tells routes apart but the name that is asked for in TLS: each name has the oldest TLSRoute that
is for it, a TCPRoute has what no TLSRoute is for, and every connection follows the first rule. All others are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import BytesMatch, BytesRoute
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.world import World
from tandem.translate.gateway.attach import Attached
from tandem.translate.gateway.hosts import EVERY, most_specific, specificity
from tandem.translate.mesh.attach import is_gateway_parent
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.layers import age

ConnectionRoute = TCPRoute | TLSRoute
"""Routes of connections."""
Given = tuple[Attached, BytesRoute]
"""A route at a listener and what its rules come to."""


def read_connections(context: Context, source: ConnectionRoute) -> tuple[BytesRoute, tuple[Problem, ...]]:
    """What the rules of a route come to: shares that may not be used are kept, and lead nowhere."""
    problems: list[Problem] = []
    reader = BackendReader(source, context, frozenset(), problems)
    made: list[BytesRoute] = []
    for i, rule in enumerate(source.spec.rules):
        at = f"spec.rules[{i}]"
        shares = [
            msgspec.structs.replace(
                reader.read(ref, f"{at}.backendRefs[{j}]", "its share of connections is closed")[0], weight=ref.weight
            )
            for j, ref in enumerate(rule.backend_refs)
        ]
        name = f"{source.kind}/{source.metadata.namespace}/{source.metadata.name}/{i}"
        used = tuple(share for share in shares if share.weight > 0)
        made.append(BytesRoute(name=name, matches=(), backends=used, origin=source.origin(at)))
        if i:
            text = "every connection follows the first rule of a route"
            problems.append(Problem(at=source.origin(at), code="Shadowed", text=text, severity=Severity.WARNING))
    return made[0], tuple(problems)


def parents_refused(source: ConnectionRoute) -> Iterable[Problem]:
    """Parents that have no listeners: connections to Services are not routed by these routes here."""
    for i, parent in enumerate(source.spec.parent_refs):
        if not is_gateway_parent(parent):
            kind = f"{parent.group}/{parent.kind}" if parent.group else parent.kind
            text = f"parents of kind {kind} are not supported for a {source.kind}, only Gateway and ListenerSet"
            yield Problem(at=source.origin(f"spec.parentRefs[{i}]"), code="InvalidKind", text=text)


def in_order(world: World) -> tuple[ConnectionRoute, ...]:
    """Every route, in the order in which they get what several of them are for."""
    return (*sorted(world.sorted(TLSRoute), key=age), *sorted(world.sorted(TCPRoute), key=age))


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


def named_of(hostname: str, hostnames: Sequence[str], attached: Iterable[Given]) -> tuple[BytesRoute, ...]:
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
    what = "connections" if host == EVERY else f"connections for {host}"
    text = f"{what} of listener {one.listener[1]} follow {first.route.kind} {'/'.join(first.route.key)}"
    at = one.route.origin("spec.hostnames" if isinstance(one.route, TLSRoute) and host != EVERY else "spec.rules")
    return Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)
