"""Which routes are about a request's Service and port."""

from __future__ import annotations

from builders import service
from meshworlds import grpcroute, parent
from tandem.model.gateway import HeaderMatch
from tandem.model.grpcroute import GRPCRoute
from tandem.model.world import World
from tandem.reference.attached import attached, headers_hold, produced, sent
from tandem.reference.request import Request, Step

ASK = Request(source_namespace="shop", namespace="default", service="web", port=80, headers={"x": "1"})


def test_routes_are_found_by_parent_port_and_namespace() -> None:
    far = parent("web", namespace="default")
    routes = [
        grpcroute("here", parentRefs=[parent("web", port=80)]),
        grpcroute("elsewhere", parentRefs=[parent("web", port=81)]),
        grpcroute("mine", ns="shop", parentRefs=[far]),
        grpcroute("others", ns="b", parentRefs=[far]),
    ]
    world = World.of([service("web", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}]), *routes])
    steps: list[Step] = []
    for consumer, names in ((True, ["mine"]), (False, ["here"])):
        found = attached(world, ASK, GRPCRoute, steps, consumer=consumer)
        assert [r.metadata.name for r in found] == names
    assert produced(world, ASK, GRPCRoute)


def test_the_first_of_equal_header_names_counts() -> None:
    assert headers_hold((HeaderMatch(name="X", value="1"), HeaderMatch(name="x", value="2")), ASK)
    assert not headers_hold((HeaderMatch(name="y", value="1"),), ASK)


def test_shares_of_what_does_not_exist_keep_their_weight_and_have_a_status() -> None:
    refs = [
        {"name": "web", "port": 80},
        {"name": "gone", "port": 80, "weight": 3},
        {"name": "web", "port": 80, "weight": 0},
    ]
    route = grpcroute(parentRefs=[parent("web")], rules=[{"backendRefs": refs}])
    decision = sent(World.of([service("web")]), route, (0, route.origin()), [], missing=503)
    assert [(s.service, s.weight, s.status) for s in decision.backends] == [("web", 1, 0), ("gone", 3, 503)]
