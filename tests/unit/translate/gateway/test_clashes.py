"""Which listeners of a Gateway and its sets are in conflict."""

from __future__ import annotations

import pytest

from tandem.model.gateways import Listener
from tandem.translate.gateway.clashes import clashes_of
from tandem.translate.gateway.listeners import KINDS


def one(name: str, port: int = 80, protocol: str = "HTTP", hostname: str = "") -> Listener:
    return Listener(name=name, port=port, protocol=protocol, hostname=hostname)


def lost(*objects: list[Listener]) -> dict[str, str]:
    """The code by the name of the listener."""
    return {objects[i][j].name: code for (i, j), (code, _) in clashes_of(objects, KINDS).items()}


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (one("a"), one("b"), "HostnameConflict"),
        (one("a", hostname="x.test"), one("b", hostname="x.test"), "HostnameConflict"),
        (one("a", hostname="x.test"), one("b", hostname="y.test"), ""),
        (one("a"), one("b", port=81), ""),
        (one("a"), one("b", protocol="HTTPS"), "ProtocolConflict"),
        (one("a", protocol="TCP"), one("b", protocol="TCP"), "HostnameConflict"),
        (one("a"), one("b", protocol="example.com/x"), ""),
    ],
)
def test_within_an_object_both_are_told_and_between_objects_the_later(
    first: Listener, second: Listener, code: str
) -> None:
    assert lost([first, second]) == ({"a": code, "b": code} if code else {})
    assert lost([first], [second]) == ({"b": code} if code else {})


def test_one_that_lost_to_another_object_is_out_of_the_way_of_all_others() -> None:
    loser = one("loser", protocol="TCP")
    assert lost([one("a", hostname="a.test")], [one("b", hostname="b.test"), loser], [one("c", hostname="c.test")]) == {
        "loser": "ProtocolConflict"
    }


def test_what_two_of_an_object_fight_for_nobody_after_it_gets() -> None:
    assert set(lost([one("a"), one("b")], [one("c")])) == {"a", "b", "c"}
