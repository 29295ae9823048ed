"""Routes of gateways that become others."""

from __future__ import annotations

import msgspec

from gatewaybuild import connections, gateway, hosts, listener, port, route, sessions
from tandem.ir.gateway import GatewayListener, connections_of, routes_of
from tandem.ir.mesh import Backend, BytesRoute, Route
from tandem.translate.gateway.rewritten import reconnected, rewritten

MADE = gateway(
    port(listener("one", "*", hosts("a.test", route("a"), route("b")))), port(listener("two", "*"), number=81)
)


def test_each_route_is_told_with_its_listener_and_may_become_several_or_none() -> None:
    seen: list[tuple[str, str]] = []

    def change(at: GatewayListener, one: Route) -> tuple[Route, ...]:
        seen.append((at.name, one.name))
        return (one, one) if one.name == "a" else ()

    found = rewritten(MADE, change)
    assert seen == [("one", "a"), ("one", "b")]
    assert [one.name for one in routes_of(found)] == ["a", "a"]


def test_what_changes_nothing_leaves_it_equal() -> None:
    assert rewritten(MADE, lambda _, one: (one,)) == MADE


def test_routes_of_connections_become_others_wherever_they_are() -> None:
    through = Backend(namespace="shop", service="db")
    bytes_ = BytesRoute(name="b", matches=(), backends=(through,), origin=MADE.ports[0].listeners[0].origin)
    made = gateway(connections("a", through), port(sessions("tls", "*.test", bytes_), number=443))
    found = reconnected(made, lambda one: msgspec.structs.replace(one, name=f"{one.name}!"))
    assert [one.name for one in connections_of(found)] == ["a!", "b!"]
    assert reconnected(MADE, lambda one: one) == MADE
