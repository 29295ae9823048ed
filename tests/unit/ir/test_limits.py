"""Limits on their way to the nodes."""

from __future__ import annotations

from limitbuild import by, limit, limited
from tandem.base.problems import Origin
from tandem.ir import wire
from tandem.ir.limits import Key
from tandem.ir.match import Exact, RouteMatch
from tandem.ir.mesh import Respond, Route, RouteTable

TABLE = RouteTable(
    namespace="shop",
    service="web",
    routes=(
        Route(
            name="r",
            matches=(),
            action=Respond(status=200),
            limits=(
                limited(limit(3, by(Key.HEADER, "x"), matches=(RouteMatch(method=Exact("GET")),)), staged=True),
                limited(limit(5), name="more", ports=(80,)),
            ),
            origin=Origin(kind="HTTPRoute", namespace="shop", name="web"),
        ),
    ),
)


def test_what_holds_at_a_route_arrives_as_it_was_sent() -> None:
    assert wire.decode(wire.URLS[RouteTable], wire.encode(TABLE)) == TABLE


def test_a_limit_is_among_what_a_route_depends_on() -> None:
    """So that it is `Programmed` once the nodes have the route."""
    found = {(origin.kind, origin.name) for origin in wire.origins(TABLE)}
    assert found == {("HTTPRoute", "web"), ("RateLimit", "few"), ("RateLimit", "more")}
