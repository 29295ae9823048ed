"""GRPCRoute, as it is parsed."""

from __future__ import annotations

from meshworlds import grpcroute, parent
from tandem.model.grpcroute import GrpcRouteMatch, MethodMatch


def test_a_method_match_is_exact_unless_it_says_otherwise() -> None:
    route = grpcroute(parentRefs=[parent("web")], rules=[{"matches": [{"method": {"service": "x.A"}}]}])
    assert route.spec.rules[0].matches == (GrpcRouteMatch(method=MethodMatch(type="Exact", service="x.A")),)


def test_a_route_without_rules_has_none() -> None:
    assert grpcroute(parentRefs=[parent("web")]).spec.rules == ()
