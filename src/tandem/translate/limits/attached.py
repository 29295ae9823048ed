"""What is counted at routes and gateways -> IR in which it stands where it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.ir.gateway import Gateway, GatewayListener
from tandem.ir.limits import RateLimit
from tandem.ir.mesh import MeshIR, Route, RouteTable
from tandem.model.world import Key
from tandem.translate.attachment import rule_of
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.rewritten import rewritten
from tandem.translate.limits.found import Limits, Sections

_replace: Final = msgspec.structs.replace
Routes = Mapping[tuple[str, Key], Sections]


def limit_tables(mesh: MeshIR, limits: Limits) -> MeshIR:
    """The routes of the mesh with what is counted at them."""
    if not limits.routes:
        return mesh
    return _replace(mesh, tables={name: _table(table, limits.routes) for name, table in mesh.tables.items()})


def _table(table: RouteTable, routes: Routes) -> RouteTable:
    limited = tuple(_limited(route, (), routes) for route in table.routes)
    return table if limited == table.routes else _replace(table, routes=limited)


def _limited(route: Route, before: tuple[RateLimit, ...], routes: Routes) -> Route:
    origin, rule = route.origin, rule_of(route)
    sections = routes.get((origin.kind, (origin.namespace, origin.name)), ())
    own = _of(sections, rule) if rule is not None else ()
    return _replace(route, limits=(*before, *own)) if before or own else route


def _of(sections: Sections, section: str | int) -> tuple[RateLimit, ...]:
    return tuple(limit for name, limit in sections if name is None or name == section)


def limit_gateways(edge: Edge, limits: Limits) -> Edge:
    """The gateways with what is counted at them, at their listeners, and at the routes."""
    if not limits.routes and not limits.gateways:
        return edge
    gateways = {name: _gateway(gateway, limits) for name, gateway in edge.gateways.items()}
    return _replace(edge, gateways=MappingProxyType(gateways))


def _gateway(gateway: Gateway, limits: Limits) -> Gateway:
    sections = limits.gateways.get((gateway.namespace, gateway.name), ())

    def change(listener: GatewayListener, route: Route) -> tuple[Route, ...]:
        return (_limited(route, _of(sections, listener.name), limits.routes),)

    return rewritten(gateway, change)
