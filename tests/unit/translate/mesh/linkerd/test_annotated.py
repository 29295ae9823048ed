"""What annotations of Linkerd say of time, retries and failures."""

from __future__ import annotations

import msgspec
import pytest

from builders import service
from linkerdworlds import with_notes
from tandem.base.problems import Origin, Severity
from tandem.ir.mesh import DEFAULT_RETRY, Backend, Forward, Respond, Retry, Route, RouteAction
from tandem.ir.traffic import Outlier
from tandem.model.core import Service
from tandem.translate.mesh.linkerd.annotated import Patience, read_accrual, read_patience

ACCRUAL = "balancer.linkerd.io/failure-accrual"
TO_WEB = Forward(backends=(Backend(namespace="default", service="web"),))
UNSENT = ("connect-failure", "refused-stream")


def noted(**said: str) -> Service:
    """A Service with annotations: `retry_limit` is retry.linkerd.io/limit."""
    notes = {name.replace("_", ".linkerd.io/", 1).replace("_", "-"): text for name, text in said.items()}
    return with_notes(service("web"), notes)


def patience(*of: str, **said: str) -> Patience:
    found, problems = read_patience(noted(**said), of=of or ("http", "grpc"), severity=Severity.ERROR)
    assert problems == ()
    return found


def told(*of: str, **said: str) -> list[tuple[str, str, str]]:
    found, problems = read_patience(noted(**said), of=of or ("http",), severity=Severity.ERROR)
    assert found.retry is None
    names = [p.at.path.removeprefix("metadata.annotations[").removesuffix("]") for p in problems]
    return [(name, p.code, p.severity.value) for name, p in zip(names, problems, strict=True)]


@pytest.mark.parametrize(
    ("text", "ms"), [("500ms", 500), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000), ("0", 0)]
)
def test_durations_are_whole_numbers_with_a_unit(text: str, ms: int) -> None:
    assert patience(timeout_request=text).request_ms == ms


@pytest.mark.parametrize("text", ["5", "0.5s", "-1s", "10x", "999999999999999999d", "1m30s"])
def test_no_other_is_a_duration(text: str) -> None:
    assert told(timeout_request=text, timeout_idle="1s") == [("timeout.linkerd.io/request", "InvalidValue", "error")]


@pytest.mark.parametrize(
    ("said", "retry"),
    [
        ({}, None),
        ({"retry_limit": "0"}, None),
        ({"retry_limit": "3"}, Retry(attempts=3, retry_on=UNSENT)),
        ({"retry_timeout": "1s"}, Retry(attempts=1, per_try_timeout_ms=1000, retry_on=(*UNSENT, "reset"))),
        (
            {"retry_http": "gateway-error,418,500-501"},
            Retry(
                attempts=1,
                retry_on=(*UNSENT, "retriable-status-codes"),
                retriable_codes=(418, 500, 501, 502, 503, 504),
            ),
        ),
        ({"retry_grpc": "Unavailable,internal"}, Retry(attempts=1, retry_on=(*UNSENT, "unavailable", "internal"))),
    ],
)
def test_retries(said: dict[str, str], retry: Retry | None) -> None:
    assert patience(**said).retry == retry


@pytest.mark.parametrize("text", ["", "6xx", "99", "600", "504-500", "5xx,what"])
def test_what_is_no_status_is_told_and_nothing_is_tried_again(text: str) -> None:
    assert [name for name, code, _ in told(retry_http=text, retry_limit="2") if code == "InvalidValue"]


def test_answers_of_the_other_kind_and_unknown_names_are_told() -> None:
    unread = [("retry.linkerd.io/grpc", "AnnotationIgnored", "warning")]
    assert told("http", retry_grpc="internal") == unread
    assert told("grpc", retry_what="1") == [("retry.linkerd.io/what", "AnnotationIgnored", "warning")]


def route(action: RouteAction = TO_WEB, **fields: object) -> Route:
    made = Route(
        name="r",
        matches=(),
        action=action,
        retry=DEFAULT_RETRY,
        origin=Origin(kind="HTTPRoute", namespace="default", name="r"),
    )
    return msgspec.structs.replace(made, **fields)


def test_annotations_of_a_route_come_before_its_fields() -> None:
    said = Patience(request_ms=100, idle_ms=7, retry=Retry(attempts=3))
    own = Retry(attempts=9, per_try_timeout_ms=50)
    found = said.over(route(timeout_ms=5000, retry=own))
    assert (found.timeout_ms, found.idle_ms, found.retry) == (100, 7, Retry(attempts=3, per_try_timeout_ms=50))
    assert Patience(response_ms=100).over(route(timeout_ms=50)).timeout_ms == 50
    assert Patience().over(route(timeout_ms=50)) == route(timeout_ms=50)


def test_those_of_a_service_count_where_a_route_says_nothing() -> None:
    said = Patience(request_ms=100, retry=Retry(attempts=3))
    assert said.under(route()).timeout_ms == 100
    assert said.under(route()).retry == Retry(attempts=3)
    kept = route(timeout_ms=5000, retry=Retry(attempts=9))
    assert said.under(kept) == kept
    assert said.under(route(timeout_ms=5000)).retry == Retry(attempts=3)
    assert said.under(route(retry=None)).retry is None


def test_what_is_answered_by_a_proxy_takes_no_time() -> None:
    answered = route(Respond(status=500, body=""), retry=None)
    said = Patience(request_ms=100, retry=Retry(attempts=3))
    assert said.over(answered) == said.under(answered) == answered


def accrual(**said: str) -> tuple[Outlier | None, list[str]]:
    found, problems = read_accrual(noted(**{f"balancer_{name}": text for name, text in said.items()}))
    return found, [f"{p.code} {p.at.path.rpartition('/')[2].removesuffix(']')}" for p in problems]


def test_endpoints_rest_after_failures_in_a_row() -> None:
    assert accrual() == (None, [])
    found, problems = accrual(failure_accrual="consecutive")
    assert (problems, found) == (
        [],
        Outlier(errors=7, interval_ms=1000, ejection_ms=1000, longest_ms=60_000, most_percent=100),
    )
    more = {"max_failures": "2", "min_penalty": "20s", "max_penalty": "1h"}
    named = {f"failure_accrual_consecutive_{name}": text for name, text in more.items()}
    found, problems = accrual(failure_accrual="unified", **named)
    assert (problems, found) == (
        [],
        Outlier(errors=2, interval_ms=10_000, ejection_ms=20_000, longest_ms=3_600_000, most_percent=100),
    )


def test_what_no_failures_in_a_row_are_is_told() -> None:
    assert accrual(failure_accrual="what") == (None, ["InvalidValue failure-accrual"])
    found, problems = accrual(failure_accrual="consecutive", failure_accrual_consecutive_jitter_ratio="1.5")
    assert found is not None
    assert problems == ["AnnotationIgnored failure-accrual-consecutive-jitter-ratio"]
    short = {"failure_accrual_consecutive_max_penalty": "10ms"}
    assert accrual(failure_accrual="consecutive", **short) == (
        None,
        ["InvalidValue failure-accrual-consecutive-max-penalty"],
    )
    assert accrual(failure_accrual_consecutive_max_failures="1") == (
        None,
        ["AnnotationIgnored failure-accrual-consecutive-max-failures"],
    )
    assert accrual(failure_accrual="consecutive", failure_accrual_consecutive_max_failures="0") == (None, [])
