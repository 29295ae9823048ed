"""Routes that are left to other VirtualServices, and how they are merged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import service
from meshworlds import vs
from tandem.base.problems import Problem
from tandem.ir.mesh import Forward, Route
from tandem.model.istio import HttpRoute, VirtualService
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.delegates import merge, routes_of
from tandem.translate.mesh.istio.virtualservice import translate_virtualservices
from tandem.translate.options import Options

TO: dict[str, Any] = {"route": [{"destination": {"host": "web"}}]}


def route(**fields: Any) -> HttpRoute:
    return msgspec.convert(fields, HttpRoute)


def match(**fields: Any) -> list[dict[str, Any]]:
    return [fields]


def merged(root: list[dict[str, Any]], leaf: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The matches of a route that is merged of two."""
    found = merge(route(match=root), route(match=leaf, **TO))
    return None if found is None else [msgspec.to_builtins(m) for m in found.match]


def test_what_a_leaf_does_not_say_is_the_roots() -> None:
    root = route(name="r", timeout="3s", rewrite={"uri": "/x"}, fault={"abort": {"httpStatus": 500}},
                 headers={"request": {"set": {"a": "b"}}}, mirrors=[{"destination": {"host": "web"}}])  # fmt: skip
    found = merge(root, route(name="l", **TO))
    assert found is not None
    assert (found.name, found.timeout, found.rewrite, found.fault) == ("r-l", "3s", root.rewrite, root.fault)
    assert (found.headers, found.mirrors) == (root.headers, root.mirrors)
    own = merge(root, route(timeout="5s", rewrite={"uri": "/y"}, headers={"response": {"remove": ["c"]}}, **TO))
    assert own is not None
    assert (own.timeout, own.rewrite and own.rewrite.uri, own.headers.request.set) == ("5s", "/y", {})


def test_matches_are_joined_each_with_each() -> None:
    root: list[dict[str, Any]] = [
        {"uri": {"prefix": "/a"}},
        {"uri": {"prefix": "/b"}, "headers": {"x": {"exact": "1"}}},
    ]
    leaf: list[dict[str, Any]] = [
        {"uri": {"prefix": "/a/1"}},
        {"method": {"exact": "POST"}, "headers": {"y": {"exact": "2"}}},
    ]
    assert merged(root, leaf) == [
        {"uri": {"prefix": "/a/1"}},
        {"uri": {"prefix": "/a"}, "method": {"exact": "POST"}, "headers": {"y": {"exact": "2"}}},
        {
            "uri": {"prefix": "/b"},
            "method": {"exact": "POST"},
            "headers": {"x": {"exact": "1"}, "y": {"exact": "2"}},
        },
    ]
    assert merged([], leaf) == leaf
    assert merged(root, []) == root


@pytest.mark.parametrize(
    ("root", "leaf", "fits"),
    [
        ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/a/b"}}, True),
        ({"uri": {"prefix": "/a/b"}}, {"uri": {"prefix": "/a"}}, False),
        ({"uri": {"prefix": "/a"}}, {"uri": {"exact": "/ab"}}, True),
        ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/a"}}, True),
        ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}, False),
        ({"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}, False),
        ({"uri": {"regex": "/a.*"}}, {"uri": {"exact": "/ab"}}, False),
        ({"uri": {"prefix": "/a"}}, {"uri": {"regex": "/a.*"}}, False),
        ({"method": {"regex": "G.*"}}, {"uri": {"regex": "/a.*"}}, True),
        ({"headers": {"x": {"exact": "1"}}}, {"headers": {"x": {"exact": "2"}}}, False),
        ({"withoutHeaders": {"x": {"exact": "1"}}}, {"withoutHeaders": {"x": {"exact": "2"}}}, False),
        ({"queryParams": {"x": {"exact": "1"}}}, {"queryParams": {"x": {"exact": "1"}}}, True),
        ({"ignoreUriCase": True}, {}, False),
        ({"port": 80}, {"port": 81}, False),
        ({"port": 80}, {}, True),
        ({"sourceNamespace": "a"}, {}, False),
        ({"sourceNamespace": "a"}, {"sourceNamespace": "a"}, True),
        ({"sourceLabels": {"a": "1", "b": "2"}}, {"sourceLabels": {"a": "1"}}, True),
        ({"sourceLabels": {"a": "1"}}, {"sourceLabels": {"a": "1", "b": "2"}}, False),
        ({}, {"sourceLabels": {"a": "1"}}, False),
        ({"gateways": ["mesh", "edge"]}, {"gateways": ["mesh"]}, True),
        ({"gateways": ["mesh"]}, {"gateways": ["edge"]}, False),
        ({}, {"gateways": ["edge"]}, True),
    ],
)
def test_a_leaf_asks_for_something_within_what_the_root_asks_for(
    root: dict[str, Any], leaf: dict[str, Any], *, fits: bool
) -> None:
    assert (merged(match(**root), match(**leaf)) is not None) is fits


def read(*sources: VirtualService) -> tuple[list[Route], list[Problem]]:
    world = World.of([service("web", ports=[{"name": "http", "port": 80}]), *sources])
    found = translate_virtualservices(Context(world=world, options=Options(), policies={}))
    return [r for layer in found.layers for r in layer.routes], list(found.problems)


def root(**delegate: Any) -> VirtualService:
    return vs("root", hosts=["web"], http=[{"match": match(uri={"prefix": "/a"}), "delegate": delegate}, TO])


def test_the_routes_of_a_delegate_stand_in_the_place_of_the_route() -> None:
    leaf = vs("leaf", ns="shop", http=[{"route": [{"destination": {"host": "web.default.svc.cluster.local"}}]}, TO])
    routes, problems = read(root(name="leaf", namespace="shop"), leaf)
    names = ["VirtualService/default/root/0/shop/leaf/0", "VirtualService/default/root/0/shop/leaf/1"]
    assert [r.name for r in routes] == [*names, "VirtualService/default/root/1"]
    assert str(routes[0].origin) == "VirtualService shop/leaf spec.http[0]"
    first = routes[0].action
    assert isinstance(first, Forward)
    assert first.backends[0].namespace == "default"
    # A short name is one of the namespace of the delegate.
    assert [(p.at.name, p.code) for p in problems] == [("leaf", "HostNotFound")]


@pytest.mark.parametrize(
    ("delegate", "leaf"),
    [
        ({"name": "gone"}, vs("leaf", http=[TO])),
        ({"name": "leaf"}, vs("leaf", hosts=["web.default.svc.cluster.local"], http=[TO])),
        ({"name": "leaf", "namespace": "shop"}, vs("leaf", ns="shop", exportTo=["."], http=[TO])),
    ],
)
def test_a_route_whose_delegate_is_not_there_is_left_out(delegate: dict[str, Any], leaf: VirtualService) -> None:
    world, problems = World.of([root(**delegate), leaf]), list[Problem]()
    assert [one.name for one in routes_of(root(**delegate), world, problems)] == ["VirtualService/default/root/1"]
    assert [(p.at.path, p.code) for p in problems] == [("spec.http[0].delegate", "DelegateNotFound")]


def test_a_delegate_with_a_mistake_leaves_nothing_and_is_told() -> None:
    routes, problems = read(root(name="leaf"), vs("leaf", http=[{**TO, "timeout": "soon"}]))
    assert [r.name for r in routes] == ["VirtualService/default/root/1"]
    assert [(p.at.name, p.at.path, p.code) for p in problems] == [("leaf", "spec.http[0].timeout", "InvalidValue")]


def test_delegates_are_of_one_level_and_have_http_alone() -> None:
    deep = vs("leaf", http=[{"delegate": {"name": "other"}}])
    assert [(p.at.name, p.code) for p in read(root(name="leaf"), deep)[1]] == [("leaf", "UnsupportedField")]
    both = vs("both", hosts=["web"], http=[{"delegate": {"name": "x"}, **TO}])
    assert ("spec.http[0].route", "InvalidValue") in [(p.at.path, p.code) for p in read(both)[1]]


def test_what_is_about_gateways_alone_is_not_for_the_mesh() -> None:
    source = vs("both", hosts=["web"], gateways=["edge", "mesh"], http=[
        {"match": [{"gateways": ["edge"]}], **TO},
        {"match": [{"gateways": ["edge"], "port": 80}, {"gateways": ["mesh"], "port": 81}], **TO},
    ])  # fmt: skip
    routes, problems = read(source)
    assert [(r.name, [m.ports for m in r.matches]) for r in routes] == [("VirtualService/default/both/1", [(81,)])]
    assert problems == []
