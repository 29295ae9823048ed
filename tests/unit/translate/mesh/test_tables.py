"""How the routes of several objects become one table."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir.mesh import Exact, Forward, Respond, Route, RouteMatch
from tandem.translate.mesh.context import Layer
from tandem.translate.mesh.tables import build_tables

WEB = ("default", "web")


def layer(
    name: str, *matches: RouteMatch, consumer: str = "", scopes: tuple[RouteMatch, ...] = (RouteMatch(),)
) -> Layer:
    origin = Origin(kind="HTTPRoute", namespace="default", name=name)
    route = Route(name=name, matches=matches, action=Respond(status=200), origin=origin)
    return Layer(service=WEB, consumer=consumer, routes=(route,), scopes=scopes, origin=origin)


PATH = RouteMatch(path=Exact("/a"))
AT_80 = RouteMatch(ports=(80,))


def test_what_no_route_matches_is_answered_with_404() -> None:
    tables, _ = build_tables((layer("a", PATH),), ())
    last = tables["default/web"].routes[-1]
    assert last.matches == ()
    assert last.action == Respond(status=404, body="no route matches")


def test_a_route_for_everything_needs_no_404() -> None:
    tables, _ = build_tables((layer("a"),), ())
    assert [r.name for r in tables["default/web"].routes] == ["a"]


def test_requests_that_the_routes_are_not_about_go_to_the_service() -> None:
    tables, _ = build_tables((layer("a", RouteMatch(path=Exact("/a"), ports=(80,)), scopes=(AT_80,)),), ())
    routes = tables["default/web"].routes
    assert routes[1].matches == (AT_80,)
    assert isinstance(routes[2].action, Forward)
    assert [(b.service, b.port) for b in routes[2].action.backends] == [("web", 0)]


def test_a_consumer_s_own_routes_come_first_and_the_producer_s_serve_other_ports() -> None:
    mine = layer("mine", RouteMatch(path=Exact("/a"), ports=(80,)), consumer="shop", scopes=(AT_80,))
    tables, _ = build_tables((), (mine, layer("theirs", PATH)))
    names = [r.name.rpartition("/")[2] for r in tables["default/web@shop"].routes]
    assert names == ["mine", "unmatched", "theirs", "unmatched"]
    assert [r.name.rpartition("/")[2] for r in tables["default/web"].routes] == ["theirs", "unmatched"]


def test_an_httproute_hides_a_virtualservice_and_says_so() -> None:
    tables, problems = build_tables((layer("vs"),), (layer("hr"),))
    assert [r.name for r in tables["default/web"].routes] == ["hr"]
    assert [(p.at.name, p.code) for p in problems] == [("vs", "Shadowed")]


def test_a_consumer_s_httproute_leaves_the_virtualservice_to_the_others() -> None:
    tables, problems = build_tables((layer("vs"),), (layer("hr", consumer="shop"),))
    assert [r.name for r in tables["default/web"].routes] == ["vs"]
    assert [r.name for r in tables["default/web@shop"].routes] == ["hr"]
    assert "clients in shop" in problems[0].text
