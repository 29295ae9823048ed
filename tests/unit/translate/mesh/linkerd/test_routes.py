"""Routes at Servers."""

from __future__ import annotations

from typing import Any

import pytest

from linkerdworlds import Raw, route, server
from meshworlds import grpcroute, httproute
from tandem.ir.authz import Attribute
from tandem.ir.match import Exact, Prefix, Present, Regex
from tandem.ir.mesh import HeaderEdit, Redirect
from tandem.ir.served import Change
from tandem.model.meta import Object
from tandem.model.unreadable import UNREADABLE, unreadable
from tandem.model.world import World
from tandem.translate.mesh.linkerd.routes import ServerRoutes, read_routes

AT = [{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}]
WEB = ("default", "web")


def read(*objects: Object) -> ServerRoutes:
    return read_routes(World.of([server(), *objects]))


def told(found: ServerRoutes) -> list[tuple[str, str]]:
    return [(p.code, p.at.path) for p in found.problems]


def test_the_most_specific_match_of_all_routes_comes_first() -> None:
    found = read(
        route("b", {"path": {"value": "/a"}}, {"path": {"value": "/a", "type": "Exact"}}),
        httproute("a", parentRefs=AT, rules=[{"matches": [{"path": {"value": "/a"}, "method": "GET"}]}]),
        route("c", hostnames=["web.test"]),
    )
    assert [(one.route.kind, one.route.name, one.path) for one in found.http[WEB]] == [
        ("LinkerdHTTPRoute", "c", "rules[0].matches[0].hostnames[0]"),
        ("LinkerdHTTPRoute", "b", "rules[0].matches[1]"),
        ("HTTPRoute", "a", "rules[0].matches[0]"),
        ("LinkerdHTTPRoute", "b", "rules[0].matches[0]"),
    ]
    assert found.grpc == {}


def test_a_prefix_is_by_elements_and_a_match_of_everything_still_asks_for_a_path() -> None:
    found = read(route("a", {"path": {"value": "/a"}}, {}))
    first, second = (one.asked[0] for one in found.http[WEB])
    assert (first.attribute, first.values) == (Attribute.PATH, (Exact("/a"), Prefix("/a/")))
    assert (second.attribute, second.values) == (Attribute.PATH, (Present(),))


def test_grpc_routes_are_kept_apart() -> None:
    found = read(grpcroute("g", parentRefs=AT, rules=[{"matches": [{"method": {"service": "a", "method": "b"}}]}]))
    assert found.http == {}
    assert found.grpc[WEB][0].asked[0].values == (Exact("/a/b"),)


@pytest.mark.parametrize(
    ("parent", "code", "path"),
    [
        ({"kind": "Server", "name": "gone"}, "NoMatchingParent", "spec.parentRefs[0]"),
        ({"kind": "Server", "name": "web", "namespace": "other"}, "RefNotPermitted", "spec.parentRefs[0].namespace"),
    ],
)
def test_parents_that_are_no_server_here_are_told(parent: Raw, code: str, path: str) -> None:
    found = read(route("r", parentRefs=[parent]))
    assert (told(found), found.http, found.unclear) == ([(code, path)], {}, frozenset())


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"parentRefs": [{"kind": "Server", "name": "web", "port": 80}]}, "spec.parentRefs[0]"),
        (
            {"rules": [{"matches": [{"queryParams": [{"name": "a", "value": "[^1]", "type": "RegularExpression"}]}]}]},
            "spec.rules[0].matches[0].queryParams[0].value",
        ),
        (
            {
                "rules": [
                    {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["host"]}}]}
                ]
            },
            "spec.rules[0].filters[0].requestHeaderModifier.remove[0]",
        ),
        (
            {"rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}]},
            "spec.rules[0].matches[0].path.value",
        ),
    ],
)
def test_what_cannot_be_judged_as_it_is_written_makes_its_servers_unclear(spec: dict[str, Any], path: str) -> None:
    found = read(route("r", **spec))
    assert ([p for _, p in told(found)], found.unclear) == ([path], frozenset({WEB}))


def test_where_requests_go_is_nothing_to_a_server() -> None:
    rules = [{"backendRefs": [{"name": "web", "port": 80}], "timeouts": {"request": "1s"}}]
    assert told(read(route("r", rules=rules))) == [
        ("FieldIgnored", "spec.rules[0].backendRefs"),
        ("FieldIgnored", "spec.rules[0].timeouts"),
    ]
    both = [*AT, {"group": "", "kind": "Service", "name": "web"}]
    assert told(read(httproute("r", parentRefs=both, rules=rules))) == []


def test_a_route_that_nobody_can_read_may_be_at_any_server_of_its_namespace() -> None:
    meta = {"name": "r", "namespace": "default"}
    raw = {"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute", "metadata": meta}
    lost = unreadable(raw, "spec.x: unknown field")
    world = World.of([server(), server(ns="other")]).with_kind(UNREADABLE, {lost.key: lost}, synced=True)
    assert read_routes(world).unclear == {WEB}


def test_parameters_are_asked_by_name_and_expressions_stay_within_their_value() -> None:
    queries = [{"name": "A", "value": "1"}, {"name": "b", "value": "x.*", "type": "RegularExpression"}]
    found = read(route("r", {"path": {"value": "/a"}, "queryParams": queries}))
    (one,) = found.http[WEB]
    asked = {r.name: r.values for r in one.asked if r.attribute is Attribute.QUERY}
    assert (asked, found.problems) == ({"A": (Exact("1"),), "b": (Regex("x[^&;]*"),)}, ())


def test_filters_are_changes_of_what_the_rule_is_about() -> None:
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-A", "value": "1%"}]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["X-B"]}},
    ]
    away = [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.test", "statusCode": 301}}]
    rules = [{"matches": [{"path": {"value": "/a"}}], "filters": filters}, {"filters": away}]
    found = read(route("r", rules=rules, hostnames=["web.test"]))
    first, second = found.http[WEB]
    assert first.change == Change(request=HeaderEdit(set=(("x-a", "1%%"),)), response=HeaderEdit(remove=("x-b",)))
    assert second.change == Change(redirect=Redirect(status=301, host="new.test"))
    assert [h.name for h in first.match.headers] == [":authority"]
    assert found.problems == ()


def test_other_filters_close_the_server() -> None:
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "x.test"}}
    found = read(httproute("r", parentRefs=AT, rules=[{"filters": [rewrite]}]))
    assert (told(found), found.unclear) == ([("UnsupportedValue", "spec.rules[0].filters[0].type")], frozenset({WEB}))
