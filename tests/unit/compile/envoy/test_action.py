"""Actions of routes; what Envoy makes of them is in tests/netns/test_mesh_route_actions.py."""

from __future__ import annotations

from typing import Any

import pytest

from meshbuild import service
from tandem.base.problems import Origin
from tandem.compile.envoy.action import forward, redirect, respond, retry_policy, route_edits
from tandem.compile.envoy.scope import PortScope
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import (
    AS_ASKED,
    Backend,
    Forward,
    HeaderEdit,
    PathPrefix,
    Prefix,
    Redirect,
    Retry,
    Route,
    RouteMatch,
)
from tandem.ir.traffic import ByAddress


@pytest.mark.parametrize(
    ("matched", "put", "expected"),
    [
        (PathPrefix("/a"), "/b", {"prefix_rewrite": "/b"}),
        (PathPrefix("/a"), "/b/", {"prefix_rewrite": "/b"}),
        (PathPrefix("/a"), "/", {"regex_rewrite": {"pattern": {"regex": "^/a/*"}, "substitution": "/"}}),
        (None, "/b", {"prefix_rewrite": "/b"}),
        (Prefix("/a"), "/b/", {"prefix_rewrite": "/b/"}),
    ],
)
def test_a_prefix_gives_way_to_another(matched: Any, put: str, expected: Any) -> None:
    body = dict(redirect(Redirect(prefix=put), RouteMatch(path=matched), 80))
    assert body.pop("response_code") == "FOUND"
    assert body == expected


def test_without_a_word_on_the_path_the_root_is_an_element_if_the_front_end_says_so() -> None:
    body = redirect(Redirect(prefix="/b", by_element=True), RouteMatch(), 80)
    assert body["regex_rewrite"] == {"pattern": {"regex": "^/"}, "substitution": "/b/"}


def test_bytes_are_answered_as_they_are() -> None:
    assert respond(200, encoded="AP8=") == {"status": 200, "body": {"inline_bytes": "AP8="}}


def test_the_port_follows_the_scheme_or_the_request() -> None:
    assert redirect(Redirect(scheme="https"), RouteMatch(), 8080)["port_redirect"] == 443
    assert redirect(Redirect(scheme="https", port=-1), RouteMatch(), 8080)["port_redirect"] == 8080
    assert "port_redirect" not in redirect(Redirect(host="a"), RouteMatch(), 8080)
    for plain in (Redirect(scheme="https"), Redirect(port=-1), Redirect(port=80)):
        assert "port_redirect" not in redirect(plain, RouteMatch(), 80)
    assert redirect(Redirect(scheme="https", port=-1), RouteMatch(), 80)["port_redirect"] == 80
    assert redirect(Redirect(port=80), RouteMatch(), 8080)["port_redirect"] == 80
    assert "port_redirect" not in redirect(Redirect(port=-1), RouteMatch(), 443, here="https")
    assert "port_redirect" not in redirect(Redirect(scheme="https", port=AS_ASKED), RouteMatch(), 8080)


def test_retries_wait_and_go_elsewhere() -> None:
    plain = retry_policy(Retry(attempts=2))["retry_policy"]
    assert "retry_host_predicate" in plain
    asked = Retry(attempts=2, backoff_ms=100, previous_hosts=True, other_localities=True)
    for again, chosen, elsewhere in ((None, False, True), (None, True, False), (False, True, True)):
        made = retry_policy(Retry(attempts=2, previous_hosts=again), chosen=chosen)["retry_policy"]
        assert ("retry_host_predicate" in made) is elsewhere
    policy = retry_policy(asked)["retry_policy"]
    assert policy["retry_back_off"] == {"base_interval": "0.100s"}
    assert "retry_host_predicate" not in policy
    assert policy["retry_priority"]["name"] == "previous-priorities"


def test_what_proxies_tell_of_their_applications_is_tried_again_as_a_connection_is() -> None:
    policy = retry_policy(Retry(attempts=1, retry_on=("connect-failure", "retriable-headers")))["retry_policy"]
    assert policy["retry_on"] == "connect-failure,retriable-headers"
    assert policy["retriable_headers"]
    assert "retriable" not in str(retry_policy(Retry(attempts=1, retry_on=("5xx",))))


def test_a_request_that_a_hash_sends_to_a_host_is_tried_there_again() -> None:
    web = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
    hashes = (("svc/shop/web/80", (ByAddress(),)),)
    scope = PortScope(service=web, port=web.ports[0], hashes=hashes)
    origin = Origin(kind="VirtualService", name="r")
    one, two = Backend(namespace="shop", service="web"), Backend(namespace="shop", service="other")
    for backends, elsewhere in (((one,), False), ((two,), True), ((one, two), True)):
        action = Forward(backends=backends)
        route = Route(name="r", matches=(), action=action, retry=Retry(attempts=2), origin=origin)
        made = forward(route, action, RouteMatch(), scope)["route"]["retry_policy"]
        assert ("retry_host_predicate" in made) is elsewhere


def test_a_share_that_gets_nothing_takes_no_header_changes_from_the_others() -> None:
    web = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
    scope = PortScope(service=web, port=web.ports[0])
    none = Backend(namespace="shop", service="b", weight=0, request_headers=HeaderEdit(set=(("x", "b"),)))
    action = Forward(backends=(Backend(namespace="shop", service="a"), none))
    route = Route(
        name="r",
        matches=(),
        action=action,
        request_headers=HeaderEdit(set=(("x", "route"),)),
        origin=Origin(kind="HTTPRoute", name="r"),
    )
    assert forward(route, action, RouteMatch(), scope)["route"]["cluster"] == "svc/shop/a/80"
    assert [h["header"]["value"] for h in route_edits(route)["request_headers_to_add"]] == ["route"]
