"""Whom a gateway's route asks; with real authorizers in tests/netns/test_gateway_asking.py."""

from __future__ import annotations

import re
from typing import Any

from tandem.compile.envoy.filters import asking
from tandem.ir.mesh import Backend, RouteCheck

BACKEND = Backend(namespace="shop", service="auth", port=9000)


def asked(**fields: Any) -> Any:
    """The configuration of the filter that the route has."""
    made: Any = asking.of(RouteCheck(backend=BACKEND, **fields), "mine")
    return made["xds_matcher"]["on_no_match"]["action"]["typed_config"]["typed_config"]["typed_config"]


def test_its_place_in_the_chain_has_its_name() -> None:
    assert asking.disabled()["name"] == asking.NAME


def test_it_fails_closed_and_sends_by_the_cluster_of_the_gateway() -> None:
    over_grpc, over_http = asked(grpc=True), asked(grpc=False)
    assert not over_grpc.get("failure_mode_allow")
    assert not over_http.get("failure_mode_allow")
    assert over_grpc["grpc_service"]["envoy_grpc"]["cluster_name"] == "mine"
    assert over_http["http_service"]["server_uri"]["cluster"] == "mine"
    assert "with_request_body" not in over_grpc


def test_an_answer_tells_everything_but_what_describes_itself() -> None:
    told = asked(grpc=False)["http_service"]["authorization_response"]["allowed_upstream_headers"]
    (pattern,) = told["patterns"]
    regex = re.compile(pattern["safe_regex"]["regex"])
    assert [
        name for name in ("x-user", "cookie", "hos", "hosts", "te-x", "contents") if regex.fullmatch(name) is None
    ] == []
    own = ("host", ":status", "content-length", "content-type", "transfer-encoding", "te", "x-envoy-auth")
    assert [name for name in own if regex.fullmatch(name)] == []
