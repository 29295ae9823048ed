"""Chains of routers, splitters and resolvers; where they lead in random worlds: property/test_consul_routes.py."""

from __future__ import annotations

from typing import Any

from builders import service
from consulworlds import defaults, resolver, route, router, split, splitter, versions
from meshworlds import to, vs
from tandem.base.problems import Severity
from tandem.ir.mesh import Backend, Forward, HeaderEdit, Respond, RouteTable
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
BYTES = [{"name": "tcp-db", "port": 5432}]
WEB = (service("web", ports=HTTP), service("b", ports=HTTP), service("db", ports=BYTES))


def tables(*objects: Object) -> tuple[dict[str, RouteTable], list[tuple[str, str, Severity]]]:
    ir, problems = translate_mesh(World.of([*WEB, *objects]), Options())
    return dict(ir.tables), [(str(p.at), p.code, p.severity) for p in problems]


def shares(found: RouteTable, at: int = -1) -> list[tuple[str, str, int]]:
    action = found.routes[at].action
    assert isinstance(action, Forward)
    return [(b.service, b.subset, b.weight) for b in action.backends]


def test_a_router_is_followed_by_what_is_beneath_it() -> None:
    found, problems = tables(
        router("web", route(match={"pathPrefix": "/v2"}, subset="v2"), route("b", match={"pathExact": "/b"})),
        splitter("web", split(90), split(10, subset="v2")),
        resolver("web", subsets=versions("v1", "v2"), defaultSubset="v1"),
    )
    table = found["default/web"]
    assert problems == []
    assert [r.name.rpartition("/")[2] for r in table.routes] == ["0", "1", "rest"]
    assert [shares(table, i) for i in (0, 1)] == [[("web", "v2", 1)], [("b", "", 1)]]
    assert shares(table) == [("web", "v1", 9000), ("web", "v2", 1000)]
    assert {r.timeout_ms for r in table.routes} == {15_000}


def test_a_route_for_everything_is_the_last_one() -> None:
    found, _ = tables(router("web", route("b"), route(match={"pathExact": "/x"})))
    assert len(found["default/web"].routes) == 1


def test_the_time_of_a_resolver_counts_where_nothing_is_above_it() -> None:
    found, _ = tables(resolver("web", requestTimeout="3s"))
    assert [r.timeout_ms for r in found["default/web"].routes] == [3000]
    found, _ = tables(resolver("web", requestTimeout="3s"), splitter("web", split(100)))
    assert [r.timeout_ms for r in found["default/web"].routes] == [15_000]


def test_shares_change_headers() -> None:
    found, _ = tables(splitter("web", split(100, requestHeaders={"set": {"x": "1"}})))
    (made,) = found["default/web"].routes
    assert isinstance(made.action, Forward)
    assert made.action.backends[0].request_headers == HeaderEdit(set=(("x", "1"),))


def test_what_is_not_there_keeps_its_share_and_is_told() -> None:
    found, problems = tables(splitter("web", split(50), split(50, "gone")), router("b", route("b", "v9")))
    assert shares(found["default/web"]) == [("web", "", 5000), ("gone", "", 5000)]
    assert isinstance(found["default/b"].routes[0].action, Respond)
    assert problems == [
        ("ServiceRouter default/b spec.routes[0]", "SubsetNotFound", Severity.ERROR),
        ("ServiceSplitter default/web spec.splits[1]", "BackendNotFound", Severity.ERROR),
    ]


def test_redirects_are_followed_and_circles_are_not() -> None:
    found, problems = tables(
        resolver("web", redirect={"service": "virtual"}), resolver("virtual", redirect={"service": "b"})
    )
    assert shares(found["default/web"]) == [("b", "", 1)]
    assert problems == [("ServiceResolver default/virtual", "HostNotFound", Severity.WARNING)]
    found, problems = tables(resolver("web", redirect={"service": "b"}), resolver("b", redirect={"service": "web"}))
    assert isinstance(found["default/web"].routes[0].action, Respond)
    assert {code for _, code, _ in problems} == {"Circular"}


def test_connections_go_where_a_resolver_leads() -> None:
    found, problems = tables(resolver("db", subsets=versions("v1"), defaultSubset="v1"))
    (made,) = found["default/db"].bytes
    assert made.backends == (Backend(namespace="default", service="db", port=5432, subset="v1"),)
    assert (found["default/db"].routes, problems) == ((), [])
    found, _ = tables(resolver("db", connectTimeout="1s"))
    assert found == {}


def test_requests_at_a_port_of_bytes_are_told() -> None:
    _, problems = tables(router("db", route("b")))
    assert [code for _, code, _ in problems] == ["PortNotHTTP"]


def test_virtual_services_come_first() -> None:
    other = vs("v", hosts=["web"], http=[{"route": [to("b")]}])
    found, problems = tables(router("web", route("web")), other)
    assert [r.origin.kind for r in found["default/web"].routes] == ["VirtualService"]
    assert problems == [("ServiceRouter default/web", "Shadowed", Severity.WARNING)]


def test_a_virtual_service_of_one_namespace_leaves_the_others() -> None:
    other = vs("v", hosts=["web.default.svc.cluster.local"], ns="shop", exportTo=["."], http=[{"route": [to("web")]}])
    found, _ = tables(router("web", route("b")), other)
    assert [r.origin.kind for r in found["default/web"].routes] == ["ServiceRouter"]
    assert found["default/web@shop"].routes[0].origin.kind == "VirtualService"


def test_a_router_that_is_refused_is_as_if_it_were_not_there() -> None:
    broken: Any = route("b", partition="x")
    found, problems = tables(router("web", broken), splitter("web", split(100, "b")))
    assert [r.origin.kind for r in found["default/web"].routes] == ["ServiceSplitter"]
    assert [code for _, code, _ in problems] == ["UnsupportedField"]


def test_a_port_that_is_http_by_the_word_of_defaults_has_requests() -> None:
    silent = service("quiet", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}])
    led = resolver("quiet", redirect={"service": "b"})
    found, _ = tables(silent, led)
    assert (found["default/quiet"].routes, len(found["default/quiet"].bytes)) == ((), 1)
    found, problems = tables(silent, led, defaults("quiet", protocol="http"))
    assert shares(found["default/quiet"]) == [("b", "", 1)]
    assert (found["default/quiet"].bytes, problems) == ((), [])
