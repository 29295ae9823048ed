"""The cors filter."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.compile.envoy.filters import cors
from tandem.ir.mesh import Cors, Exact, Respond, Route

PLAIN = Route(name="r", matches=(), action=Respond(status=200), origin=Origin(kind="HTTPRoute", name="r"))
ASKED = Route(
    name="r",
    matches=(),
    action=Respond(status=200),
    origin=Origin(kind="HTTPRoute", name="r"),
    cors=Cors(origins=(Exact("*"),), methods=("GET", "PUT")),
)


def test_only_routes_that_ask_have_one() -> None:
    assert cors.of(PLAIN) is None
    found = cors.of(ASKED)
    assert found is not None
    assert found["allow_methods"] == "GET,PUT"


def test_its_place_in_the_chain_has_its_name() -> None:
    assert cors.disabled()["name"] == cors.NAME
