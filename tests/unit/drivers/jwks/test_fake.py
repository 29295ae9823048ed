"""The fake tells what it was asked."""

from __future__ import annotations

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.jwks.fake import FakeFetcher
from tandem.drivers.jwks.port import Answer, Place


def test_what_is_not_there_is_refused_and_remembered() -> None:
    fake, place = FakeFetcher(), Place(url="u", discover=False, timeout=1.0)
    with pytest.raises(DriverError):
        fake.fetch(place, "ns", lambda _: ())
    fake.answers["u"] = Answer(text="{}")
    assert fake.fetch(place, "ns", lambda _: ()).text == "{}"
    assert fake.asked == [("u", "ns"), ("u", "ns")]
