"""The chain of filters that counts: what each limit becomes."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from limitbuild import by, counter, limit, limited
from meshbuild import attached
from tandem.compile.envoy.filters import limits
from tandem.ir.limits import Key, RateLimit


def chain(*found: RateLimit, pod: bool = False) -> list[dict[str, Any]]:
    asked = msgspec.structs.replace(attached("a", "10.0.0.1").pod, limits=found)
    made = limits.of_pod(asked) if pod else limits.of_configuration(found, None)
    filters = made[limits.NAME]["value"]["filter_chain"]["filters"]
    return [{"name": f["name"], **f["typed_config"]} for f in filters]


def only(name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = (f for f in found if f["name"] == name)
    return one


def test_without_limits_nothing_is_asked() -> None:
    assert limits.of_configuration((), None) == limits.of_pod(attached("a", "").pod) == limits.names_of(()) == {}


def test_each_limit_has_its_bucket_after_the_word_of_whose_it_is() -> None:
    found = chain(limited(limit(3), limit(5, burst=9, seconds=60, index=1)))
    assert [f["name"] for f in found] == ["told", "limit", "told", "limit"]
    told = found[2]["metadata"][0]["value"]["limit"]
    assert json.loads(told)["path"] == "spec.limits[1]"
    (descriptor,) = found[3]["descriptors"]
    assert descriptor["token_bucket"] == {"max_tokens": 9, "tokens_per_fill": 5, "fill_interval": "60s"}


def test_routes_that_share_a_limit_share_its_bucket() -> None:
    few = limited(limit(3))
    assert [f["name"] for f in chain(few, few)] == ["told", "limit"]
    (rate,) = only("limit", chain(few))["rate_limits"]
    where = rate["actions"][0]["metadata"]
    assert where["source"] == "ROUTE_ENTRY"
    assert [part["key"] for part in where["metadata_key"]["path"]] == ["tandem.limits", few.name]
    assert limits.names_of((few,)) == {"tandem.limits": {few.name: few.name}}


def test_a_pods_own_route_need_not_say_it() -> None:
    (rate,) = only("limit", chain(limited(limit(3), ports=(80,)), pod=True))["rate_limits"]
    assert [next(iter(a)) for a in rate["actions"]] == ["generic_key", "generic_key", "extension"]


def test_who_asks_is_known_by_its_certificate_or_by_its_listener() -> None:
    few = limited(limit(3, by(Key.NAMESPACE), by(Key.SERVICE_ACCOUNT), by(Key.ADDRESS)))
    values = {}
    for pod in (False, True):
        found = chain(few, pod=pod)
        assert [f["name"] for f in found] == ["written", "taken", "told", "limit"]
        changes = only("written", found)["mutations"]["request_mutations"]
        assert [m["remove"] for m in changes if "remove" in m] == [
            "x-tandem-limit-namespace", "x-tandem-limit-serviceaccount", "x-tandem-limit-address"
        ]  # fmt: skip
        values[pod] = {m["append"]["header"]["value"] for m in changes if "append" in m}
        assert all(rule["remove"] for rule in only("taken", found)["request_rules"])
    assert values[True] == {"%DOWNSTREAM_PEER_URI_SAN%", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
    assert "%FILTER_STATE(envoy.tls.certificate_mappers.on_demand_secret:PLAIN)%" in values[False]


def test_each_value_has_a_bucket_and_what_has_none_is_counted_together() -> None:
    few = limited(limit(3, by(Key.HEADER, "x-user"), by(Key.CLAIM, claim="a.b")))
    found = only("limit", chain(few, pod=True))
    (descriptor,) = found["descriptors"]
    fixed, by_value = descriptor["entries"][:2], descriptor["entries"][2:]
    assert fixed == [{"key": "policy", "value": few.name}, {"key": "limit", "value": "0"}]
    assert by_value == [{"key": "header.x-user"}, {"key": "claim.a.b"}]
    claim = found["rate_limits"][0]["actions"][3]["metadata"]
    assert [p["key"] for p in claim["metadata_key"]["path"]] == ["payload", "a", "b"]
    assert (claim["default_value"], found["max_dynamic_descriptors"]) == ("-", limits.VALUES)


def test_a_staged_limit_enforces_nothing_and_leaves_a_word() -> None:
    found = chain(limited(limit(3), name="trial", staged=True, tells=True), limited(limit(9)))
    assert [f["name"] for f in found] == ["written", "limit", "told", "limit", "staged"]
    trial, real = (f for f in found if f["name"] == "limit")
    assert [f["filter_enforced"]["default_value"]["numerator"] for f in (trial, real)] == [0, 100]
    assert trial["request_headers_to_add_when_not_enforced"][0]["header"]["key"] == "x-tandem-limit-staged-0"
    assert "x_ratelimit_option" not in trial["rate_limits"][0]
    (rule,) = only("staged", found)["request_rules"]
    assert json.loads(rule["on_header_present"]["value"])["name"] == "few"
    assert {"remove": "x-tandem-limit-staged-0"} in only("written", found)["mutations"]["request_mutations"]


def test_of_a_staged_counter_the_filter_before_it_takes_the_word_out_of_the_answer() -> None:
    found = chain(limited(limit(3), name="trial", staged=True, counter=counter()), limited(limit(9)))
    assert [f["name"] for f in found] == ["put back", "told", "answered", "counter", "told", "limit", "kept"]
    trial, real = (f["metadata"][0]["value"] for f in found if f["name"] == "told")
    assert (list(trial), list(real)) == (["allowed"], ["limit"])
    (rule,) = only("answered", found)["response_rules"]
    assert (rule["header"], rule["remove"]) == ("x-envoy-ratelimited", True)
    assert rule["on_header_present"]["key"] == "staged-counted-0"


def test_clients_are_told_what_the_policy_says_they_are_told() -> None:
    plain = only("limit", chain(limited(limit(3))))
    silent = only("limit", chain(limited(limit(3), retry_after=False)))
    open_ = only("limit", chain(limited(limit(3), tells=True)))
    assert plain["response_headers_to_add"][0]["header"] == {"key": "retry-after", "value": "1200"}
    assert "response_headers_to_add" not in silent
    assert open_["rate_limits"][0]["x_ratelimit_option"] == "DRAFT_VERSION_03"
    assert "x_ratelimit_option" not in plain["rate_limits"][0]


def test_who_is_refused_waits_a_second_at_least() -> None:
    fast = only("limit", chain(limited(limit(1000, seconds=1))))
    assert fast["response_headers_to_add"][0]["header"]["value"] == "1"
