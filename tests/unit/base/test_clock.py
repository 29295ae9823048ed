"""Time in the API's form."""

from __future__ import annotations

import pytest

from tandem.base.clock import FixedClock, SystemClock, parse_rfc3339, rfc3339


def test_timestamps_are_whole_seconds_in_utc() -> None:
    assert rfc3339(1_700_000_000.9) == "2023-11-14T22:13:20Z"


def test_reading_undoes_writing_and_takes_other_zones_and_fractions() -> None:
    assert parse_rfc3339(rfc3339(1_700_000_000.0)) == 1_700_000_000.0
    assert parse_rfc3339("2023-11-14T23:13:20.500+01:00") == 1_700_000_000.5


def test_what_is_no_timestamp_is_refused() -> None:
    with pytest.raises(ValueError, match="soon"):
        parse_rfc3339("soon")


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(10.0)
    assert (clock.now(), clock.monotonic()) == (10.0, 10.0)
    clock.advance(2.5)
    assert clock.now() == 12.5


def test_the_systems_clock_never_goes_back() -> None:
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.now() > 1_700_000_000
