"""The Gateway API's routing of one connection to a Service: by TLSRoutes for the name in TLS, or by TCPRoutes."""

from __future__ import annotations

from tandem.model import core
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.world import World
from tandem.reference.attached import age, attached, sent
from tandem.reference.authorization import speaks_http
from tandem.reference.request import Request, RouteDecision, Share, Step


def decide_connections(world: World, request: Request, steps: list[Step], *, consumer: bool) -> RouteDecision | None:
    """The decision of the routes of the client's namespace, or of the Service's; None if none has the port.

    A port has TLSRoutes or TCPRoutes (GEP-1294); what TLSRoutes do not name goes to the Service itself.
    """
    sessions = attached(world, request, TLSRoute, steps, consumer=consumer) if not _plain(world, request) else []
    if sessions:
        return _by_name(world, request, sessions, steps)
    connections = attached(world, request, TCPRoute, steps, consumer=consumer)
    if connections:
        return _sent(world, min(connections, key=age), steps)
    return None


def _plain(world: World, request: Request) -> bool:
    """The port says that it is HTTP: nobody asks for a name there."""
    service = world.get(core.Service, request.namespace, request.service)
    ports = service.spec.ports if service is not None else ()
    return any(speaks_http(port) for port in ports if port.port == request.port)


def _by_name(world: World, request: Request, routes: list[TLSRoute], steps: list[Step]) -> RouteDecision:
    found: list[tuple[tuple[int, int], tuple[str, str], TLSRoute]] = []
    for route in routes:
        fitting = [host for host in route.spec.hostnames or ("",) if _fits(host, request.server_name)]
        asked = request.server_name or "no name"
        steps.append(Step(text=f"{'is' if fitting else 'is not'} for {asked} in TLS", origin=route.origin()))
        found += [((host.startswith("*") or not host, -len(host)), age(route), route) for host in fitting]
    if not found:
        steps.append(Step(text="no TLSRoute is for it: the connection goes to the Service itself"))
        share = Share(namespace=request.namespace, service=request.service, port=request.port)
        return RouteDecision(backends=(share,), steps=tuple(steps))
    return _sent(world, min(found, key=lambda one: one[:2])[2], steps)


def _fits(host: str, name: str) -> bool:
    return not host or host == name or (host.startswith("*.") and name.endswith(host[1:]))


def _sent(world: World, route: TCPRoute | TLSRoute, steps: list[Step]) -> RouteDecision:
    """To the backends of the first rule by weight."""
    origin = route.origin("spec.rules[0]")
    steps.append(Step(text="has the connection", origin=origin))
    return sent(world, route, (0, origin), steps, missing=0)
