"""What becomes of one request, judged on the objects themselves as the API documents say.

In: the World and a request. Out: a RouteDecision with every step and its Origin. Slow and plain on purpose: the oracle
of the property tests and the engine of `tandem explain`; it shares no code with translation.
"""

from __future__ import annotations

from tandem.model import core
from tandem.model.world import World
from tandem.reference.bytesroutes import decide_bytes, reads_requests
from tandem.reference.canaries import divide
from tandem.reference.consulchains import decide_chain, stood_in
from tandem.reference.gatewayroutes import decide_gateway_routes
from tandem.reference.profiles import decide_profile
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.virtualservices import decide_virtualservices


def decide(world: World, request: Request, *, cluster_domain: str = "cluster.local") -> RouteDecision:
    """Which object and rule route `request`, and where to."""
    service = world.get(core.Service, request.namespace, request.service)
    where = f"Service {request.namespace}/{request.service}"
    if service is None:
        return RouteDecision(status=503, steps=(Step(text=f"{where} does not exist"),))
    decision = decide_gateway_routes(world, request)
    if decision is None and reads_requests(world, request, cluster_domain):
        decision = decide_virtualservices(world, request, cluster_domain)
    elif decision is None or (decision.rule is None and not reads_requests(world, request, cluster_domain)):
        # What routes of connections of the Gateway API leave.
        decision = decide_bytes(world, request, cluster_domain) or decision
    if decision is None:
        decision = decide_chain(world, request)
    if decision is None:
        decision = decide_profile(world, request, cluster_domain)
    return stood_in(world, request, divide(world, decision or _plain(request, where), request, cluster_domain))


def _plain(request: Request, where: str) -> RouteDecision:
    step = Step(text=f"no route is about {where} port {request.port}: the request goes to the Service itself")
    share = Share(namespace=request.namespace, service=request.service, port=request.port)
    return RouteDecision(backends=(share,), steps=(step,))
