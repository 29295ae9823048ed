"""Links of other plugins as values."""

from __future__ import annotations

from tandem.state.foreign import UNTOUCHED, Before


def test_an_untouched_namespace_has_nothing_to_set_back() -> None:
    assert Before() == UNTOUCHED
    assert (UNTOUCHED.settings, UNTOUCHED.lo_up) == ((), True)
