"""A limit that is counted elsewhere: who is asked, what goes along, what becomes of silence."""

from __future__ import annotations

from typing import Any

from limitbuild import counter, limit, limited
from tandem.base.ids import PodUid
from tandem.compile.envoy.filters.counters import allowed, counter_of
from tandem.ir.limits import Counter

ONE = limit(10, seconds=60)
CLIENT = PodUid("uid-a")


def made(asked: Counter, client: PodUid | None = CLIENT, **fields: Any) -> dict[str, Any]:
    found = counter_of(limited(ONE, counter=asked, **fields), ONE, asked, client, routed=True)
    return dict(found["typed_config"])


def test_the_service_is_asked_by_a_cluster_of_the_client() -> None:
    service = made(counter())["rate_limit_service"]["grpc_service"]
    assert service["envoy_grpc"]["cluster_name"] == "mirror/uid-a/svc/shop/counter/8081"
    assert service["timeout"] == "0.100s"


def test_a_counter_that_is_not_there_answers_nobody() -> None:
    for found in (made(counter(service="")), made(counter(), None)):
        assert found["rate_limit_service"]["grpc_service"]["envoy_grpc"]["cluster_name"] == "refused"


def test_the_number_goes_along() -> None:
    (rate,) = made(counter())["rate_limits"]
    where = rate["limit"]["dynamic_metadata"]["metadata_key"]
    assert (where["key"], where["path"]) == ("tandem.limits", [{"key": "allowed"}])
    assert allowed(ONE) == {"requests_per_unit": 10, "unit": "MINUTE"}
    assert [allowed(limit(1, seconds=s))["unit"] for s in (1, 3600)] == ["SECOND", "HOUR"]


def test_silence_refuses_unless_the_limit_says_otherwise() -> None:
    closed, open_ = made(counter()), made(counter(fail_open=True))
    assert (closed["failure_mode_deny"], closed["status_on_error"]) == (True, {"code": 503})
    assert open_["failure_mode_deny"] is False


def test_who_is_refused_waits_for_the_next_minute() -> None:
    assert made(counter())["response_headers_to_add"][0]["header"]["value"] == "60"
    assert "response_headers_to_add" not in made(counter(), retry_after=False)
    assert made(counter(), tells=True)["enable_x_ratelimit_headers"] == "DRAFT_VERSION_03"


def test_a_staged_limit_refuses_nothing_and_says_in_the_answer_alone_what_it_would() -> None:
    found, plain = made(counter(), staged=True, tells=True), made(counter())
    assert found["filter_enforced"]["default_value"]["numerator"] == 0
    assert (found["failure_mode_deny"], found["disable_x_envoy_ratelimited_header"]) == (False, False)
    assert "enable_x_ratelimit_headers" not in found
    assert plain["disable_x_envoy_ratelimited_header"] is True
    assert "filter_enforced" not in plain
