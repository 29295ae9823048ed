"""Which table and which source limits hold for a pod."""

from __future__ import annotations

from meshbuild import attached, service, view
from tandem.base.problems import Origin
from tandem.compile.envoy.scope import scopes_of, source_limits
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Respond, Route, RouteMatch, RouteTable

WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
ORIGIN = Origin(kind="VirtualService", namespace="shop", name="web")


def table(*matches: RouteMatch, consumer: str = "") -> RouteTable:
    route = Route(name="r", matches=matches, action=Respond(status=403), origin=ORIGIN)
    return RouteTable(namespace="shop", service="web", consumer=consumer, routes=(route,))


def test_a_consumers_own_table_wins() -> None:
    a, b = attached("a", "10.0.0.1", namespace="shop"), attached("b", "10.0.0.2", namespace="other")
    made = view(a, b, WEB, table(), table(consumer="other"))
    assert [s.route_config for s in scopes_of(made, a.pod)] == ["rt/shop/web/80"]
    assert [s.route_config for s in scopes_of(made, b.pod)] == ["rt/shop/web/80@other"]


def test_pods_for_which_the_same_limits_hold_share_a_route_config() -> None:
    limited = table(RouteMatch(source_labels=(("role", "guest"),)))
    pods = [attached(n, "10.0.0.1", labels=labels) for n, labels in (
        ("a", (("role", "guest"), ("x", "1"))), ("b", (("role", "guest"),)), ("c", ()), ("d", (("x", "1"),)),
    )]  # fmt: skip
    a, b, c, d = (scopes_of(view(*pods, WEB, limited), p.pod)[0].route_config for p in pods)
    assert a == b
    assert c == d
    assert a != c


def test_a_table_without_limits_has_one_route_config_for_all() -> None:
    assert source_limits(table(RouteMatch())) == ()
    pod = attached("a", "10.0.0.1", labels=(("x", "1"),))
    assert "~" not in scopes_of(view(pod, WEB, table(RouteMatch())), pod.pod)[0].route_config


def test_a_limit_on_the_namespace_holds_for_clients_there() -> None:
    limited = table(RouteMatch(source_namespace="shop"))
    a, b = attached("a", "10.0.0.1", namespace="shop"), attached("b", "10.0.0.2", namespace="other")
    made = view(a, b, WEB, limited)
    (inside,), (outside,) = scopes_of(made, a.pod), scopes_of(made, b.pod)
    (match,) = limited.routes[0].matches
    assert inside.applies(match)
    assert not outside.applies(match)


def test_a_match_on_another_port_does_not_apply() -> None:
    pod = attached("a", "10.0.0.1")
    (scope,) = scopes_of(view(pod, WEB), pod.pod)
    assert not scope.applies(RouteMatch(ports=(81,)))
    assert scope.applies(RouteMatch(ports=(80, 81)))


def test_a_headless_service_keeps_the_address_dialled() -> None:
    pod = attached("a", "10.0.0.1")
    (scope,) = scopes_of(view(pod, service("db", "", ("tcp", 5432, AppProtocol.TCP))), pod.pod)
    assert scope.own_cluster == "pod/shop/db/5432"
    assert scope.cluster == "svc/shop/db/5432"
