"""Which listeners a route attaches to, and why not to others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gatewayworlds import Raw, at, codes, edge, gateway, gateway_class, listener, route, world
from tandem.model.meta import Object
from tandem.translate.gateway.attach import Parents, attach
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.listeners import read_listeners
from working import calls_of

TWO = (listener("a", 80, hostname="a.test"), listener("b", 81, hostname="*.b.test"))


def attached(found: Edge, name: str = "edge") -> dict[str, int]:
    return {one.name: one.attached for one in found.facts["default", name].listeners}


def hosts(found: Edge) -> dict[str, list[str]]:
    ports = found.gateways["default/edge"].ports
    return {one.name: [h.host for h in one.hosts] for port in ports for one in port.listeners}


@pytest.mark.parametrize(
    ("parent", "counts"),
    [
        ({}, {"a": 1, "b": 1}),
        ({"sectionName": "a"}, {"a": 1, "b": 0}),
        ({"port": 81}, {"a": 0, "b": 1}),
        ({"sectionName": "b", "port": 81}, {"a": 0, "b": 1}),
    ],
)
def test_sections_and_ports_narrow_down(parent: Raw, counts: dict[str, int]) -> None:
    found = edge(gateway("edge", *TWO), route("hr", at(**parent)))
    assert attached(found) == counts
    assert not codes(found, "HTTPRoute")


@pytest.mark.parametrize(
    ("made", "parent", "more", "code"),
    [
        ({}, {"sectionName": "c"}, {}, "NoMatchingParent"),
        ({}, {"port": 82}, {}, "NoMatchingParent"),
        ({}, {"sectionName": "a", "port": 81}, {}, "NoMatchingParent"),
        ({}, {"namespace": "default"}, {"ns": "other"}, "NotAllowedByListeners"),
        ({"allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}}, {}, {}, "NotAllowedByListeners"),
        ({"protocol": "TCP"}, {}, {}, "NotAllowedByListeners"),
        ({}, {}, {"host": "c.test"}, "NoMatchingListenerHostname"),
    ],
)
def test_the_reason_is_the_step_after_which_no_listener_was_left(
    made: Raw, parent: Raw, more: dict[str, Any], code: str
) -> None:
    listeners = [{**one, **made} for one in TWO]
    found = edge(gateway("edge", *listeners), route("hr", at(**parent), **more))
    assert codes(found, "HTTPRoute") == [("spec.parentRefs[0]", code)]
    assert set(attached(found).values()) == {0}


def test_hosts_are_what_listener_and_route_have_in_common() -> None:
    names = ["a.test", "x.b.test", "*.test", "b.test"]
    found = edge(gateway("edge", *TWO), route("hr", hostnames=names))
    assert hosts(found) == {"a": ["a.test"], "b": ["x.b.test", "*.b.test"]}


def test_a_route_is_told_per_parent() -> None:
    found = edge(gateway("edge", *TWO), route("hr", at(sectionName="a"), at(sectionName="c"), at("gone")))
    assert [(p.at.path, p.code) for p in found.problems if p.at.kind == "HTTPRoute"] == [
        ("spec.parentRefs[1]", "NoMatchingParent"),
        ("spec.parentRefs[2]", "NotOurs"),
    ]
    assert attached(found) == {"a": 1, "b": 0}


def test_gateways_by_default_are_none_and_that_is_told() -> None:
    for asked, told in (("All", ["spec.useDefaultGateways"]), ("None", [])):
        made = route("hr", at())
        spec = msgspec.structs.replace(made.spec, use_default_gateways=asked)
        found = edge(gateway("edge", *TWO), msgspec.structs.replace(made, spec=spec))
        assert [p.at.path for p in found.problems if p.code == "NoEffect"] == told
        assert attached(found) == {"a": 1, "b": 1}


def test_gateways_of_other_controllers_are_left_alone() -> None:
    foreign: tuple[Object, ...] = (gateway_class("tandem", "example.com/other"), gateway("edge"), route("hr"))
    found = edge(*foreign)
    assert not found.facts
    assert [(p.code, p.severity.value) for p in found.problems] == [("NotOurs", "warning")]
    assert found.problems[0].text.endswith("is of class 'tandem', whose controller is another")


def test_of_a_class_that_is_not_here_it_is_said_how_it_would_be_served() -> None:
    (problem,) = edge(gateway("edge", gatewayClassName="istio"), route("hr")).problems
    assert problem.code == "NotOurs"
    assert "of class 'istio', which is not here: one with the controllerName tandem.io/controller" in problem.text


def test_two_parents_of_one_listener_count_once() -> None:
    found = edge(gateway("edge", *TWO), route("hr", at(sectionName="a"), at(port=80)))
    assert attached(found) == {"a": 1, "b": 0}


def test_routes_find_their_listeners_by_name_and_not_by_looking_at_each() -> None:
    def work(count: int) -> int:
        listeners = [listener(f"l{n}", hostname=f"h{n}.test") for n in range(count)]
        found = world(gateway_class())
        parents = Parents(found, read_listeners(found, gateway("edge", *listeners))[0])
        routes = [route(f"r{n}", hostnames=[f"h{n}.test"]) for n in range(count)]
        assert all(len(attach(one, parents)[0]) == 1 for one in routes)
        return calls_of(lambda: [attach(one, parents) for one in routes])

    assert work(80) < work(20) * 5
