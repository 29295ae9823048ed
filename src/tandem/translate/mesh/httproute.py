"""HTTPRoute objects with Services as parents -> Layers of routes in Gateway API precedence, with Problems. Pure.

A route with a value that is not enforced is refused as a whole (Accepted=False, UnsupportedValue). A backend that does
not exist keeps its share, which is answered with 500.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import Exact, PathPrefix, Route, RouteMatch
from tandem.model.gateway import HTTPRoute
from tandem.model.world import Key
from tandem.translate.mesh.attach import Attachment, attach
from tandem.translate.mesh.context import Context, Layer, Layers
from tandem.translate.mesh.rules import RuleReader

REFUSING: Final = frozenset({"UnsupportedValue", "InvalidValue"})
"""Codes of mistakes after which nothing of the route is applied."""


class _Accepted(msgspec.Struct, frozen=True, kw_only=True):
    attachment: Attachment
    routes: tuple[Route, ...]


def translate_httproutes(context: Context) -> Layers:
    """Producer and consumer layers of every Service that an accepted route names."""
    problems: list[Problem] = []
    accepted: dict[tuple[Key, str], list[_Accepted]] = {}
    for source in context.world.sorted(HTTPRoute):
        attachments, found = attach(source, context)
        problems.extend(found)
        if not attachments:
            continue
        parents = frozenset(a.service for a in attachments)
        reader = RuleReader(source, context, parents)
        routes = tuple(r for i, rule in enumerate(source.spec.rules) for r in reader.read(rule, i))
        mistakes = [*reader.problems, *_object_problems(source)]
        problems.extend(mistakes)
        if any(p.code in REFUSING and p.severity is Severity.ERROR for p in mistakes):
            continue
        for attachment in attachments:
            item = _Accepted(attachment=attachment, routes=routes)
            accepted.setdefault((attachment.service, attachment.consumer), []).append(item)
    layers = tuple(_layer(service, consumer, items) for (service, consumer), items in sorted(accepted.items()))
    return Layers(layers=layers, problems=tuple(problems))


def _object_problems(source: HTTPRoute) -> Iterator[Problem]:
    if source.spec.hostnames:
        text = "hostnames do not count for parents of kind Service: the address dialled decides (GEP-1426)"
        at = source.origin("spec.hostnames")
        yield Problem(at=at, code="HostnamesIgnored", text=text, severity=Severity.WARNING)


def _layer(service: Key, consumer: str, items: list[_Accepted]) -> Layer:
    entries = [
        (_precedence(item, route), _at_ports(route, item.attachment.ports)) for item in items for route in item.routes
    ]
    oldest = min(items, key=lambda item: _age(item.attachment.route))
    scopes = {RouteMatch(ports=(p,)): None for item in items for p in item.attachment.ports}
    if any(not item.attachment.ports for item in items):
        scopes = {RouteMatch(): None}
    return Layer(
        service=service,
        consumer=consumer,
        routes=tuple(route for _, route in sorted(entries, key=lambda e: e[0])),
        scopes=tuple(scopes),
        origin=oldest.attachment.route.origin(),
    )


def _at_ports(route: Route, ports: tuple[int, ...]) -> Route:
    if not ports:
        return route
    return msgspec.structs.replace(route, matches=tuple(msgspec.structs.replace(m, ports=ports) for m in route.matches))


def _age(route: HTTPRoute) -> tuple[str, str]:
    # Ties are broken by "{namespace}/{name}" in alphabetical order (HTTPRoute API docs).
    return route.metadata.creation_timestamp or "", f"{route.metadata.namespace}/{route.metadata.name}"


def _precedence(item: _Accepted, route: Route) -> tuple[tuple[int, ...], tuple[str, str], int]:
    """Smaller goes first. Regular expressions stand between exact paths and prefixes (left to the implementation)."""
    match = route.matches[0]
    if isinstance(match.path, Exact):
        kind, length = 0, len(match.path.value)
    elif isinstance(match.path, PathPrefix):
        kind, length = 2, len(match.path.value)
    elif match.path is None:
        kind, length = 2, 1
    else:
        kind, length = 1, len(getattr(match.path, "value", ""))
    specific = (kind, -length, -(match.method is not None), -len(match.headers), -len(match.query))
    return specific, _age(item.attachment.route), item.routes.index(route)
