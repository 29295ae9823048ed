from __future__ import annotations

from typing import Any

from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.remembered import put_back, replaced
from tandem.state import nft

FOUR = nft.Map(name="affinity4", type=("ipv4_addr", "inet_proto", "inet_service"), data=("mark",), dynamic=9)
SIX = nft.Map(name="affinity6-x", type=("ipv6_addr",), data=("mark",), dynamic=9)
PLAIN = nft.Map(name="pick4", type=("ipv4_addr",), data=("mark",))


def listed(kind: Any, *elements: Any) -> list[dict[str, Any]]:
    return [{"metainfo": {}}, {"map": {"name": "m", "type": kind, "map": "mark", "elem": list(elements)}}]


def elem(value: Any, expires: int, data: int) -> list[Any]:
    return [{"elem": {"val": value, "timeout": 600, "expires": expires}}, data]


def test_elements_are_put_back_with_the_time_that_they_have_left() -> None:
    found = listed(list(FOUR.type), elem({"concat": ["10.0.0.1", "tcp", 80]}, 499, 2147483649))
    assert put_back(FOUR, found, "inet t") == (
        "add element inet t affinity4 { 10.0.0.1 . tcp . 80 timeout 600s expires 499s : 2147483649 }\n"
    )
    assert put_back(SIX, listed("ipv6_addr", elem("fd00::1", 1, 7)), "inet t") == (
        "add element inet t affinity6-x { fd00::1 timeout 600s expires 1s : 7 }\n"
    )


def test_what_has_no_time_left_or_another_type_is_forgotten() -> None:
    assert put_back(SIX, listed("ipv6_addr", elem("fd00::1", 0, 7), ["fd00::2", 7]), "inet t") == ""
    assert put_back(FOUR, listed("ipv4_addr", elem("10.0.0.1", 5, 7)), "inet t") == ""
    assert put_back(SIX, [{"map": {"name": "m", "type": "ipv6_addr"}}], "inet t") == ""


def test_only_dynamic_maps_of_a_table_that_is_replaced_are_asked_for() -> None:
    whole = nft.ruleset(maps=(FOUR, SIX, PLAIN))
    assert replaced(plan(None, whole)) == (FOUR, SIX)
    assert replaced(plan(nft.ruleset(maps=(FOUR,)), whole)) == ()
    assert replaced(plan(whole, whole)) == ()
