"""The session filter."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.compile.envoy.filters import session
from tandem.ir.mesh import Respond, Route, Session

PLAIN = Route(name="r", matches=(), action=Respond(status=200), origin=Origin(kind="HTTPRoute", name="r"))
ASKED = Route(
    name="r",
    matches=(),
    action=Respond(status=200),
    origin=Origin(kind="HTTPRoute", name="r"),
    session=Session(cookie="c"),
)


def test_only_routes_that_ask_have_one() -> None:
    assert session.of(PLAIN) is None
    found = session.of(ASKED)
    assert found is not None
    assert found["stateful_session"]["session_state"]["typed_config"]["cookie"]["name"] == "c"


def test_its_place_in_the_chain_has_its_name() -> None:
    assert session.disabled()["name"] == session.NAME
