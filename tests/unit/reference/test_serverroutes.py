"""Which requests routes at Servers are about, by the reference."""

from __future__ import annotations

from typing import Any

import pytest

from linkerdworlds import Raw, route, server
from meshworlds import grpcroute
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.serverroutes import (
    Placed,
    attached_to,
    changes_of,
    faulty,
    holds,
    may_hold,
    precedence,
    routes_at,
)

AT = [{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}]


def placed(*matches: Raw, **spec: Any) -> list[Placed]:
    return sorted(routes_at(World.of([server(), route("r", *matches, **spec)]), server()), key=precedence)


@pytest.mark.parametrize(
    ("match", "path", "sure", "may"),
    [
        ({}, "/x", True, True),
        ({"path": {"value": "/a"}}, "/a/b?q", True, True),
        ({"path": {"value": "/a"}}, "/ab", False, False),
        ({"path": {"value": "/a"}}, "//a", False, True),
        ({"path": {"value": "/a"}}, "/x/..%2fa", False, True),
        ({"path": {"type": "Exact", "value": "/a"}}, "/a/", False, False),
        ({"path": {"type": "RegularExpression", "value": "/[a-c]"}}, "/b", True, True),
        ({"path": {"type": "RegularExpression", "value": "/[a-c]"}}, "//x", False, True),
        ({"method": "POST"}, "/", False, False),
    ],
)
def test_a_path_may_be_read_in_more_than_one_way(match: Raw, path: str, *, sure: bool, may: bool) -> None:
    (one,) = placed(match)
    assert (holds(one, Asked(path=path)), may_hold(one, Asked(path=path))) == (sure, may)


@pytest.mark.parametrize(("host", "seen"), [("web.test", "WEB.test:80"), ("*.test", "a.web.test")])
def test_names_of_hosts_are_without_regard_to_case_and_port(host: str, seen: str) -> None:
    (one,) = placed(hostnames=[host])
    assert holds(one, Asked(host=seen))
    assert not holds(one, Asked(host="test"))


def test_the_most_specific_comes_first() -> None:
    order = placed({}, {"path": {"value": "/a"}}, {"path": {"value": "/a"}, "method": "GET"})
    assert [where for _, _, _, where in order] == [f"rules[0].matches[{i}]" for i in (2, 1, 0)]


def test_only_routes_of_the_servers_protocol_count() -> None:
    world = World.of([route("r"), grpcroute("g", parentRefs=AT, rules=[{}])])
    assert {r.kind for r in attached_to(world, server())} == {"LinkerdHTTPRoute", "GRPCRoute"}
    counting = {p: {r[0].kind for r in routes_at(world, server(proxyProtocol=p))} for p in ("unknown", "gRPC", "TLS")}
    assert counting == {"unknown": {"LinkerdHTTPRoute"}, "gRPC": {"GRPCRoute"}, "TLS": set()}


def test_parameters_and_sections_are_faults() -> None:
    odd = {"name": "a", "value": "[^1]", "type": "RegularExpression"}
    assert faulty(route("r", {"queryParams": [odd]}), server())
    assert not faulty(route("r", {"queryParams": [{"name": "a", "value": "1"}]}), server())
    assert faulty(route("r", parentRefs=[{"kind": "Server", "name": "web", "sectionName": "a"}]), server())
    assert not faulty(route("r"), server())


def test_what_filters_do_is_told_with_its_place_and_what_they_cannot_is_a_fault() -> None:
    edit = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}
    away = {"type": "RequestRedirect", "requestRedirect": {"hostname": "new.test", "statusCode": 301}}
    made = route("r", rules=[{"filters": [edit, away]}])
    (placed,) = routes_at(World.of([server(), made]), server())
    assert list(changes_of(placed)) == [
        ("changes headers of requests", "spec.rules[0].filters[0]"),
        ("sends the client to new.test with 301", "spec.rules[0].filters[1]"),
    ]
    assert not faulty(made, server())
    host = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "x"}]}}
    assert faulty(route("r", rules=[{"filters": [host]}]), server())
