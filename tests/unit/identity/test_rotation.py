"""Renewal: early enough, and not all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tandem.identity.rotation import renew_at


@given(st.text(), st.floats(0, 4e9), st.floats(60, 1e6))
def test_renewal_is_between_two_fifths_and_half_of_the_life(name: str, start: float, life: float) -> None:
    at = renew_at(name, start, start + life)
    assert start + 0.399 * life <= at <= start + 0.501 * life


def test_certificates_made_together_are_renewed_apart() -> None:
    assert len({renew_at(f"id{i}", 0.0, 86_400.0) for i in range(50)}) > 40
