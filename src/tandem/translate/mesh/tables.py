"""Layers of both front ends -> RouteTables keyed `namespace/service` (`…@consumer`), with Problems. Pure.

For one consumer the layers are laid on each other: its own HTTPRoutes, everyone's HTTPRoutes, then VirtualServices
where no producer HTTPRoute exists. A layer ends with 404 for what it is about; the rest goes to the Service. Routes of
bytes stand before them, those of the Gateway API first.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec

from tandem.base.memo import KeptParts
from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import DEFAULT_RETRY, Backend, Forward, Respond, Route, RouteMatch, RouteTable
from tandem.model.core import Service
from tandem.model.world import Key
from tandem.translate.mesh.context import Layer

Built = tuple[dict[str, RouteTable], tuple[Problem, ...]]


def build_tables(
    virtual: tuple[Layer, ...],
    routes: tuple[Layer, ...],
    connections: tuple[Layer, ...] = (),
    *,
    kept: KeptParts[Built] | None = None,
) -> Built:
    """The table of each Service, and one for each namespace that sees it otherwise. `kept`: those of before."""
    kept = kept or KeptParts()
    kept.begin()
    by_service: dict[Key, tuple[dict[str, Layer], dict[str, Layer], dict[str, Layer]]] = {}
    for position, layers in enumerate((routes, virtual, connections)):
        for layer in layers:
            by_service.setdefault(layer.service, ({}, {}, {}))[position][layer.consumer] = layer
    tables: dict[str, RouteTable] = {}
    problems: list[Problem] = []
    for service, kinds in sorted(by_service.items()):
        parts = (*(len(kind) for kind in kinds), *(layer for kind in kinds for layer in kind.values()))
        made, told = kept(service, parts, partial(_tables, service, *kinds))
        tables |= made
        problems += told
    return tables, tuple(problems)


def _tables(service: Key, gateway: dict[str, Layer], istio: dict[str, Layer], own: dict[str, Layer]) -> Built:
    """Those of one Service."""
    tables: dict[str, RouteTable] = {}
    general = _with_bytes(service, "", _table(service, "", _stack("", gateway, istio)), (own, istio))
    if general is not None:
        tables[f"{service[0]}/{service[1]}"] = general
    for consumer in sorted((gateway.keys() | istio.keys() | own.keys()) - {""}):
        table = _table(service, consumer, _stack(consumer, gateway, istio))
        table = _with_bytes(service, consumer, table, (own, istio))
        if table is not None:
            tables[f"{service[0]}/{service[1]}@{consumer}"] = table
    return tables, (*_conflicts(service, gateway, istio), *_passed_over(service, own, istio))


def _stack(consumer: str, gateway: dict[str, Layer], istio: dict[str, Layer]) -> list[Layer]:
    found = [gateway.get(consumer), gateway.get("") if consumer else None]
    if "" not in gateway:
        found.append(istio.get(consumer) or istio.get(""))
    return [layer for layer in found if layer is not None and (layer.routes or not layer.bytes)]


def _with_bytes(
    service: Key, consumer: str, table: RouteTable | None, kinds: tuple[dict[str, Layer], ...]
) -> RouteTable | None:
    """The table with the routes of connections, of one front end after the other."""
    layers = (layers.get(consumer) or layers.get("") for layers in kinds)
    found = tuple(route for layer in layers if layer is not None for route in layer.bytes)
    if not found:
        return table
    plain = RouteTable(namespace=service[0], service=service[1], consumer=consumer, routes=())
    return msgspec.structs.replace(table or plain, bytes=found)


def _table(service: Key, consumer: str, stack: list[Layer]) -> RouteTable | None:
    routes: list[Route] = []
    for layer in stack:
        routes.extend(layer.routes)
        catches_all = any(not r.matches or RouteMatch() in r.matches for r in layer.routes)
        if not catches_all:
            routes.append(_unmatched(layer))
        if catches_all or RouteMatch() in layer.scopes:
            return RouteTable(namespace=service[0], service=service[1], consumer=consumer, routes=tuple(routes))
    if not stack:
        return None
    routes.append(_plain(service, stack[0]))
    return RouteTable(namespace=service[0], service=service[1], consumer=consumer, routes=tuple(routes))


def _unmatched(layer: Layer) -> Route:
    origin = layer.origin
    matches = () if RouteMatch() in layer.scopes else layer.scopes
    name = f"{origin.kind}/{origin.namespace}/{origin.name}/{_for(layer.service, layer.consumer)}/unmatched"
    return Route(name=name, matches=matches, action=Respond(status=404, body="no route matches"), origin=origin)


def _plain(service: Key, layer: Layer) -> Route:
    origin = layer.origin
    return Route(
        name=f"{origin.kind}/{origin.namespace}/{origin.name}/{_for(service, layer.consumer)}/plain",
        matches=(),
        action=Forward(backends=(Backend(namespace=service[0], service=service[1]),)),
        retry=DEFAULT_RETRY,
        origin=origin,
    )


def _for(service: Key, consumer: str) -> str:
    return f"{service[0]}/{service[1]}" + (f"@{consumer}" if consumer else "")


def _passed_over(service: Key, own: dict[str, Layer], istio: dict[str, Layer]) -> Iterable[Problem]:
    """VirtualServices whose routes of connections stand after others."""
    if not own:
        return
    winner = msgspec.structs.replace((own.get("") or next(iter(own.values()))).origin, path="", source="")
    text = f"used for connections to Service {service[0]}/{service[1]} that {winner} is not for: it has precedence"
    for at in sorted({route.origin for layer in istio.values() for route in layer.bytes}):
        yield Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)


def _conflicts(service: Key, gateway: dict[str, Layer], istio: dict[str, Layer]) -> Iterable[Problem]:
    if not gateway:
        return
    winner = (gateway.get("") or next(iter(gateway.values()))).origin
    # What annotations of the Service itself say has been laid under its routes (`layers.py`).
    routes = (r for layer in istio.values() for r in layer.routes if layer.origin.kind != Service.__name__)
    hidden = {msgspec.structs.replace(r.origin, path="", source="") for r in routes}
    whom = "all clients" if "" in gateway else f"clients in {', '.join(sorted(gateway))}"
    text = f"not used for {whom} of Service {service[0]}/{service[1]}: {winner} has precedence"
    for at in sorted(hidden):
        yield Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)
