"""Which kind of route decides about a port, and for whom."""

from __future__ import annotations

from builders import service
from meshworlds import grpcroute, httproute, parent
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.gatewayroutes import decide_gateway_routes
from tandem.reference.request import Request

RULES = [{"backendRefs": [{"name": "web", "port": 80}]}]


def kind(*routes: Object, port: int = 80, home: str = "default") -> str | None:
    world = World.of([service("web", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}]), *routes])
    grpc = {"content-type": "application/grpc"}
    request = Request(source_namespace=home, namespace="default", service="web", port=port, headers=grpc)
    decision = decide_gateway_routes(world, request)
    return None if decision is None else decision.rule.kind if decision.rule else ""


def test_grpc_routes_leave_nothing_of_their_port_to_http_routes() -> None:
    routes = (
        grpcroute(parentRefs=[parent("web", port=80)], rules=RULES),
        httproute(parentRefs=[parent("web")], rules=RULES),
    )
    assert kind(*routes) == "GRPCRoute"
    assert kind(*routes, port=81) == "HTTPRoute"


def test_a_consumer_s_http_route_goes_before_the_producer_s_grpc_route() -> None:
    mine = httproute(ns="shop", parentRefs=[parent("web", namespace="default")], rules=RULES)
    theirs = grpcroute(parentRefs=[parent("web")], rules=RULES)
    assert kind(mine, theirs, home="shop") == "HTTPRoute"
    assert kind(mine, theirs) == "GRPCRoute"
    assert kind(mine) is None


def test_a_port_without_routes_goes_to_the_service() -> None:
    assert kind(grpcroute(parentRefs=[parent("web", port=81)], rules=RULES)) == ""
