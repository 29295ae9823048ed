"""Routes of gateways that become others."""

from __future__ import annotations

from gatewaybuild import gateway, hosts, listener, port, route
from tandem.ir.gateway import GatewayListener, routes_of
from tandem.ir.mesh import Route
from tandem.translate.gateway.rewritten import rewritten

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
