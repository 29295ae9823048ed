"""The Gateway API's routing of one request to a Service: consumer and producer routes, kinds of routes at one port."""

from __future__ import annotations

from tandem.model import core
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.world import World
from tandem.reference.attached import attached, produced
from tandem.reference.authorization import says_bytes
from tandem.reference.connectionroutes import decide_connections
from tandem.reference.grpcroutes import decide_grpcroutes
from tandem.reference.httproutes import decide_httproutes
from tandem.reference.request import Request, RouteDecision, Share, Step


def decide_gateway_routes(world: World, request: Request) -> RouteDecision | None:
    """The decision of the Gateway API's routes; None if none of them is about the Service.

    A consumer's own routes come first, and leave nothing to the producer's (GEP-1426). GRPCRoutes at a port leave
    nothing of it to HTTPRoutes, and those nothing to routes of connections (GEP-1294).
    """
    steps: list[Step] = []
    for consumer in (True, False):
        # Where a port says that it is none of HTTP nobody sees a request.
        unseen = _says_bytes(world, request)
        grpc = [] if unseen else attached(world, request, GRPCRoute, steps, consumer=consumer)
        if grpc:
            return decide_grpcroutes(world, request, grpc, steps)
        http = [] if unseen else attached(world, request, HTTPRoute, steps, consumer=consumer)
        if http:
            return decide_httproutes(world, request, http, steps)
        connection = decide_connections(world, request, steps, consumer=consumer)
        if connection is not None:
            return connection
    if produced(world, request, HTTPRoute) or produced(world, request, GRPCRoute):
        # These routes decide for the whole Service: VirtualServices are not asked for its other ports.
        share = Share(namespace=request.namespace, service=request.service, port=request.port)
        steps.append(Step(text=f"no route is about port {request.port}: the request goes to the Service itself"))
        return RouteDecision(backends=(share,), steps=tuple(steps))
    return None


def _says_bytes(world: World, request: Request) -> bool:
    service = world.get(core.Service, request.namespace, request.service)
    ports = service.spec.ports if service is not None else ()
    return any(says_bytes(port) for port in ports if port.port == request.port)
