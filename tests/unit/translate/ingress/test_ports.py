"""Servers and VirtualServices -> hosts and routes of ports."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from ingressworlds import codes, gateway, hosts_at, https, made, mesh, problems, secret, server, to, vs
from tandem.ir.mesh import AS_ASKED, Exact, Forward, Redirect

EVERY = server()
PREFIX: dict[str, Any] = {"match": [{"uri": {"prefix": "/a"}}]}


@pytest.mark.parametrize(
    ("servers", "hosts", "common"),
    [
        (("*",), ("shop.test",), {"shop.test"}),
        (("*.shop.test",), ("shop.test", "a.shop.test"), {"a.shop.test"}),
        (("a.shop.test",), ("*.shop.test",), {"a.shop.test"}),
        (("a.shop.test", "*.shop.test"), ("*",), {"a.shop.test", "*.shop.test"}),
        (("Shop.Test",), ("SHOP.test",), {"shop.test"}),
        (("./shop.test",), ("shop.test",), {"shop.test"}),
        (("default/*",), ("shop.test",), {"shop.test"}),
        (("other/*",), ("shop.test",), set()),
        (("*/shop.test",), ("shop.test",), {"shop.test"}),
        (("web.default.svc.cluster.local",), ("web",), {"web.default.svc.cluster.local"}),
    ],
)
def test_a_server_and_a_virtualservice_meet_in_what_both_are_for(
    servers: tuple[str, ...], hosts: tuple[str, ...], common: set[str]
) -> None:
    assert set(hosts_at(made(gateway("shop", server(*servers)), vs(hosts=hosts)))) == common


def test_routes_of_older_ones_come_first_and_what_takes_everything_last() -> None:
    older = vs("b", to(**PREFIX), to(), created="2025-01-01T00:00:00Z")
    newer = vs("a", to(**PREFIX), created="2026-01-01T00:00:00Z")
    routes = hosts_at(made(gateway(), newer, older))["shop.test"].routes
    assert [r.name.removeprefix("VirtualService/default/") for r in routes] == ["b/0", "a/0", "b/1"]


def test_hosts_of_plain_text_are_with_the_first_server_that_has_them() -> None:
    one = gateway("shop", server("a.test"), server("a.test", "b.test", protocol="HTTP2"))
    (port,) = made(one, vs(hosts=("a.test", "b.test"))).ports
    assert [[h.host for h in listener.hosts] for listener in port.listeners] == [["a.test"], ["b.test"]]
    assert len(port.listeners[0].hosts[0].routes) == 2  # of both servers, as Istio joins them


def test_a_server_of_tls_has_its_own_hosts() -> None:
    found = made(gateway("shop", https("a.test"), https("b.test")), vs(hosts=("*",)), secret())
    assert [[h.host for h in one.hosts] for one in found.ports[0].listeners] == [["a.test"], ["b.test"]]


def test_a_redirect_takes_the_place_of_the_routes() -> None:
    one = server("shop.test", "bare.test", tls={"httpsRedirect": True})
    found = hosts_at(made(gateway("shop", one, https("shop.test")), vs(), secret()))
    for host in ("shop.test", "bare.test"):
        (route,) = found[host].routes
        assert route.action == Redirect(status=301, scheme="https", port=AS_ASKED)
        assert route.origin.path == "spec.servers[0].tls.httpsRedirect"
    secure = hosts_at(made(gateway("shop", one, https("shop.test")), vs(), secret()), 443)
    assert isinstance(secure["shop.test"].routes[0].action, Forward)


def test_who_came_to_a_trusted_proxy_by_https_is_not_redirected() -> None:
    one = server("shop.test", "bare.test", tls={"httpsRedirect": True})
    found = hosts_at(made(gateway("shop", one), vs(), mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}")))
    redirect, route = found["shop.test"].routes
    assert redirect.action == Redirect(status=301, scheme="https", port=AS_ASKED)
    (header,) = redirect.matches[0].headers
    assert (header.name, header.match, header.invert) == ("x-forwarded-proto", Exact("https"), True)
    assert isinstance(route.action, Forward)
    assert [r.action for r in found["bare.test"].routes] == [redirect.action]


def test_a_destination_without_a_port_has_its_only_one_or_that_of_the_gateway() -> None:
    several = service("two", ports=[{"name": "http", "port": 80}, {"name": "http-b", "port": 8080}])
    bare = {"route": [{"destination": {"host": h}, "weight": 1} for h in ("web", "two")]}
    one = gateway("shop", server(port=8080), server(port=9090))

    def ports(at: int) -> list[int]:
        action = hosts_at(made(one, vs("web", bare), several), at)["shop.test"].routes[0].action
        assert isinstance(action, Forward)
        return [b.port for b in action.backends]

    assert (ports(8080), ports(9090)) == ([80, 8080], [80, 9090])
    assert [p.code for p in problems(one, vs("web", bare), several)] == ["PortNotFound"]


def test_copies_of_requests_name_their_ports_too() -> None:
    found = made(gateway(), vs("web", to(mirror={"host": "other"})))
    assert [m.backend.port for m in hosts_at(found)["shop.test"].routes[0].mirrors] == [80]


def test_a_server_without_routes_answers_404() -> None:
    assert hosts_at(made(gateway("shop", EVERY))) == {}
    assert codes(gateway("shop", EVERY)) == []


def test_a_virtualservice_of_one_gateway_is_not_at_another() -> None:
    one, other = gateway("shop", server("a.test")), gateway("other", server("b.test"))
    assert set(hosts_at(made(one, other, vs(hosts=("*",))))) == {"a.test"}


def listeners(*servers: dict[str, Any], **spec: Any) -> list[list[tuple[tuple[str, ...], str]]]:
    """Of port 443: the names of each route of sessions, and its first destination."""
    found = made(gateway("shop", *servers), vs("web", hosts=("*",), **spec), secret()).ports[0].listeners
    return [
        [(tuple(n for m in r.matches for n in m.server_names), r.backends[0].service) for r in one.named]
        for one in found
    ]


def passed(*hosts: str) -> dict[str, Any]:
    return server(*hosts, port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"})


def by_name(name: str, to_: str = "web", **match: Any) -> dict[str, Any]:
    return {"match": [{"sniHosts": [name], **match}], "route": [{"destination": {"host": to_}}]}


def test_sessions_that_are_handed_on_go_by_name() -> None:
    tls = [by_name("a.test"), by_name("*.b.test", "other"), by_name("a.test", "other"), by_name("c.test", port=8443)]
    assert listeners(passed("*"), tls=tls) == [[(("a.test",), "web"), (("*.b.test",), "other")]]


def test_a_name_is_that_which_route_and_server_share() -> None:
    assert listeners(passed("x.b.test"), tls=[by_name("*.b.test")]) == [[(("x.b.test",), "web")]]


def test_sessions_that_end_are_handed_on_as_connections() -> None:
    one = server("a.test", port=443, protocol="TLS", tls={"mode": "SIMPLE", "credentialName": "cert"})
    tcp = [{"match": [{"port": 443}], "route": [{"destination": {"host": "web"}}]}]
    assert listeners(one, tcp=tcp) == [[((), "web")]]
    assert listeners(one, tls=[by_name("a.test")]) == [[]]


def test_https_that_is_handed_on_needs_no_certificate() -> None:
    one = server("a.test", port=443, protocol="HTTPS", tls={"mode": "PASSTHROUGH"})
    found = made(gateway("shop", one), vs("web", hosts=("a.test",), tls=[by_name("a.test")])).ports[0].listeners[0]
    assert (found.sessions.value, found.certificates, len(found.named)) == ("passthrough", (), 1)
