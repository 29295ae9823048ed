"""Host names with wildcards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.translate.hostnames import common, covering, covers, most_specific, specificity


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        ("*", "a.test", True),
        ("a.test", "a.test", True),
        ("*.a.test", "x.a.test", True),
        ("*.a.test", "y.x.a.test", True),
        ("*.a.test", "*.x.a.test", True),
        ("*.a.test", "a.test", False),
        ("*.a.test", "xa.test", False),
        ("x.a.test", "*.a.test", False),
        ("*.a.test", "*", False),
    ],
)
def test_a_wildcard_is_every_host_below_a_name_and_not_the_name(wide: str, narrow: str, *, holds: bool) -> None:
    assert covers(wide, narrow) is holds


def test_what_two_have_in_common_is_the_narrower_or_nothing() -> None:
    assert common("*.test", "a.test") == common("a.test", "*.test") == "a.test"
    assert common("*.x.test", "*.test") == "*.x.test"
    assert common("a.test", "b.test") is None


def test_a_name_is_more_specific_than_any_wildcard_and_a_longer_wildcard_than_a_shorter() -> None:
    hosts = {"*", "*.test", "*.a.test", "x.a.test"}
    found = {host: most_specific(hosts, host) for host in ("x.a.test", "y.a.test", "b.test", "else")}
    assert found == {"x.a.test": "x.a.test", "y.a.test": "*.a.test", "b.test": "*.test", "else": "*"}
    assert most_specific({"a.test"}, "b.test") is None


LABELS = st.lists(st.sampled_from(("a", "b", "test")), min_size=1, max_size=4)
HOSTS = st.one_of(LABELS.map(".".join), LABELS.map(lambda labels: ".".join(("*", *labels))), st.just("*"))


@given(HOSTS, st.lists(HOSTS))
def test_what_covers_a_host_is_every_name_that_does_and_no_other(host: str, others: list[str]) -> None:
    found = list(covering(host))
    assert found == sorted(set(found), key=specificity)
    assert all(covers(name, host) for name in found)
    assert {name for name in others if covers(name, host)} <= set(found)
