"""VirtualServices at gateways: which of their routes and matches are about which port."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import codes, gateway, hosts_at, made, server, to, vs
from tandem.ir.mesh import Prefix, RouteMatch
from tandem.model.istio import VirtualService
from tandem.translate.ingress.bindings import named, names_gateways
from tandem.translate.mesh.istio.delegates import seen as seen_by

PREFIX = {"uri": {"prefix": "/a"}}


def matches(*http: dict[str, Any], port: int = 80, **more: Any) -> list[tuple[RouteMatch, ...]]:
    found = made(gateway("shop", server(), server("*", port=8080)), vs("web", *http, **more))
    return [route.matches for route in hosts_at(found, port)["shop.test"].routes]


def test_a_gateway_is_named_with_or_without_its_namespace() -> None:
    one = vs()
    assert named("shop", one) == named("./shop", one) == named("default/shop", one) == ("default", "shop")
    assert named("other/shop", one) == ("other", "shop")
    assert not names_gateways(vs(at=("mesh",)))
    assert names_gateways(vs(at=("mesh", "shop")))


def test_export_is_to_the_namespace_of_the_gateway() -> None:
    def seen(*to: str, ns: str = "default") -> bool:
        return seen_by(vs(ns=ns, exportTo=list(to)), "istio-system")

    assert (seen(), seen("*"), seen("istio-system"), seen(".", ns="istio-system")) == (True, True, True, True)
    assert (seen("."), seen("other"), seen("~")) == (False, False, False)


@pytest.mark.parametrize(
    ("match", "held"),
    [
        ({"gateways": ["shop"]}, True),
        ({"gateways": ["default/shop", "mesh"]}, True),
        ({"gateways": ["mesh"]}, False),
        ({"gateways": ["other/shop"]}, False),
        ({"port": 80}, True),
        ({"port": 8080}, False),
        ({"sourceLabels": {"istio": "ingressgateway"}}, True),
        ({"sourceLabels": {"app": "web"}}, False),
        ({"sourceLabels": {"app": "web"}, "gateways": ["shop"]}, True),
        ({"sourceNamespace": "istio-system"}, True),
        ({"sourceNamespace": "default"}, False),
    ],
)
def test_a_match_is_about_its_gateway_port_and_client(match: dict[str, Any], *, held: bool) -> None:
    found = matches(to(match=[{**PREFIX, **match}]), to())
    assert len(found) == 1 + held
    assert all(not (m.ports or m.source_labels or m.source_namespace) for route in found for m in route)


def test_a_match_that_is_met_by_the_port_alone_holds_for_every_request() -> None:
    # Match by match, as Istio orders them: what takes everything comes last, and nothing of the same object after it.
    assert matches(to(match=[{"port": 80}, PREFIX]), to(match=[PREFIX])) == [
        (RouteMatch(path=Prefix("/a")),),
        (),
    ]


def test_delegates_take_their_place_at_gateways_too() -> None:
    leaf = vs("leaf", to(match=[{"uri": {"prefix": "/a/b"}}]), hosts=(), at=())
    root = vs("web", {"match": [PREFIX], "delegate": {"name": "leaf"}}, to())
    found = hosts_at(made(gateway(), root, leaf))["shop.test"].routes
    assert [route.name for route in found] == [
        "VirtualService/default/web/0/default/leaf/0",
        "VirtualService/default/web/1",
    ]
    assert codes(gateway(), root, leaf) == []


def test_a_route_with_a_mistake_refuses_the_whole() -> None:
    bad = vs("web", to(timeout="soon"), to())
    assert ("spec.http[0].timeout", "InvalidValue") in codes(gateway(), bad)
    assert hosts_at(made(gateway(), bad)) == {}


def tcp(*routes: dict[str, Any]) -> tuple[VirtualService, str]:
    one = vs("db", hosts=("*",), tcp=[{"route": [{"destination": {"host": h}}], **r} for r in routes for h in ("web",)])
    found = made(gateway("shop", server(port=9000, protocol="TCP")), one).ports[0].listeners[0].connections
    return one, found.name if found is not None else ""


def test_connections_follow_the_first_route_that_is_about_the_port() -> None:
    assert tcp({"match": [{"port": 9001}]}, {"match": [{"port": 9000}]}, {})[1] == "VirtualService/default/db/tcp/1"
    assert tcp({"match": [{"port": 9001}]})[1] == ""


@pytest.mark.parametrize(("labels", "carried"), [({"istio": "ingressgateway"}, True), ({"app": "web"}, False)])
def test_of_connections_a_match_that_names_gateways_is_about_the_sources_as_well(
    labels: dict[str, str], *, carried: bool
) -> None:
    route = {"match": [{"gateways": ["shop"], "sourceLabels": labels}], "route": [{"destination": {"host": "web"}}]}
    one, _ = tcp(route)
    found = made(gateway("shop", server(port=9000, protocol="TCP")), one).ports[0].listeners[0].connections
    assert (found is not None) is carried


def test_the_address_that_was_dialled_says_nothing_at_a_gateway() -> None:
    match = {"destinationSubnets": ["192.0.2.0/24"]}
    one, name = tcp({"match": [match]})
    assert name == ""
    one, name = tcp({"match": [{**match, "gateways": ["shop"]}]})
    assert codes(gateway("shop", server(port=9000, protocol="TCP")), one) == [
        ("spec.tcp[0].match[0].destinationSubnets", "UnsupportedValue")
    ]
