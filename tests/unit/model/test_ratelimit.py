"""What a RateLimit is where it says nothing."""

from __future__ import annotations

from meshworlds import limit_at, ratelimit


def test_who_is_refused_is_told_when_to_come_back_and_nobody_what_is_left() -> None:
    spec = ratelimit(limit_at("Service", "web")).spec
    assert (spec.retry_after, spec.limit_headers) == (True, False)


def test_a_limit_counts_everything_in_one_bucket() -> None:
    (limit,) = ratelimit(limit_at("Service", "web")).spec.limits
    assert (limit.burst, limit.by, limit.matches) == (None, (), ())


def test_a_match_of_paths_is_one_of_prefixes() -> None:
    rules = [{"requests": 1, "unit": "Hour", "matches": [{"path": {"value": "/a"}}]}]
    (limit,) = ratelimit(limit_at("Service", "web"), limits=rules).spec.limits
    assert limit.matches[0].path is not None
    assert limit.matches[0].path.type == "PathPrefix"
