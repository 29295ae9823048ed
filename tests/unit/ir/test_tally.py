"""Tallies add up, are taken from each other, and know their quantiles to a twentieth."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tandem.ir.tally import Counter, Tally, bucket_of

requests = st.lists(st.tuples(st.booleans(), st.floats(0.01, 60_000)), max_size=60)


def tally(*entries: tuple[bool, float]) -> Tally:
    counter = Counter("e")
    for failed, ms in entries:
        counter.add("shop/web", "shop/v1", failed=failed, ms=ms)
    return counter.tallies(frozenset({"shop/web"})).of("shop/web", "shop/v1")


@given(requests, requests)
def test_what_two_nodes_counted_is_what_one_would_have(
    here: list[tuple[bool, float]], there: list[tuple[bool, float]]
) -> None:
    assert tally(*here).plus(tally(*there)) == tally(*here, *there)


@given(requests, requests)
def test_what_came_since_is_what_came_since(before: list[tuple[bool, float]], after: list[tuple[bool, float]]) -> None:
    assert tally(*before, *after).since(tally(*before)) == tally(*after)


def test_fewer_than_before_is_no_continuation() -> None:
    assert tally((False, 1)).since(tally((False, 1), (False, 1))) is None
    assert tally((False, 5), (False, 1)).since(tally((False, 900))) is None


@given(st.lists(st.floats(0.2, 60_000), min_size=1, max_size=200), st.sampled_from((0.5, 0.9, 0.99)))
def test_a_quantile_is_right_to_a_twentieth(latencies: list[float], quantile: float) -> None:
    rank = -int(-quantile * len(latencies) // 1)
    exact = sorted(latencies)[rank - 1]
    found = tally(*((False, ms) for ms in latencies)).latency_ms(quantile)
    assert exact * 0.9999 <= found <= exact * 1.0501


@pytest.mark.parametrize("ms", [0.0, 0.05, 0.1])
def test_what_took_next_to_no_time_has_a_bucket(ms: float) -> None:
    assert bucket_of(ms) == 0


def test_of_no_requests_nothing_failed_and_nothing_took_time() -> None:
    assert (Tally().success_rate, Tally().latency_ms(0.99)) == (100.0, 0.0)


def test_success_is_told_in_percent() -> None:
    assert tally((True, 1), (False, 1), (False, 1), (False, 1)).success_rate == 75.0


def test_canaries_that_are_gone_are_forgotten_and_others_are_told_also_with_nothing() -> None:
    counter = Counter("e")
    counter.add("shop/web", "shop/v1", failed=False, ms=1)
    assert counter.tallies(frozenset({"shop/api"})).counted == {"shop/api": {}}
    assert counter.tallies(frozenset({"shop/web"})).counted == {"shop/web": {}}


def test_connections_have_no_latency_and_may_fail_after_they_were_counted() -> None:
    counter = Counter("e")
    counter.add("shop/web", "shop/v1", failed=False)
    for _ in range(2):
        counter.add("shop/web", "shop/v1", failed=True, again=True)
    found = counter.tallies(frozenset({"shop/web"})).of("shop/web", "shop/v1")
    assert found == Tally(requests=1, failed=2)
    assert (found.success_rate, found.latency_ms(0.99)) == (0.0, 0.0)
