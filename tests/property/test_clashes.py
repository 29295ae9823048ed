"""Conflicts of random listeners of a Gateway and its sets: what must hold of them, whatever they are."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from tandem.model.gateways import Listener
from tandem.translate.gateway.clashes import clashes_of
from tandem.translate.gateway.listeners import KINDS

LISTENERS = st.builds(
    lambda port, protocol, hostname: Listener(name="x", port=port, protocol=protocol, hostname=hostname),
    st.integers(1, 2),
    st.sampled_from(("HTTP", "HTTPS", "TLS", "TCP", "UDP", "example.com/odd")),
    st.sampled_from(("", "a.test", "*.a.test")),
)
OBJECTS = st.lists(st.lists(LISTENERS, max_size=3), min_size=1, max_size=4)


def alike(one: Listener, other: Listener) -> bool:
    """Read off the API docs, "Distinct Listeners": no flow could be told to belong to one of them."""
    if one.port != other.port or (one.protocol == "UDP") != (other.protocol == "UDP"):
        return False
    if one.protocol != other.protocol:
        return {one.protocol, other.protocol} != {"HTTPS", "TLS"} or one.hostname == other.hostname
    return one.protocol in {"TCP", "UDP"} or one.hostname == other.hostname


def known(one: Listener) -> bool:
    return one.protocol in KINDS


@given(OBJECTS)
def test_what_is_left_can_be_told_apart_and_nothing_is_lost_without_a_reason(objects: list[list[Listener]]) -> None:
    lost = clashes_of(objects, KINDS)
    places = {(i, j): one for i, listeners in enumerate(objects) for j, one in enumerate(listeners) if known(one)}
    assert lost.keys() <= places.keys()
    kept = [one for place, one in places.items() if place not in lost]
    assert not [pair for pair in combinations(kept, 2) if alike(*pair)]
    for (i, j), one in places.items():
        if (i, j) in lost:
            assert any(alike(one, other) for (k, n), other in places.items() if k <= i and (k, n) != (i, j))


@given(OBJECTS)
def test_those_who_come_later_change_nothing_for_those_before(objects: list[list[Listener]]) -> None:
    whole = clashes_of(objects, KINDS)
    fewer = clashes_of(objects[:-1], KINDS)
    assert fewer == {place: clash for place, clash in whole.items() if place[0] < len(objects) - 1}


@given(st.lists(LISTENERS, max_size=4))
def test_within_one_object_nobody_wins(listeners: list[Listener]) -> None:
    found = {j for _, j in clashes_of([listeners], KINDS)}
    fighting = {
        j
        for j, one in enumerate(listeners)
        for k, other in enumerate(listeners)
        if j != k and known(one) and known(other) and alike(one, other)
    }
    assert found == fighting
