"""Gateways whose routes are others than they were. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tandem.ir.gateway import Gateway, GatewayListener, GatewayPort, HostRoutes
from tandem.ir.mesh import BytesRoute, Route

Change = Callable[[GatewayListener, Route], tuple[Route, ...]]
"""What stands in the place of a route at a listener."""


def rewritten(gateway: Gateway, change: Change) -> Gateway:
    """The gateway after the change of every route."""
    return msgspec.structs.replace(gateway, ports=tuple(_port(port, change) for port in gateway.ports))


def reconnected(gateway: Gateway, change: Callable[[BytesRoute], BytesRoute]) -> Gateway:
    """The gateway after the change of every route of connections."""

    def listener(one: GatewayListener) -> GatewayListener:
        whole = change(one.connections) if one.connections is not None else None
        return msgspec.structs.replace(one, connections=whole, named=tuple(map(change, one.named)))

    def port(one: GatewayPort) -> GatewayPort:
        return msgspec.structs.replace(one, listeners=tuple(map(listener, one.listeners)))

    return msgspec.structs.replace(gateway, ports=tuple(map(port, gateway.ports)))


def _port(port: GatewayPort, change: Change) -> GatewayPort:
    return msgspec.structs.replace(port, listeners=tuple(_listener(one, change) for one in port.listeners))


def _listener(listener: GatewayListener, change: Change) -> GatewayListener:
    def host(one: HostRoutes) -> HostRoutes:
        made = (new for route in one.routes for new in change(listener, route))
        return msgspec.structs.replace(one, routes=tuple(made))

    return msgspec.structs.replace(listener, hosts=tuple(host(one) for one in listener.hosts))
