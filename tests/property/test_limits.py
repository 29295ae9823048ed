"""Where translation puts limits agrees with the reference evaluator of the objects, on random worlds."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from builders import namespace, pod, service
from gatewayworlds import at, gateway, gateway_class, listener
from meshworlds import httproute, limit_at, parent, ratelimit
from tandem.ir.limits import RateLimit
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.limits import counted_at_gateway, counted_at_pod, counted_at_route
from tandem.translate.options import Options
from tandem.translate.world import translate_world

NAMES = ("a", "b")
SECTIONS = ("", "one", "two", "http")
CREATED = ("", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
PORTS: tuple[list[dict[str, Any]], ...] = (
    [{"port": 80}],
    [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "one", "port": 81}],
    [{"name": "tcp", "port": 80}, {"name": "two", "port": 81, "appProtocol": "grpc"}],
)
BY: tuple[list[dict[str, str]], ...] = ([], [{"type": "Namespace"}], [{"type": "Claim", "name": "sub"}])
TARGETS = st.builds(
    limit_at, st.sampled_from(("Service", "HTTPRoute", "Gateway")), st.sampled_from(NAMES), st.sampled_from(SECTIONS)
)
LIMITS = st.builds(
    lambda refs, name, created, staged, by: ratelimit(
        *refs, name=name, created=created, staged=staged, limits=[{"requests": 1, "unit": "Hour", "by": by}]
    ),
    st.lists(TARGETS, min_size=1, max_size=3, unique_by=str),
    st.sampled_from("klmn"),
    st.sampled_from(CREATED),
    st.booleans(),
    st.sampled_from(BY),
)
SERVICES = st.builds(
    lambda name, ports, app: service(name, ip=f"10.96.1.{NAMES.index(name) + 1}", ports=ports, selector={"app": app}),
    st.sampled_from(NAMES),
    st.sampled_from(PORTS),
    st.sampled_from(NAMES),
)
ROUTES = st.builds(
    lambda name, rules: httproute(
        name,
        parentRefs=[parent(name), at("a")],
        rules=[{"name": rule, "backendRefs": [{"name": name, "port": 80}]} for rule in rules],
    ),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(("one", "two", "three")), min_size=1, max_size=2, unique=True),
)
EDGE = gateway("a", listener("one"), listener("two", 81))
POD = pod("p", app="a", ports={"web": 8080}, labels={"tandem.io/mesh": "enabled"})


def brief(limits: tuple[RateLimit, ...]) -> list[tuple[str, str, bool]]:
    """Name, path, and whether it is staged, of each limit."""
    return sorted((limit.origin.name, limit.origin.path, one.staged) for one in limits for limit in one.limits)


@given(st.lists(LIMITS, max_size=5), st.lists(SERVICES, max_size=3), st.lists(ROUTES, max_size=3))
def test_limits_stand_where_the_objects_say(limits: list[Object], services: list[Object], routes: list[Object]) -> None:
    world = World.of([namespace("default"), gateway_class(), EDGE, POD, *services, *routes, *limits])
    found = translate_world(world, Options())
    for table in found.mesh.tables.values():
        for route in table.routes:
            wanted = counted_at_route(world, route.origin, "GET", "/", {})
            assert brief(route.limits) == sorted((c.rule.name, c.rule.path, c.staged) for c in wanted)
    for served in found.edge.gateways["default/a"].ports:
        for one in served.listeners:
            for route in (route for host in one.hosts for route in host.routes):
                whole = counted_at_gateway(world, EDGE, one.name, "GET", "/", {})
                wanted = (*whole, *counted_at_route(world, route.origin, "GET", "/", {}))
                assert brief(route.limits) == sorted((c.rule.name, c.rule.path, c.staged) for c in wanted)
    own = found.pods["uid-default-p"].limits
    for port in (80, 81, 8080):
        there = counted_at_pod(world, POD, port, "GET", "/", {})
        here = tuple(limit for limit in own if port in limit.ports)
        assert brief(here) == sorted((c.rule.name, c.rule.path, c.staged) for c in there)
