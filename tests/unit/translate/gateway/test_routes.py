"""Hosts of listeners and the order of routes within them."""

from __future__ import annotations

from builders import service
from gatewayworlds import edge, gateway, grant, listener, route
from tandem.ir.gateway import HostRoutes
from tandem.ir.mesh import Forward, Respond
from tandem.model.gateway import HTTPRoute
from tandem.model.meta import Object
from tandem.translate.gateway.attach import Attached
from tandem.translate.gateway.routes import hosts_of
from working import calls_of

ISOLATED = (
    listener("every"),
    listener("wild", hostname="*.example.com"),
    listener("deep", hostname="*.foo.example.com"),
    listener("one", hostname="abc.foo.example.com"),
)


def hosts(*objects: Object) -> dict[str, tuple[HostRoutes, ...]]:
    (port,) = edge(*objects).gateways["default/edge"].ports
    return {one.name: one.hosts for one in port.listeners}


def names(found: HostRoutes) -> list[str]:
    return [r.name.removeprefix("HTTPRoute/default/") for r in found.routes]


def test_each_host_belongs_to_the_most_specific_listener_alone() -> None:
    wanted = ["abc.foo.example.com", "x.foo.example.com", "x.example.com", "*.example.com", "else.test"]
    found = hosts(gateway("edge", *ISOLATED), route("hr", hostnames=wanted))
    assert {name: [h.host for h in own] for name, own in found.items()} == {
        "every": ["else.test"],
        "wild": ["x.example.com", "*.example.com"],
        "deep": ["x.foo.example.com", "*.foo.example.com"],
        "one": ["abc.foo.example.com"],
    }


def at_path(name: str, path: str, host: str = "") -> HTTPRoute:
    rule = {"matches": [{"path": {"value": path}}], "backendRefs": [{"name": "web", "port": 80}]}
    return route(name, host=host, rules=[rule])


def test_routes_of_a_more_specific_host_come_first_and_the_others_after_them() -> None:
    routes = (at_path("wide", "/longer/path", "*.test"), at_path("narrow", "/", "a.test"), at_path("any", "/longer"))
    (found,) = hosts(gateway("edge"), *routes).values()
    assert {h.host: names(h) for h in found} == {
        "a.test": ["narrow/0/0", "wide/0/0", "any/0/0"],
        "*.test": ["wide/0/0", "any/0/0"],
        "*": ["any/0/0"],
    }


def test_across_routes_of_one_host_the_match_decides() -> None:
    (found,) = hosts(gateway("edge"), at_path("a", "/"), at_path("b", "/b")).values()
    assert names(found[0]) == ["b/0/0", "a/0/0"]


def test_a_route_with_a_value_that_is_not_enforced_is_not_there() -> None:
    bad = route("bad", rules=[{"filters": [{"type": "ExtensionRef", "extensionRef": {}}]}])
    made = edge(gateway("edge"), bad)
    assert made.gateways["default/edge"].ports[0].listeners[0].hosts == ()
    assert made.facts["default", "edge"].listeners[0].attached == 0


def test_a_backend_of_another_namespace_needs_a_grant_and_is_answered_with_500_without() -> None:
    far = route("far", rules=[{"backendRefs": [{"name": "web", "namespace": "other", "port": 80}]}])
    there = service("web", ns="other", ports=[{"name": "http", "port": 80}])
    (without,) = hosts(gateway("edge"), far, there).values()
    assert without[0].routes[0].action == Respond(status=500, body="no backend of this rule exists")
    (granted,) = hosts(gateway("edge"), far, there, grant("HTTPRoute", "Service")).values()
    assert isinstance(granted[0].routes[0].action, Forward)


def test_hosts_of_a_listener_cost_their_number_and_not_its_square() -> None:
    def work(count: int) -> int:
        names = [f"h{n}.test" for n in range(count)]
        attached = [
            (Attached(route=route("r"), listener=(("Gateway", "default", "edge"), "every"), hosts=(name,)), ())
            for name in names
        ]
        return calls_of(lambda: hosts_of("*", frozenset({"*"}), attached))

    assert work(200) < work(50) * 5
