"""Which roots are trusted while one authority follows another."""

from __future__ import annotations

from tandem.identity.trust import KEEP, Trust, Trusted, extended, switched

NOW = 1_000_000.0
OLD = switched(Trust(), "old", ["A"], NOW)


def until(trust: Trust) -> dict[str, float]:
    return {root.pem: root.until for root in trust.roots}


def test_the_first_authority_is_trusted_for_ever() -> None:
    assert Trust(signer="old", roots=(Trusted(pem="A"),)) == OLD
    assert (OLD.pem, OLD.ends) == ("A", 0.0)
    assert extended(OLD, "old", ["A"], NOW + 10 * KEEP) == OLD


def test_a_new_root_is_trusted_before_anything_is_signed_below_it() -> None:
    both = extended(OLD, "new", ["B"], NOW)
    assert (both.signer, until(both)) == ("old", {"A": 0.0, "B": 0.0})
    assert extended(both, "new", ["B"], NOW + 10 * KEEP) == both  # as long as the old one signs


def test_an_old_root_goes_when_nothing_below_it_can_be_valid() -> None:
    new = switched(extended(OLD, "new", ["B"], NOW), "new", ["B"], NOW)
    assert (new.signer, until(new), new.ends) == ("new", {"A": NOW + KEEP, "B": 0.0}, NOW + KEEP)
    assert extended(new, "new", ["B"], NOW + KEEP - 1) == new
    assert until(extended(new, "new", ["B"], NOW + KEEP)) == {"B": 0.0}


def test_a_root_that_comes_back_stays() -> None:
    new = switched(extended(OLD, "new", ["B"], NOW), "new", ["B"], NOW)
    back = extended(new, "old", ["A"], NOW + 1)
    assert until(back) == {"A": 0.0, "B": 0.0}
    assert until(switched(back, "old", ["A"], NOW + 1)) == {"A": 0.0, "B": NOW + 1 + KEEP}


def test_an_intermediate_of_the_same_root_changes_no_root() -> None:
    assert switched(extended(OLD, "next", ["A"], NOW), "next", ["A"], NOW) == Trust(signer="next", roots=OLD.roots)


def test_a_root_that_is_named_twice_is_there_once() -> None:
    assert until(extended(OLD, "old", ["A", "A", "B"], NOW)) == {"A": 0.0, "B": 0.0}
