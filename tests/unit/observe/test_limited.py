"""What the filters that count leave behind -> the verdict of a flow."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.observe.limited import REFUSED, SILENT, WOULD, limited

ONE = '{"kind":"RateLimit","namespace":"shop","name":"few","path":"spec.limits[0]"}'
TWO = '{"kind":"RateLimit","namespace":"shop","name":"more","path":"spec.limits[1]"}'


def flow(verdict: Verdict = Verdict.ALLOWED, reporter: str = "destination") -> Flow:
    ends = Party(), Party()
    return Flow(
        time=0.0, node="n", verdict=verdict, layer=Layer.L7, protocol="HTTP", source=ends[0], destination=ends[1],
        reporter=reporter,
    )  # fmt: skip


def left(**fields: str) -> dict[str, Any]:
    return {"tandem.limits": json_format.ParseDict(fields, struct_pb2.Struct())}


def test_a_request_that_was_refused_names_the_limit_that_was_asked_last() -> None:
    found = limited(flow(), "local_rate_limited", left(limit=ONE))
    assert (found.verdict, found.direction, found.reason) == (Verdict.DENIED, "ingress", REFUSED)
    assert [str(rule) for rule in found.rules] == ["RateLimit shop/few spec.limits[0]"]
    assert limited(flow(reporter="source"), "local_rate_limited", left(limit=ONE)).direction == "egress"


def test_a_request_that_went_on_names_the_staged_limits_that_were_full() -> None:
    found = limited(flow(), "via_upstream", {**left(**{"limit": ONE, "staged-0": TWO, "staged-1": ONE})})
    assert (found.verdict, found.reason) == (Verdict.STAGED, WOULD)
    assert [rule.name for rule in found.rules] == ["more", "few"]


@pytest.mark.parametrize("verdict", [Verdict.DENIED, Verdict.ERROR])
def test_what_is_denied_or_failed_for_another_reason_stays_so(verdict: Verdict) -> None:
    before = flow(verdict)
    assert limited(before, "via_upstream", left(**{"staged-0": ONE})) is before


def test_what_was_counted_and_let_through_is_as_it_was() -> None:
    before = flow()
    assert limited(before, "via_upstream", left(limit=ONE)) is before
    assert limited(before, "via_upstream", {}) is before


def test_what_another_staged_policy_would_deny_is_told_first() -> None:
    before = flow(Verdict.STAGED)
    assert limited(before, "via_upstream", left(**{"staged-0": ONE})) is before


def test_what_nobody_counted_is_refused_for_that() -> None:
    found = limited(flow(Verdict.ERROR), "rate_limiter_error", left(limit=ONE))
    assert (found.verdict, found.reason, found.rules[0].name) == (Verdict.DENIED, SILENT, "few")
    assert limited(flow(), "request_rate_limited", left(limit=ONE)).reason == REFUSED
