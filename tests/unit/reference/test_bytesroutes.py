"""Where a connection goes that is no request, by VirtualServices in the mesh."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import tcproute, tlsroute
from meshworlds import dr, httproute, parent, vs
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision
from tandem.reference.routes import decide

PORTS = [
    {"name": "tcp", "port": 9000},
    {"name": "tls", "port": 443},
    {"name": "any", "port": 70},
    {"name": "http", "port": 80},
]
DB = service("db", ns="shop", ip="10.96.0.20", ports=PORTS)
SUBSETS = dr("db", ns="shop", host="db", subsets=[{"name": n, "labels": {"v": n}} for n in ("one", "two")])


def to(subset: str, weight: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"destination": {"host": "db", "subset": subset}}
    return {**found, "weight": weight} if weight else found


def route(subset: str, *matches: dict[str, Any]) -> dict[str, Any]:
    return {"match": list(matches), "route": [to(subset)]}


def ask(*objects: Object, port: int = 9000, **of: Any) -> RouteDecision:
    request = Request(namespace="shop", service="db", port=port, **{"source_namespace": "shop", **of})
    return decide(World.of([DB, SUBSETS, *objects]), request)


def asked(*objects: Object, port: int = 9000, **of: Any) -> list[str]:
    """The subsets that get it; empty: the Service itself."""
    return [share.subset for share in ask(*objects, port=port, **of).backends]


def db(name: str = "v", *, created: str = "", **spec: Any) -> Object:
    return vs(name, ns="shop", created=created, hosts=["db"], **spec)


@pytest.mark.parametrize(
    ("match", "of", "fits"),
    [
        ({"port": 9000}, {}, True),
        ({"port": 9001}, {}, False),
        ({"sourceNamespace": "shop"}, {}, True),
        ({"sourceNamespace": "ops"}, {}, False),
        ({"sourceLabels": {"a": "b"}}, {"source_labels": {"a": "b"}}, True),
        ({"sourceLabels": {"a": "b"}}, {}, False),
        ({"destinationSubnets": ["10.96.0.0/16"]}, {}, True),
        ({"destinationSubnets": ["10.97.0.0/16"]}, {}, False),
        ({"destinationSubnets": ["10.97.0.0/16"]}, {"address": "10.97.0.1"}, True),
        ({"gateways": ["mesh"]}, {}, True),
        ({"gateways": ["shop/edge"]}, {}, False),
    ],
)
def test_a_route_of_tcp_is_for_what_it_matches(match: dict[str, Any], of: dict[str, Any], *, fits: bool) -> None:
    assert asked(db(tcp=[route("one", match)]), **of) == (["one"] if fits else [""])


def test_the_first_route_for_everything_has_it_and_shares_by_weight() -> None:
    both = {"route": [to("one", 1), to("two", 9)]}
    found = ask(db(tcp=[both, route("one")]))
    assert [(s.subset, s.weight) for s in found.backends] == [("one", 1), ("two", 9)]
    assert str(found.rule) == "VirtualService shop/v spec.tcp[0]"
    older = db("w", created="2020-01-01T00:00:00Z", tcp=[route("two")])
    assert asked(db(created="2021-01-01T00:00:00Z", tcp=[route("one")]), older) == ["two"]


NAMES = vs(
    "v",
    ns="shop",
    hosts=["db"],
    tls=[route("one", {"sniHosts": ["*.a.test"]}), route("two", {"sniHosts": ["x.a.test", "b.test"]})],
    tcp=[route("two")],
)


@pytest.mark.parametrize(
    ("name", "port", "subset"),
    [
        ("y.a.test", 9000, "one"),
        ("x.a.test", 9000, "two"),
        ("b.test", 443, "two"),
        ("else.test", 9000, "two"),
        ("", 9000, "two"),
        ("else.test", 443, "two"),
    ],
)
def test_the_most_specific_name_has_it_and_routes_of_tcp_have_the_rest(name: str, port: int, subset: str) -> None:
    assert asked(NAMES, port=port, server_name=name) == [subset]


def test_a_destination_that_is_not_there_closes_it() -> None:
    found = ask(db(tcp=[route("gone")]))
    assert (found.backends, found.status) == ((), 0)
    assert found.steps[-1].text == "no DestinationRule defines subset 'gone' of shop/db: closed"


def test_requests_are_routed_as_requests_where_the_port_says_so_or_says_nothing_and_has_routes() -> None:
    both = db(http=[{"route": [to("two")]}], tcp=[route("one")])
    assert asked(both, port=80) == ["two"]
    assert asked(both, port=70) == ["two"]
    assert asked(both, port=9000) == ["one"]
    assert asked(db(tcp=[route("one")]), port=80) == [""]
    assert asked(db(tcp=[route("one")]), port=70) == ["one"]


@pytest.mark.parametrize("spec", [{"gateways": ["shop/edge"]}, {"exportTo": ["ops"]}])
def test_who_is_not_meant_goes_to_the_service(spec: dict[str, Any]) -> None:
    assert asked(db(tcp=[route("one")], **spec)) == [""]


def test_they_have_what_routes_of_the_gateway_api_leave() -> None:
    rules = [{"backendRefs": [{"name": "db", "port": 70}]}]
    by_name = tlsroute("a.test", parents=(parent("db"),), ns="shop", rules=rules)
    mine = db(tcp=[route("one")])
    assert [s.port for s in ask(by_name, mine, server_name="a.test").backends] == [70]
    assert asked(by_name, mine, server_name="b.test") == ["one"]
    every = tcproute("t", parent("db"), ns="shop", rules=rules)
    assert [s.port for s in ask(every, mine, port=9000).backends] == [70]


def test_a_port_that_says_nothing_is_one_of_requests_where_anybodys_route_of_requests_is_at_it() -> None:
    rules = [{"backendRefs": [{"name": "db", "namespace": "shop", "port": 80}]}]
    theirs = httproute("h", ns="ops", parentRefs=[parent("db", namespace="shop")], rules=rules)
    mine = db(tcp=[route("one")])
    assert asked(mine, port=70) == ["one"]
    assert asked(mine, theirs, port=70) == [""]
    assert asked(mine, theirs, port=9000) == ["one"]
