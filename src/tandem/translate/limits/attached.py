"""What is counted at routes and gateways -> IR in which it stands where it holds. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.ir.gateway import Gateway, GatewayListener, GatewayPort, HostRoutes
from tandem.ir.limits import RateLimit
from tandem.ir.mesh import MeshIR, Route, RouteTable
from tandem.model.world import Key
from tandem.translate.gateway.edge import Edge
from tandem.translate.limits.found import Limits, Sections

_RULE: Final = re.compile(r"spec\.rules\[(\d+)\]")
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
    origin = route.origin
    sections = routes.get((origin.kind, (origin.namespace, origin.name)), ())
    rule = _RULE.fullmatch(origin.path)  # what no rule matches is answered with 404, and counted nowhere
    own = _of(sections, int(rule[1])) if rule is not None else ()
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
    return _replace(gateway, ports=tuple(_port(port, sections, limits.routes) for port in gateway.ports))


def _port(port: GatewayPort, sections: Sections, routes: Routes) -> GatewayPort:
    return _replace(port, listeners=tuple(_listener(one, _of(sections, one.name), routes) for one in port.listeners))


def _listener(listener: GatewayListener, before: tuple[RateLimit, ...], routes: Routes) -> GatewayListener:
    def host(one: HostRoutes) -> HostRoutes:
        return _replace(one, routes=tuple(_limited(route, before, routes) for route in one.routes))

    return _replace(listener, hosts=tuple(host(one) for one in listener.hosts))
