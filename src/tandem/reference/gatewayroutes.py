"""The Gateway API's routing of one request to a Service: consumer and producer routes, kinds of routes at one port."""

from __future__ import annotations

from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.world import World
from tandem.reference.attached import attached, produced
from tandem.reference.grpcroutes import decide_grpcroutes
from tandem.reference.httproutes import decide_httproutes
from tandem.reference.request import Request, RouteDecision, Share, Step


def decide_gateway_routes(world: World, request: Request) -> RouteDecision | None:
    """The decision of the Gateway API's routes; None if none of them is about the Service.

    A consumer's own routes come first, and leave nothing to the producer's (GEP-1426). GRPCRoutes at a port leave
    nothing of it to HTTPRoutes (GEP-1294).
    """
    steps: list[Step] = []
    for consumer in (True, False):
        grpc = attached(world, request, GRPCRoute, steps, consumer=consumer)
        if grpc:
            return decide_grpcroutes(world, request, grpc, steps)
        http = attached(world, request, HTTPRoute, steps, consumer=consumer)
        if http:
            return decide_httproutes(world, request, http, steps)
    if produced(world, request, HTTPRoute) or produced(world, request, GRPCRoute):
        # These routes decide for the whole Service: VirtualServices are not asked for its other ports.
        share = Share(namespace=request.namespace, service=request.service, port=request.port)
        steps.append(Step(text=f"no route is about port {request.port}: the request goes to the Service itself"))
        return RouteDecision(backends=(share,), steps=tuple(steps))
    return None
