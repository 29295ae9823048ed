"""TCPRoutes and TLSRoutes with Services as parents."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import Raw, tcproute, tlsroute
from meshworlds import grant, httproute, parent, vs
from tandem.ir.mesh import BytesRoute, MeshIR
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

PORTS = [
    {"name": "http", "port": 80},
    {"name": "tls", "port": 443},
    {"name": "tcp-a", "port": 9000},
    {"name": "dns", "port": 53, "protocol": "UDP"},
]
SHOP = {"namespace": "shop"}
OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
Told = set[tuple[str, str, str, str]]


def run(*routes: Object) -> tuple[MeshIR, Told]:
    """Service shop/web with ports of all kinds; told: whom, code, severity and path."""
    made, problems = translate_mesh(World.of([service("web", ns="shop", ports=PORTS), *routes]), Options())
    return made, {(p.at.name, p.code, p.severity.value, p.at.path) for p in problems}


def leading(to: str = "web", port: int = 9000, **more: object) -> list[Raw]:
    return [{"backendRefs": [{"name": to, "namespace": "shop", "port": port, **more}]}]


def tcp(name: str = "tr", *, ns: str = "shop", created: str = "", port: int = 0, to: str = "web") -> Object:
    above = parent("web", **SHOP, **({"port": port} if port else {}))
    return tcproute(name, above, ns=ns, created=created, rules=leading(to))


def tls(*hosts: str, name: str = "sr", ns: str = "shop", created: str = "", port: int = 0) -> Object:
    above = parent("web", **SHOP, **({"port": port} if port else {}))
    return tlsroute(*hosts, name=name, parents=(above,), ns=ns, created=created, rules=leading())


def bytes_of(found: tuple[MeshIR, Told], consumer: str = "") -> list[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Of a table, which routes of bytes are at which ports, for which names."""
    table = found[0].tables.get(f"shop/web@{consumer}" if consumer else "shop/web")
    routes: tuple[BytesRoute, ...] = table.bytes if table is not None else ()
    return [
        (route.origin.name, match.ports if match else (), match.server_names if match else ())
        for route in routes
        for match in route.matches or (None,)
    ]


def test_a_tcproute_has_every_port_or_the_one_that_its_parent_names() -> None:
    assert bytes_of(run(tcp())) == [("tr", (), ())]
    assert bytes_of(run(tcp(port=9000))) == [("tr", (9000,), ())]
    (route,) = run(tcp())[0].tables["shop/web"].bytes
    assert (route.requests, [(b.service, b.port) for b in route.backends]) == (True, [("web", 9000)])


def test_a_tlsroute_is_about_ports_at_which_a_name_is_asked_for() -> None:
    assert bytes_of(run(tls("a.test", "*.b.test"))) == [("sr", (443, 9000), ("a.test", "*.b.test"))]
    assert run(tls("a.test", port=80))[1] == {("sr", "NoMatchingParent", "error", "spec.parentRefs[0]")}


@pytest.mark.parametrize(
    ("above", "code"),
    [
        (parent("gone", **SHOP), "NoMatchingParent"),
        (parent("web", **SHOP, port=81), "NoMatchingParent"),
        (parent("web", **SHOP, port=53), "NoMatchingParent"),
        (parent("web", **SHOP, sectionName="gone"), "NoMatchingParent"),
        ({"name": "web", "kind": "Bucket", "group": "x.test"}, "InvalidKind"),
    ],
)
def test_a_parent_that_is_none_says_why(above: Raw, code: str) -> None:
    for route in (tcproute("r", above, ns="shop"), tlsroute("a.test", name="r", parents=(above,), ns="shop")):
        made, told = run(route)
        assert (made.tables, {one[:3] for one in told}) == ({}, {("r", code, "error")})


def test_a_port_has_one_kind_of_route() -> None:
    http = httproute("hr", ns="shop", parentRefs=[parent("web")], rules=leading(port=80))
    found = run(http, tls("a.test", port=443), tcp())
    assert bytes_of(found) == [("sr", (443,), ("a.test",)), ("tr", (9000,), ())]
    assert found[1] == {("tr", "Shadowed", "warning", "spec.parentRefs[0]")}
    found = run(http, tls("a.test"), tcp())
    assert bytes_of(found) == [("sr", (443, 9000), ("a.test",))]
    assert found[1] == {("tr", "Conflicted", "error", "spec.parentRefs[0]")}


def test_a_port_at_which_nobody_sees_requests_is_no_httproutes() -> None:
    http = httproute("hr", ns="shop", parentRefs=[parent("web", port=9000)], rules=leading())
    found = run(http, tcp(port=9000))
    assert bytes_of(found) == [("tr", (9000,), ())]
    assert {one[:3] for one in found[1]} == {("hr", "PortNotHTTP", "error")}


def test_of_a_kind_the_oldest_has_what_several_are_for() -> None:
    found = run(tcp("a", created=NEW), tcp("z", created=OLD))
    assert bytes_of(found)[0] == ("z", (), ())
    assert found[1] == {("a", "Shadowed", "warning", "spec.rules")}
    found = run(
        tls("a.test", "b.test", name="a", created=NEW, port=443), tls("a.test", name="z", created=OLD, port=443)
    )
    assert [name for name, *_ in bytes_of(found)] == ["z", "a"]
    assert found[1] == {("a", "Shadowed", "warning", "spec.hostnames")}


def test_a_route_for_every_name_comes_after_those_for_some() -> None:
    found = run(tls(name="all", created=OLD, port=443), tls("a.test", name="some", created=NEW, port=443))
    assert [name for name, *_ in bytes_of(found)] == ["some", "all"]
    assert not found[1]


def test_a_consumers_own_routes_leave_nothing_of_their_ports_to_the_producers() -> None:
    found = run(tcp("theirs"), tls("a.test", name="mine", ns="client", port=443))
    assert bytes_of(found) == [("theirs", (), ())]
    assert bytes_of(found, "client") == [("mine", (443,), ("a.test",)), ("theirs", (80, 9000), ())]
    http = httproute("hr", ns="client", parentRefs=[parent("web", **SHOP)], rules=leading(port=80))
    assert bytes_of(run(tcp("theirs"), http), "client") == [("theirs", (443, 9000), ())]
    assert bytes_of(run(tcp("theirs", port=80), http), "client") == []


def test_routes_of_virtualservices_come_after_and_are_told() -> None:
    route = {"route": [{"destination": {"host": "web", "port": {"number": 9000}}}]}
    found = run(tcp(port=443), vs("vs", ns="shop", hosts=["web"], tcp=[route]))
    assert bytes_of(found) == [("tr", (443,), ()), ("vs", (), ())]
    assert found[1] == {("vs", "Shadowed", "warning", "spec.tcp[0]")}


def test_requests_are_routed_as_without_routes_of_connections() -> None:
    http = httproute("hr", ns="shop", parentRefs=[parent("web")], rules=leading(port=80))
    (alone, _), (both, _) = run(http), run(http, tcp())
    assert alone.tables["shop/web"].routes == both.tables["shop/web"].routes


@pytest.mark.parametrize(
    ("to", "code"), [({"to": "gone"}, "BackendNotFound"), ({"kind": "Bucket", "group": "x.test"}, "InvalidKind")]
)
def test_a_share_that_may_not_be_used_leads_nowhere(to: dict[str, str], code: str) -> None:
    made, told = run(tcproute("tr", parent("web"), ns="shop", rules=leading(**to)))  # type: ignore[arg-type]
    assert told == {("tr", code, "error", "spec.rules[0].backendRefs[0]")}
    assert made.tables["shop/web"].bytes[0].backends[0].service.endswith(f"!{code}")


def test_only_the_parent_needs_no_grant() -> None:
    def told(*more: Object) -> Told:
        other = service("other", ns="shop", ports=PORTS)
        return run(other, tcp("mine", ns="client", to="other"), *more)[1]

    assert run(tcp("mine", ns="client"))[1] == set()
    assert {one[1] for one in told()} == {"RefNotPermitted"}
    assert told(grant("TCPRoute", to="shop", source="client")) == set()


def test_a_route_of_which_all_shares_have_no_weight_closes_connections() -> None:
    made, _ = run(tcproute("tr", parent("web"), ns="shop", rules=leading(weight=0)))
    assert made.tables["shop/web"].bytes[0].backends == ()
