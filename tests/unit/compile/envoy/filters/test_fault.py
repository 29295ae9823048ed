"""The fault filter."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.compile.envoy.filters import fault
from tandem.ir.mesh import Fault, Respond, Route

PLAIN = Route(name="r", matches=(), action=Respond(status=200), origin=Origin(kind="HTTPRoute", name="r"))
ASKED = Route(
    name="r",
    matches=(),
    action=Respond(status=200),
    origin=Origin(kind="HTTPRoute", name="r"),
    fault=Fault(delay_ms=1500),
)


def test_only_routes_that_ask_have_one() -> None:
    assert fault.of(PLAIN) is None
    found = fault.of(ASKED)
    assert found is not None
    assert found["delay"]["fixed_delay"] == "1.500s"


def test_its_place_in_the_chain_has_its_name() -> None:
    assert fault.disabled()["name"] == fault.NAME
