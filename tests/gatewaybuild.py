"""Builders of gateways in the IR for tests of compilers."""

from __future__ import annotations

from typing import Any

from tandem.base.ids import SpiffeId
from tandem.base.problems import Origin
from tandem.ir.gateway import DatagramPort, Gateway, GatewayListener, GatewayPort, HostRoutes, Sessions
from tandem.ir.mesh import Backend, BytesMatch, BytesRoute, Forward, PathPrefix, Route, RouteMatch

GATEWAY = Origin(kind="Gateway", namespace="edge", name="edge")


def backend(service: str = "web", port: int = 80) -> Backend:
    return Backend(namespace="shop", service=service, port=port)


def route(name: str, path: str = "", **fields: Any) -> Route:
    """To Service web, unless `action` is given."""
    matches = (RouteMatch(path=PathPrefix(path)),) if path else ()
    origin = Origin(kind="HTTPRoute", namespace="shop", name=name, path="spec.rules[0]")
    return Route(
        **({"name": name, "matches": matches, "action": Forward(backends=(backend(),))} | fields), origin=origin
    )


def hosts(host: str, *routes: Route) -> HostRoutes:
    return HostRoutes(host=host, routes=routes)


def listener(name: str, hostname: str, *own: HostRoutes, certificates: tuple[str, ...] = ()) -> GatewayListener:
    return GatewayListener(name=name, hostname=hostname, hosts=own, certificates=certificates, origin=GATEWAY)


def port(*listeners: GatewayListener, number: int = 80, target: int = 20080, tls: bool = False) -> GatewayPort:
    return GatewayPort(port=number, target=target, tls=tls, listeners=listeners)


def connections(name: str, *backends: Backend) -> GatewayPort:
    """A port of bytes whose connections go there."""
    origin = Origin(kind="TCPRoute", namespace="shop", name=name, path="spec.rules[0]")
    made = BytesRoute(name=name, matches=(), backends=backends, origin=origin) if backends else None
    one = GatewayListener(name=name, hostname="*", connections=made, origin=GATEWAY)
    return GatewayPort(port=9000, target=29000, tls=False, bytes=True, listeners=(one,))


def sessions(name: str, hostname: str, *routes: BytesRoute, certificates: tuple[str, ...] = ()) -> GatewayListener:
    """A listener of sessions: they end at it if it has certificates, else they pass through."""
    does = Sessions.TERMINATE if certificates else Sessions.PASSTHROUGH
    return GatewayListener(
        name=name, hostname=hostname, sessions=does, named=routes, certificates=certificates, origin=GATEWAY
    )


def asking(*server_names: str, to: Backend, name: str = "sr") -> BytesRoute:
    """A route for sessions that ask for one of these names; none: for all."""
    origin = Origin(kind="TLSRoute", namespace="shop", name=name, path="spec.rules[0]")
    matches = (BytesMatch(server_names=server_names),) if server_names else ()
    return BytesRoute(name=f"TLSRoute/shop/{name}/0", matches=matches, backends=(to,), origin=origin)


def datagrams(name: str, *backends: Backend, number: int = 53) -> DatagramPort:
    """A port of UDP whose datagrams go there."""
    origin = Origin(kind="UDPRoute", namespace="shop", name=name, path="spec.rules[0]")
    made = BytesRoute(name=name, matches=(), backends=backends, origin=origin) if backends else None
    return DatagramPort(port=number, route=made, origin=GATEWAY)


def gateway(
    *ports: GatewayPort | DatagramPort, addresses: tuple[str, ...] = ("192.0.2.65",), name: str = "edge"
) -> Gateway:
    return Gateway(
        namespace="edge",
        name=name,
        identity=SpiffeId(f"spiffe://cluster.local/ns/edge/sa/{name}"),
        addresses=addresses,
        ports=tuple(port for port in ports if isinstance(port, GatewayPort)),
        datagrams=tuple(port for port in ports if isinstance(port, DatagramPort)),
        origin=GATEWAY,
    )
