"""One rule of an HTTPRoute."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import httproute, parent
from tandem.base.problems import Problem
from tandem.ir.mesh import DEFAULT_RETRY, Forward, HeaderEdit, PathPrefix, Redirect, Respond, Route
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.rules import RuleReader
from tandem.translate.options import Options

BACKEND = [{"name": "web", "port": 80}]


def read(**rule: Any) -> tuple[list[Route], list[Problem]]:
    world = World.of([service("web"), service("far", ns="other"), service("mine", ns="other")])
    source = httproute(parentRefs=[parent("web"), parent("mine", namespace="other")], rules=[rule])
    context = Context(world=world, options=Options(), policies={})
    reader = RuleReader(source, context, frozenset({("default", "web"), ("other", "mine")}))
    return list(reader.read(source.spec.rules[0], 0)), reader.problems


def one(**rule: Any) -> Route:
    (route,), problems = read(**rule)
    assert problems == []
    return route


def codes(**rule: Any) -> list[tuple[str, str]]:
    return [(p.at.path, p.code) for p in read(**rule)[1]]


def test_no_match_is_the_prefix_of_everything() -> None:
    assert one(backendRefs=BACKEND, matches=[]).matches[0].path is None


def test_a_trailing_slash_of_a_prefix_is_ignored() -> None:
    assert one(backendRefs=BACKEND, matches=[{"path": {"value": "/a/"}}]).matches[0].path == PathPrefix("/a")


def test_the_first_of_equal_header_names_counts() -> None:
    headers = [{"name": "X", "value": "1"}, {"name": "x", "value": "2"}]
    (found,) = one(backendRefs=BACKEND, matches=[{"headers": headers}]).matches[0].headers
    assert (found.name, getattr(found.match, "value", "")) == ("x", "1")


def test_a_rule_without_backends_answers_500() -> None:
    action = one().action
    assert isinstance(action, Respond)
    assert action.status == 500


def test_weights_of_zero_are_left_out_and_all_zero_answers_500() -> None:
    action = one(backendRefs=[*BACKEND, {"name": "gone", "port": 80, "weight": 0}][:1]).action
    assert isinstance(action, Forward)
    nothing = one(backendRefs=[{"name": "web", "port": 80, "weight": 0}]).action
    assert isinstance(nothing, Respond)
    assert nothing.status == 500


def test_a_missing_backend_keeps_its_share() -> None:
    (route,), problems = read(backendRefs=[*BACKEND, {"name": "gone", "port": 80, "weight": 3}])
    assert isinstance(route.action, Forward)
    assert [b.weight for b in route.action.backends] == [1, 3]
    assert route.action.missing_status == 500
    assert [(p.at.path, p.code) for p in problems] == [("spec.rules[0].backendRefs[1]", "BackendNotFound")]


def test_why_a_backend_is_not_used_is_the_code() -> None:
    assert codes(backendRefs=[{"name": "b", "kind": "Bucket", "group": "x.io"}])[0][1] == "InvalidKind"
    assert codes(backendRefs=[{"name": "far", "namespace": "other", "port": 80}])[0][1] == "RefNotPermitted"
    assert codes(backendRefs=[{"name": "web", "port": 81}])[0][1] == "BackendNotFound"
    assert codes(backendRefs=[{"name": "web"}])[0][1] == "BackendNotFound"


def test_a_consumer_may_send_requests_back_to_the_parent() -> None:
    assert isinstance(one(backendRefs=[{"name": "mine", "namespace": "other", "port": 80}]).action, Forward)


def test_a_backend_that_may_not_be_reached_cannot_be_reached_by_its_name() -> None:
    (route,), _ = read(backendRefs=[*BACKEND, {"name": "far", "namespace": "other", "port": 80}])
    assert isinstance(route.action, Forward)
    assert "far" not in {b.service for b in route.action.backends}


def test_header_filters_become_edits() -> None:
    modifier = {"set": [{"name": "X-A", "value": "1"}], "add": [{"name": "b", "value": "2"}], "remove": ["C"]}
    route = one(
        backendRefs=BACKEND,
        filters=[
            {"type": "RequestHeaderModifier", "requestHeaderModifier": modifier},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
        ],
    )
    assert route.request_headers == HeaderEdit(set=(("x-a", "1"),), add=(("b", "2"),), remove=("c",))
    assert route.response_headers.remove == ("server",)


def test_timeouts_are_milliseconds() -> None:
    route = one(backendRefs=BACKEND, timeouts={"request": "10s", "backendRequest": "2s"})
    assert route.retry is not None
    assert (route.timeout_ms, route.retry.per_try_timeout_ms) == (10_000, 2000)


def test_without_a_word_on_retries_the_default_holds() -> None:
    assert one(backendRefs=BACKEND).retry == DEFAULT_RETRY


def test_retry_codes_are_added_to_failed_connections() -> None:
    retry = one(backendRefs=BACKEND, retry={"codes": [500], "attempts": 3}).retry
    assert retry is not None
    assert (retry.attempts, retry.retriable_codes) == (3, (500,))
    assert "connect-failure" in retry.retry_on
    assert "retriable-status-codes" in retry.retry_on


def rewrite(path: str) -> dict[str, Any]:
    return {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": path}}}


REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"hostname": "example.org", "statusCode": 301}}


def test_backends_that_do_something_of_their_own_have_routes_of_their_own_by_lot() -> None:
    refs = [
        {**BACKEND[0], "weight": 3, "filters": [rewrite("/one")]},
        {**BACKEND[0], "weight": 2},
        {**BACKEND[0], "weight": 1, "filters": [REDIRECT]},
        {"name": "mine", "namespace": "other", "port": 80, "weight": 4, "filters": [rewrite("/one")]},
    ]
    whole = [rewrite("/whole")]
    routes, problems = read(backendRefs=refs, filters=whole, matches=[{"path": {"value": "/v1"}}])
    assert problems == []
    assert [route.matches[0].until for route in routes] == [700_000, 900_000, 0]
    assert {route.matches[0].path for route in routes} == {PathPrefix("/v1")}
    first, second, third = (route.action for route in routes)
    assert isinstance(first, Forward)
    assert isinstance(second, Forward)
    assert ([b.weight for b in first.backends], first.rewrite.path) == ([3, 4], "/one")
    assert ([b.weight for b in second.backends], second.rewrite.path) == ([2], "/whole")
    assert third == Redirect(status=301, host="example.org")
    assert len({route.name for route in routes}) == 3
    assert routes[2].retry is None


def test_a_group_of_which_no_backend_exists_is_answered() -> None:
    gone = {"name": "gone", "port": 80, "filters": [rewrite("/one")]}
    routes, _ = read(backendRefs=[*BACKEND, gone])
    assert [type(route.action) for route in routes] == [Forward, Respond]


def test_what_is_not_supported_is_named() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": BACKEND[0]}}
    found = codes(
        backendRefs=[{**BACKEND[0], "filters": [mirror]}],
        matches=[{"path": {"type": "Exact", "value": "x"}}, {"path": {"type": "RegularExpression", "value": "("}}],
    )
    assert sorted(found) == [
        ("spec.rules[0].backendRefs[0].filters[0].type", "UnsupportedValue"),
        ("spec.rules[0].matches[0].path.value", "InvalidValue"),
        ("spec.rules[0].matches[1].path.value", "InvalidValue"),
    ]


def test_without_retries_the_shorter_time_ends_the_only_try() -> None:
    route = one(backendRefs=BACKEND, timeouts={"request": "10s", "backendRequest": "2s"}, retry={"attempts": 0})
    assert (route.timeout_ms, route.retry) == (2000, None)
