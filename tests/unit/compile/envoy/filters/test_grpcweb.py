"""The grpc_web filter; what Envoy makes of it is in tests/netns/test_grpc_web.py."""

from __future__ import annotations

import re

import pytest

from tandem.base.problems import Origin
from tandem.compile.envoy.filters import grpcweb
from tandem.ir.mesh import PathPrefix, Respond, Route, RouteMatch


def route(*matches: RouteMatch) -> Route:
    origin = Origin(kind="GRPCRoute", name="r")
    return Route(name="r", matches=matches, action=Respond(status=200), origin=origin)


def test_only_routes_of_grpc_have_it() -> None:
    assert grpcweb.of(route(RouteMatch(grpc=True))) == grpcweb.ON
    assert grpcweb.of(route(RouteMatch(path=PathPrefix("/x")))) is None
    assert grpcweb.of(route()) is None


def test_its_place_in_the_chain_has_its_name() -> None:
    assert grpcweb.disabled()["name"] == grpcweb.NAME


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/grpc", True),
        ("application/grpc+json", True),
        ("application/grpc-web", True),
        ("application/grpc-web+proto", True),
        ("application/grpc-web-text", True),
        ("application/grpc-web-text+proto", True),
        ("application/grpc-web+json", False),
        ("application/grpcs", False),
        ("text/plain", False),
    ],
)
def test_what_is_a_call_says_the_content_type(kind: str, *, expected: bool) -> None:
    assert (re.fullmatch(grpcweb.CONTENT_TYPE, kind) is not None) is expected
