"""Accepted routes of every kind -> one Layer for each Service and consumer, with Problems where kinds meet. Pure.

Routes of one kind are merged by its precedence. A port of a Service has one kind only: GRPCRoutes go before HTTPRoutes,
and what has no port left is not accepted (GEP-1294, "Route types").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from tandem.base.memo import KeptParts
from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import Forward, Route, RouteMatch
from tandem.model.grpcroute import GRPCRoute
from tandem.model.meta import Object
from tandem.model.world import Key
from tandem.translate.mesh.attach import AnyRoute, Attachment, attach
from tandem.translate.mesh.context import Context, Layer, Layers
from tandem.translate.mesh.linkerd.annotated import read_patience
from tandem.translate.mesh.parts import PARENT
from tandem.translate.protocols import app_protocol, routed_http

REFUSING: Final = frozenset({"UnsupportedValue", "InvalidValue"})
"""Codes of mistakes after which nothing of the route is applied."""
Rank = tuple[int, ...]
"""Smaller goes first."""
Kind = TypeVar("Kind", bound=AnyRoute)
Read = Callable[[Kind, frozenset[Key]], tuple[list[tuple[Rank, Route]], list[Problem]]]
"""A route and its parent Services -> its rules' Routes in their order, each with its rank, and what is wrong."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A route at a Service, with what it does there."""

    attachment: Attachment
    routes: tuple[tuple[Rank, Route], ...]


class One(msgspec.Struct, frozen=True, kw_only=True):
    """What one object came to."""

    accepted: tuple[Accepted, ...] = ()
    problems: tuple[Problem, ...] = ()


def accept(source: Kind, context: Context, read: Read[Kind]) -> One:
    """A route that is attached to some Service and has nothing in it that is not enforced."""
    attachments, mistakes = attach(source, context)
    if not attachments:
        return One(problems=mistakes)
    routes, wrong = read(source, frozenset(a.service for a in attachments))
    of = ("grpc",) if isinstance(source, GRPCRoute) else ("http",)
    own, unread = read_patience(source, of=of, severity=Severity.ERROR)
    problems = (*mistakes, *wrong, *unread, *_object_problems(source))
    if any(p.code in REFUSING and p.severity is Severity.ERROR for p in problems[len(mistakes) :]):
        return One(problems=problems)
    patient = tuple((rank, own.over(route)) for rank, route in routes)
    found = tuple(Accepted(attachment=a, routes=_of_service(a.service, patient, of, context)) for a in attachments)
    return One(accepted=found, problems=problems)


def _of_service(
    key: Key, routes: tuple[tuple[Rank, Route], ...], of: tuple[str, ...], context: Context
) -> tuple[tuple[Rank, Route], ...]:
    """The routes as they are at this Service: those that are to the parent, and what it says of time and retries."""
    routes = tuple((rank, _to_parent(route, key)) for rank, route in routes)
    service = context.service(key)
    if service is None or not service.metadata.annotations:
        return routes
    said, _ = read_patience(service, of=of, severity=Severity.WARNING)
    return tuple((rank, said.under(route)) for rank, route in routes)


def _to_parent(route: Route, key: Key) -> Route:
    if not isinstance(route.action, Forward) or route.action.backends != (PARENT,):
        return route
    itself = msgspec.structs.replace(PARENT, namespace=key[0], service=key[1])
    return msgspec.structs.replace(route, action=msgspec.structs.replace(route.action, backends=(itself,)))


def together(each: Iterable[One]) -> tuple[list[Accepted], list[Problem]]:
    """What several came to, in their order."""
    found: list[Accepted] = []
    problems: list[Problem] = []
    for one in each:
        found += one.accepted
        problems += one.problems
    return found, problems


def build_layers(
    context: Context, grpc: Sequence[Accepted], http: Sequence[Accepted], kept: KeptParts[Layer] | None = None
) -> Layers:
    """The layer of each Service, for everyone and for each namespace that has routes of its own for it.

    `kept`: those of before.
    """
    kept = kept or KeptParts()
    kept.begin()
    problems: list[Problem] = []
    layers: list[Layer] = []
    places: dict[tuple[Key, str], tuple[list[Accepted], list[Accepted]]] = {}
    for position, kind in enumerate((grpc, http)):
        for item in kind:
            place = item.attachment.service, item.attachment.consumer
            places.setdefault(place, ([], []))[position].append(item)
    for (service, consumer), (first, then) in sorted(places.items(), key=lambda entry: entry[0]):
        rest = then
        if first:
            left = [_left(item, first, context) for item in then]
            problems.extend(p for _, found in left for p in found)
            rest = [item for item, _ in left if item is not None]
        make = partial(_layer, service, consumer, (first, rest))
        layers.append(kept((service, consumer), (len(first), *first, *rest), make))
    return Layers(layers=tuple(layers), problems=tuple(problems))


def _object_problems(source: AnyRoute) -> Iterator[Problem]:
    if source.spec.hostnames:
        text = "hostnames do not count for parents of kind Service: the address dialled decides (GEP-1426)"
        at = source.origin("spec.hostnames")
        yield Problem(at=at, code="HostnamesIgnored", text=text, severity=Severity.WARNING)


def _left(item: Accepted, first: list[Accepted], context: Context) -> tuple[Accepted | None, list[Problem]]:
    """What remains of an HTTPRoute beside GRPCRoutes of the same Service."""
    every = _request_ports(item.attachment.service, context)
    taken: dict[int, Origin] = {}
    for one in sorted(first, key=lambda a: age(a.attachment.route)):
        for port in one.attachment.ports or every:
            taken.setdefault(port, one.attachment.route.origin())
    left, problems = left_of(item.attachment, taken, every)
    return msgspec.structs.replace(item, attachment=left) if left is not None else None, problems


def left_of(
    attachment: Attachment, taken: Mapping[int, Origin], every: tuple[int, ...]
) -> tuple[Attachment | None, list[Problem]]:
    """What remains of a route beside routes of kinds that go before it; `every`: what is meant without a port."""
    problems = []
    for index, ports in attachment.parents:
        asked = frozenset(ports or every)
        lost = sorted(asked & taken.keys())
        if not lost:
            continue
        where = f"port {', '.join(map(str, lost))} of Service {'/'.join(attachment.service)}"
        winners = " and ".join(dict.fromkeys(str(taken[port]) for port in lost))
        text = f"{where} is that of {winners}: a port has one kind of route"
        at = attachment.route.origin(f"spec.parentRefs[{index}]")
        if asked <= taken.keys():
            problems.append(Problem(at=at, code="Conflicted", text=text))
        else:
            problems.append(Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING))
    asked = frozenset(attachment.ports or every)
    if asked <= taken.keys():
        return None, problems
    if asked.isdisjoint(taken):
        return attachment, problems
    return msgspec.structs.replace(attachment, ports=tuple(sorted(asked - taken.keys()))), problems


def _request_ports(key: Key, context: Context) -> tuple[int, ...]:
    """The ports of a Service at which requests are seen."""
    service = context.service(key)
    ports = service.spec.ports if service is not None else ()
    routed = routed_http(ports, (p.port for p in ports))
    return tuple(p.port for p in ports if app_protocol(p).is_http or p.port in routed)


def _layer(service: Key, consumer: str, kinds: tuple[list[Accepted], list[Accepted]]) -> Layer:
    items = [item for kind in kinds for item in kind]
    oldest = min(items, key=lambda item: age(item.attachment.route))
    scopes = {RouteMatch(ports=(p,)): None for item in items for p in item.attachment.ports}
    if any(not item.attachment.ports for item in items):
        scopes = {RouteMatch(): None}
    return Layer(
        service=service,
        consumer=consumer,
        routes=tuple(route for kind in kinds for route in _sorted(kind)),
        scopes=tuple(scopes),
        origin=oldest.attachment.route.origin(),
    )


def _sorted(items: list[Accepted]) -> list[Route]:
    """By rank, then age, then the order in the object."""
    entries = [
        ((rank, age(item.attachment.route), position), _at_ports(route, item.attachment.ports))
        for item in items
        for position, (rank, route) in enumerate(item.routes)
    ]
    return [route for _, route in sorted(entries, key=lambda e: e[0])]


def _at_ports(route: Route, ports: tuple[int, ...]) -> Route:
    if not ports:
        return route
    return msgspec.structs.replace(route, matches=tuple(msgspec.structs.replace(m, ports=ports) for m in route.matches))


def age(route: Object) -> tuple[str, str]:
    """Smaller is older, and goes first among routes that are equal otherwise."""
    # Ties are broken by "{namespace}/{name}" in alphabetical order (API docs).
    return route.metadata.creation_timestamp or "", f"{route.metadata.namespace}/{route.metadata.name}"
