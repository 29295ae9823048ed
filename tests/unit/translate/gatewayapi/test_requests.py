"""What an HTTPRoute has no room for; tests/property/test_gatewayapi.py compares decisions."""

from __future__ import annotations

from meshworlds import vs
from tandem.translate.gatewayapi.requests import MATCHES
from unit.translate.gatewayapi.test_write import to, told, web, write


def test_more_than_a_route_may_have_is_told() -> None:
    matches = [{"uri": {"exact": f"/{n}"}} for n in range(MATCHES + 1)]
    made = write(web(), vs(hosts=["web"], http=[{"match": matches, "route": [to("web")]}]))
    assert told(made) == ["NotCarried VirtualService spec.http[0]"]


def test_routes_of_which_none_can_be_written_are_lost_and_not_left_out() -> None:
    made = write(web(), vs(hosts=["web"], http=[{"match": [{"uri": {"exact": "x"}}], "route": [to("web")]}]))
    assert told(made) == [
        "NotCarried VirtualService spec.http[0].match",
        "Changed VirtualService spec.http[0].match.uri",
    ]
