"""What a GRPCRoute's rules become, and their order (GRPCRoute API docs)."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import grpcroute, parent
from tandem.base.problems import Problem
from tandem.ir.mesh import Exact, Forward, Prefix, Regex, Respond, Route, StringMatch
from tandem.model.grpcroute import GRPCRoute
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.grpcroute import accept_grpcroutes
from tandem.translate.mesh.layers import build_layers
from tandem.translate.options import Options

BACKEND = [{"name": "web", "port": 80}]


def run(*sources: GRPCRoute) -> tuple[tuple[Route, ...], list[Problem]]:
    world = World.of([service("web", ports=[{"name": "grpc", "port": 80}]), *sources])
    context = Context(world=world, options=Options(), policies={})
    found, problems = accept_grpcroutes(context)
    layers = build_layers(context, found, []).layers
    return layers[0].routes if layers else (), problems


def of(*rules: dict[str, Any], name: str = "gr", created: str = "") -> GRPCRoute:
    return grpcroute(name, created=created, parentRefs=[parent("web")], rules=list(rules))


def rule(*matches: dict[str, Any]) -> dict[str, Any]:
    return {"matches": list(matches), "backendRefs": BACKEND}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ({"service": "x.A", "method": "Get"}, Exact("/x.A/Get")),
        ({"service": "x.A"}, Prefix("/x.A/")),
        ({"method": "Get"}, Regex("/[^/]+/Get")),
        ({"type": "RegularExpression", "service": "a|b", "method": "G.*"}, Regex("/(?:a|b)/(?:G.*)")),
        ({"type": "RegularExpression", "service": "a|b"}, Regex("/(?:a|b)/[^/]+")),
    ],
)
def test_a_method_is_a_path(method: dict[str, Any], path: StringMatch) -> None:
    ((route,), problems) = run(of(rule({"method": method})))
    assert (route.matches[0].path, route.matches[0].grpc, problems) == (path, True, [])


def test_a_rule_without_matches_is_about_every_grpc_request_and_no_other() -> None:
    ((route,), _) = run(of({"backendRefs": BACKEND}))
    assert (route.matches[0].path, route.matches[0].grpc) == (None, True)


def test_service_goes_before_method_before_headers_and_exact_before_regular() -> None:
    headers = [{"name": n, "value": "1"} for n in ("a", "b", "c")]
    matches: list[dict[str, Any]] = [
        {"headers": headers},
        {"method": {"method": "Get"}, "headers": headers},
        {"method": {"type": "RegularExpression", "service": ".*", "method": "Get"}},
        {"method": {"service": "x.A"}},
        {"method": {"service": "x.A"}, "headers": headers[:1]},
        {"method": {"service": "x.A", "method": "Get"}},
    ]
    routes, _ = run(of(rule(*matches)))
    assert [r.name.rpartition("/")[2] for r in routes] == ["5", "4", "3", "2", "1", "0"]


def test_the_older_of_two_routes_goes_first_then_the_first_by_name_then_the_first_rule() -> None:
    young, old = (of(rule({}), rule({}), name=n, created=c) for n, c in (("a", "2026-02-01"), ("b", "2026-01-01")))
    routes, _ = run(young, old)
    assert [r.name.partition("default/")[2] for r in routes] == ["b/0/0", "b/1/0", "a/0/0", "a/1/0"]


def test_missing_backends_are_unavailable() -> None:
    ((route,), problems) = run(of({"backendRefs": [{"name": "gone", "port": 80}]}))
    assert isinstance(route.action, Respond)
    assert route.action.status == 503
    assert [(p.code, p.text.endswith("is answered with UNAVAILABLE")) for p in problems] == [("BackendNotFound", True)]
    ((route,), _) = run(of({"backendRefs": [{"name": "gone", "port": 80}, *BACKEND]}))
    assert isinstance(route.action, Forward)
    assert route.action.missing_status == 503


def test_a_route_with_something_that_is_not_enforced_routes_nothing() -> None:
    extension = {"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "y", "name": "z"}}
    routes, problems = run(
        of(rule({}), {**rule({"method": {"type": "RegularExpression", "service": "("}}), "filters": [extension]})
    )
    assert routes == ()
    assert [p.at.path for p in problems] == ["spec.rules[1].filters[0].type", "spec.rules[1].matches[0].method.service"]
