"""Which flows were asked for, and how one reads as a line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem.base.problems import Origin
from tandem.observe.flow import Flow, Http, Layer, Party, Verdict
from tandem.views.flows import COLUMNS, Query, as_json, row, wanted

CLIENT = Party(address="10.244.0.2", port=41000, namespace="shop", pod="client")
WEB = Party(address="10.96.0.20", port=80, namespace="shop", pod="web-1", service="shop/web")


def flow(**fields: Any) -> Flow:
    base: dict[str, Any] = {
        "time": 1_700_000_000.5,
        "node": "n1",
        "verdict": Verdict.ALLOWED,
        "layer": Layer.L7,
        "protocol": "TCP",
        "source": CLIENT,
        "destination": WEB,
        "reporter": "source",
    }
    return Flow(**(base | fields))


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        (Query(), True),
        (Query(denied=True), False),
        (Query(namespace="shop"), True),
        (Query(namespace="bank"), False),
        (Query(pod="client"), True),
        (Query(pod="web-1"), True),
        (Query(pod="db"), False),
        (Query(namespace="shop", pod="db"), False),
    ],
)
def test_either_end_may_match(query: Query, holds: bool) -> None:  # noqa: FBT001
    assert wanted(flow(), query) == holds


def test_staged_is_a_verdict_of_its_own() -> None:
    staged = flow(verdict=Verdict.STAGED)
    assert wanted(staged, Query(staged=True))
    assert wanted(staged, Query())
    assert not wanted(staged, Query(denied=True))
    assert wanted(staged, Query(denied=True, staged=True))
    assert not wanted(flow(), Query(staged=True))


def test_denied_means_the_verdict_and_no_error() -> None:
    assert wanted(flow(verdict=Verdict.DENIED), Query(denied=True))
    assert not wanted(flow(verdict=Verdict.ERROR), Query(denied=True))


def cells(found: Flow) -> dict[str, str]:
    return dict(zip(COLUMNS, row(as_json(found)), strict=True))


def test_a_request_reads_as_one_line() -> None:
    http = Http(method="GET", path="/v1", code=200, duration_ms=12)
    assert row(as_json(flow(protocol="HTTP", tls=True, http=http))) == (
        "22:13:20",
        "allowed",
        "shop/client:41000",
        "shop/web (web-1):80",
        "mTLS GET /v1 200 12ms",
        "",
    )


def test_the_reason_stands_beside_the_rule() -> None:
    route = Origin(kind="VirtualService", namespace="shop", name="web", path="spec.http[0]")
    late = flow(verdict=Verdict.ERROR, reason="the endpoint did not answer in time", rules=(route,))
    text = "VirtualService shop/web spec.http[0]: the endpoint did not answer in time"
    assert cells(late)["RULE"] == text


def test_an_audit_stands_beside_the_rule() -> None:
    watch = Origin(kind="AuthorizationPolicy", namespace="shop", name="watch", path="spec.rules[0]")
    text = "audited by AuthorizationPolicy shop/watch spec.rules[0]"
    assert cells(flow(audited=(watch,)))["RULE"] == text
    assert cells(flow(reason="no", audited=(watch,)))["RULE"] == f"no; {text}"


def test_a_call_of_grpc_has_the_status_of_grpc() -> None:
    http = Http(method="POST", path="/x.A/Get", code=200, grpc="UNAVAILABLE", duration_ms=1)
    assert cells(flow(protocol="HTTP", http=http))["WHAT"] == "POST /x.A/Get UNAVAILABLE 1ms"


def test_a_dropped_packet_names_its_rules() -> None:
    deny = Origin(kind="NetworkPolicy", namespace="shop", name="deny", path="spec.ingress", source="d.yaml:1")
    found = cells(flow(verdict=Verdict.DENIED, rules=(deny, deny)))
    assert found["WHAT"] == "TCP"
    assert found["RULE"] == "; ".join(["NetworkPolicy shop/deny spec.ingress (d.yaml:1)"] * 2)


def test_without_a_rule_the_reason_stands_there() -> None:
    assert cells(flow(reason="no endpoint"))["RULE"] == "no endpoint"


def test_an_end_that_nobody_knows_is_its_address_or_a_question_mark() -> None:
    found = cells(flow(source=Party(address="203.0.113.9", port=7), destination=Party()))
    assert (found["FROM"], found["TO"]) == ("203.0.113.9:7", "?")


def test_a_service_without_a_chosen_pod_stands_alone() -> None:
    assert cells(flow(destination=Party(address="10.96.0.20", port=80, service="shop/web")))["TO"] == "shop/web:80"


def test_the_json_form_reads_back_as_the_flow() -> None:
    deny = Origin(kind="NetworkPolicy", namespace="shop", name="deny")
    found = flow(http=Http(method="GET"), rules=(deny,))
    assert msgspec.convert(as_json(found), Flow) == found


def test_a_container_that_is_no_pod_stands_there_by_its_id_and_is_found_by_it() -> None:
    found = flow(source=Party(address="10.244.0.4", port=7, container="default-c1"))
    assert cells(found)["FROM"] == "container default-c1:7"
    assert wanted(found, Query(pod="default-c1"))
