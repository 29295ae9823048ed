"""Precedence among the matches of several HTTPRoutes (HTTPRoute API docs)."""

from __future__ import annotations

from typing import Any

import linkerdworlds
from builders import service
from meshworlds import httproute, parent
from tandem.model.gateway import HTTPRoute
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.context import Context, Layers
from tandem.translate.mesh.httproute import accept_httproutes
from tandem.translate.mesh.layers import build_layers
from tandem.translate.options import Options


def run(*routes: HTTPRoute) -> Layers:
    world = World.of([service("web", ports=[{"name": "http", "port": 80}]), *routes])
    context = Context(world=world, options=Options(), policies={})
    found, problems = accept_httproutes(context)
    layers = build_layers(context, [], found)
    return Layers(layers=layers.layers, problems=(*problems, *layers.problems))


def rule(*matches: dict[str, Any]) -> dict[str, Any]:
    return {"matches": list(matches), "backendRefs": [{"name": "web", "port": 80}]}


def path(value: str, kind: str = "PathPrefix", **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


def order(*routes: HTTPRoute) -> list[str]:
    (layer,) = run(*routes).layers
    return [r.name.partition("/default/")[2] for r in layer.routes]


HEADER, QUERY = {"name": "x", "value": "1"}, {"name": "q", "value": "1"}


def test_exact_goes_before_any_prefix_and_a_longer_prefix_before_a_shorter() -> None:
    found = order(httproute(parentRefs=[parent("web")], rules=[rule(path("/"), path("/long/er"), path("/a", "Exact"))]))
    assert found == ["hr/0/2", "hr/0/1", "hr/0/0"]


def test_method_goes_before_headers_and_these_before_query_parameters() -> None:
    matches: list[dict[str, Any]] = [{"queryParams": [QUERY]}, {"headers": [HEADER]}, {"method": "GET"}]
    assert order(httproute(parentRefs=[parent("web")], rules=[rule(*matches)])) == ["hr/0/2", "hr/0/1", "hr/0/0"]


def test_more_headers_go_first() -> None:
    two = {"headers": [HEADER, {"name": "y", "value": "1"}]}
    assert order(httproute(parentRefs=[parent("web")], rules=[rule({"headers": [HEADER]}, two)])) == [
        "hr/0/1",
        "hr/0/0",
    ]


def test_equal_matches_are_ordered_by_age_then_name() -> None:
    routes = [
        httproute("b", parentRefs=[parent("web")], rules=[rule(path("/a"))]),
        httproute("a", created="2026-01-01T00:00:00Z", parentRefs=[parent("web")], rules=[rule(path("/a"))]),
        httproute("c", parentRefs=[parent("web")], rules=[rule(path("/a"))]),
    ]
    assert order(*routes) == ["b/0/0", "c/0/0", "a/0/0"]


def test_equal_matches_of_one_route_keep_the_order_of_its_rules() -> None:
    found = order(httproute(parentRefs=[parent("web")], rules=[rule(path("/a")), rule(path("/a"))]))
    assert found == ["hr/0/0", "hr/1/0"]


def test_a_route_with_an_unsupported_filter_routes_nothing() -> None:
    bad = {**rule(), "filters": [{"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "y", "name": "z"}}]}
    found = run(httproute(parentRefs=[parent("web")], rules=[rule(path("/a")), bad]))
    assert found.layers == ()
    assert [p.at.path for p in found.problems] == ["spec.rules[1].filters[0].type"]


def test_hostnames_are_reported_because_the_address_decides() -> None:
    found = run(httproute(parentRefs=[parent("web")], hostnames=["x.example"], rules=[rule()]))
    assert [p.code for p in found.problems] == ["HostnamesIgnored"]
    assert len(found.layers) == 1


def test_routes_of_linkerds_api_are_ranked_with_the_others() -> None:
    rules = [rule(path("/a", method="GET"))]
    own = linkerdworlds.route("lk", parentRefs=[parent("web")], rules=rules)
    other = httproute("gw", parentRefs=[parent("web")], rules=[rule(path("/a")), rule(path("/a", "Exact"))])
    (layer,) = run(other, own).layers
    assert [r.name for r in layer.routes] == [
        "HTTPRoute/default/gw/1/0",
        "LinkerdHTTPRoute/default/lk/0/0",
        "HTTPRoute/default/gw/0/0",
    ]


def test_a_grant_is_for_the_kind_of_one_api() -> None:
    rules = [{"backendRefs": [{"name": "web", "namespace": "default", "port": 80}]}]
    own = linkerdworlds.route("lk", ns="shop", parentRefs=[{**parent("far"), "namespace": "default"}], rules=rules)
    far = service("far", ports=[{"name": "http", "port": 80}])

    def codes(group: str) -> list[str]:
        given = {
            "from": [{"group": group, "kind": "HTTPRoute", "namespace": "shop"}],
            "to": [{"group": "", "kind": "Service"}],
        }
        raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant", "spec": given}
        granted = parse({**raw, "metadata": {"name": "g", "namespace": "default"}})
        world = World.of([service("web", ports=[{"name": "http", "port": 80}]), far, own, granted])
        return [p.code for p in accept_httproutes(Context(world=world, options=Options(), policies={}))[1]]

    assert (codes("policy.linkerd.io"), codes("gateway.networking.k8s.io")) == ([], ["RefNotPermitted"])
