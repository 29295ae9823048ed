"""In which words a request or connection failed, and who answered."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import json_format

from tandem.base.problems import Origin
from tandem.observe.outcome import Behind, Outcome, of_connection, of_request

POOL = Origin(kind="DestinationRule", namespace="shop", name="db")
BEHIND = Behind(ends=2, policies=(POOL,), ejects=True)


def request(
    code: int, details: str, *flags: str, grpc: str = "", behind: Behind = BEHIND, last: bool = True
) -> Outcome:
    raw: dict[str, Any] = {
        "common_properties": {"response_flags": dict.fromkeys(flags, True)},
        "response": {"response_code": code, "response_code_details": details},
    }
    return of_request(json_format.ParseDict(raw, accesslog_pb2.HTTPAccessLogEntry()), grpc, behind, last=last)


def test_the_applications_own_failure_is_told_from_that_of_a_proxy_on_the_way() -> None:
    assert request(503, "via_upstream") == Outcome(failed=False, reason="the application itself answers so")
    assert request(503, "via_upstream", last=False) == Outcome(failed=False)
    assert request(404, "via_upstream") == request(200, "via_upstream") == Outcome(failed=False)


@pytest.mark.parametrize("flag", ["downstream_connection_termination", "downstream_remote_reset"])
def test_a_client_that_left_before_it_was_answered_is_a_failure(flag: str) -> None:
    assert request(0, "", flag) == Outcome(failed=True, reason="the client left before it was answered")
    assert request(200, "", flag) == Outcome(failed=False)


def test_a_404_is_a_failure_where_no_route_is() -> None:
    assert request(404, "route_not_found", "no_route_found") == Outcome(failed=True, reason="no route matches")
    assert request(301, "direct_response") == Outcome(failed=False)


def test_what_a_route_answers_itself_is_told_so() -> None:
    text = "the route answers so itself, in place of a backend"
    assert request(500, "direct_response") == Outcome(failed=True, reason=text)


def test_what_is_too_much_names_who_limits_it() -> None:
    found = request(503, "overflow", "upstream_overflow")
    assert found.rules == of_connection(found_flags("upstream_overflow"), BEHIND).rules == (POOL,)


def test_nobody_there_and_everybody_ejected_are_told_apart() -> None:
    ejected = Outcome(failed=True, reason="all 2 endpoints are ejected by outlier detection", rules=(POOL,))
    assert request(503, "no_healthy_upstream", "no_healthy_upstream") == ejected
    for behind in (Behind(policies=(POOL,), ejects=True), Behind(ends=2, policies=(POOL,)), Behind()):
        found = request(503, "no_healthy_upstream", "no_healthy_upstream", behind=behind)
        assert found == Outcome(failed=True, reason="no endpoint to send to")


def test_grpc_fails_by_its_status() -> None:
    assert request(200, "x_y", grpc="UNAVAILABLE") == Outcome(failed=True, reason="x y")
    assert request(200, "x_y", grpc="NOT_FOUND") == Outcome(failed=False)


def found_flags(*flags: str) -> Any:
    raw = {"response_flags": dict.fromkeys(flags, True)}
    return json_format.ParseDict(raw, accesslog_pb2.AccessLogCommon())
