"""Istio's objects as they are read."""

from __future__ import annotations

from meshworlds import dr, to, vs


def test_a_string_match_with_nothing_in_it_is_kept_as_presence() -> None:
    route = vs(http=[{"match": [{"headers": {"x-user": {}}}], "route": [to("web")]}]).spec.http[0]
    match = route.match[0].headers["x-user"]
    assert (match.exact, match.prefix, match.regex) == (None, None, None)


def test_what_is_not_enforced_is_kept_to_be_refused_by_name() -> None:
    route = vs(http=[{"delegate": {"name": "a"}, "route": [to("web")]}]).spec.http[0]
    assert route.delegate == {"name": "a"}


def test_a_percentage_is_a_share_of_a_million() -> None:
    fault = vs(http=[{"fault": {"delay": {"percentage": {"value": 0.1}}}}]).spec.http[0].fault
    assert fault is not None
    assert fault.delay is not None
    assert fault.delay.percentage is not None
    assert fault.delay.percentage.per_million == 1000


def test_subsets_have_policies_of_their_own() -> None:
    rule = dr(host="web", subsets=[{"name": "v1", "labels": {"v": "1"}, "trafficPolicy": {"tls": {"mode": "DISABLE"}}}])
    subset = rule.spec.subsets[0]
    assert subset.traffic_policy is not None
    assert subset.traffic_policy.tls is not None
    assert subset.traffic_policy.tls.mode == "DISABLE"
