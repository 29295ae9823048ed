"""How what goes to a Service is divided, whatever routes lead there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from builders import service
from meshworlds import canary, httproute, parent, to, vs
from tandem.ir.mesh import Forward, MeshIR, Regex, RouteMatch
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
SERVICES = tuple(
    service(name, ip=f"10.96.0.{i}", ports=HTTP) for i, name in enumerate(("web", "web-v1", "web-v2", "api"), 1)
)


def mesh(*objects: Object) -> tuple[MeshIR, list[str]]:
    ir, problems = translate_mesh(World.of([*SERVICES, *objects]), Options())
    return ir, [p.code for p in problems]


def shares(ir: MeshIR, table: str = "default/web") -> list[dict[str, int]]:
    """Of each route that sends anywhere: version -> weight."""
    return [
        {"/".join(filter(None, (b.service, b.subset))): b.weight for b in route.action.backends}
        for route in ir.tables[table].routes
        if isinstance(route.action, Forward)
    ]


def test_a_service_without_routes_gets_one() -> None:
    ir, problems = mesh(canary(status={"weight": 20}))
    assert (shares(ir), problems) == ([{"web-v1": 4, "web-v2": 1}], [])


@pytest.mark.parametrize(("weight", "found"), [(0, {"web-v1": 1}), (100, {"web-v2": 1})])
def test_without_a_share_a_version_is_no_backend(weight: int, found: dict[str, int]) -> None:
    assert shares(mesh(canary(status={"weight": weight}))[0]) == [found]


def test_every_route_that_names_the_service_is_divided_and_others_keep_their_part() -> None:
    both = vs(hosts=["web"], http=[{"route": [to("web", weight=75), to("api", weight=25)], "timeout": "2s"}])
    elsewhere = httproute(parentRefs=[parent("api")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}])
    ir, problems = mesh(both, elsewhere, canary(status={"weight": 20}))
    assert shares(ir) == [{"web-v1": 12, "web-v2": 3, "api": 5}]
    assert shares(ir, "default/api") == [{"web-v1": 4, "web-v2": 1}]
    assert ir.tables["default/web"].routes[0].timeout_ms == 2000
    assert problems == []


def test_other_namespaces_see_it_as_their_own_routes_have_it() -> None:
    mine = httproute(
        ns="shop",
        parentRefs=[parent("web", namespace="default")],
        rules=[{"backendRefs": [{"name": "web", "namespace": "default", "port": 80}]}],
    )
    ir, _ = mesh(mine, canary(status={"weight": 50}))
    assert shares(ir) == shares(ir, "default/web@shop") == [{"web-v1": 1, "web-v2": 1}]


MATCH: list[dict[str, Any]] = [
    {"headers": [{"name": "X-Group", "value": "beta"}]},
    {"cookies": [{"name": "group", "value": "b.1"}]},
]


def test_of_ab_only_what_matches_is_divided() -> None:
    ir, _ = mesh(canary(match=MATCH, status={"weight": 50}))
    assert shares(ir) == [{"web-v1": 1, "web-v2": 1}, {"web-v1": 1}]
    meant, other = ir.tables["default/web"].routes
    assert [[h.name for h in m.headers] for m in meant.matches] == [["x-group"], ["cookie"]]
    assert other.matches == ()
    assert meant.name != other.name


def test_ab_goes_with_the_matches_of_each_route() -> None:
    paths = [{"match": [{"uri": {"exact": p}} for p in ("/a", "/b")], "route": [to("web")]}, {"route": [to("web")]}]
    ir, _ = mesh(vs(hosts=["web"], http=paths), canary(match=MATCH, status={"weight": 100}))
    assert shares(ir) == [{"web-v2": 1}, {"web-v1": 1}] * 2
    assert [len(r.matches) for r in ir.tables["default/web"].routes] == [4, 2, 2, 0]


PAIRS = ["group=b.1", "a=1; group=b.1", "a=1;group=b.1;z=2"]
OTHERS = ["group=bx1", "group=b.12", "xgroup=b.1", "a=group=b.1", ""]


def test_a_cookie_is_a_whole_pair() -> None:
    ir, _ = mesh(canary(match=MATCH[1:], status={"weight": 50}))
    match: RouteMatch = ir.tables["default/web"].routes[0].matches[0]
    (header,) = match.headers
    assert isinstance(header.match, Regex)
    assert [cookie for cookie in (*PAIRS, *OTHERS) if re.fullmatch(header.match.value, cookie)] == PAIRS


def test_what_was_divided_says_who_did_it_and_how_the_versions_are_called() -> None:
    ir, _ = mesh(canary(status={"weight": 20}))
    action = ir.tables["default/web"].routes[0].action
    assert isinstance(action, Forward)
    (split,) = action.splits
    assert (split.origin.name, split.stable, split.canary) == ("web", "default/web-v1", "default/web-v2")


def test_two_canaries_divide_one_route_each_its_own_part() -> None:
    more = tuple(service(n, ip=f"10.96.1.{i}", ports=HTTP) for i, n in enumerate(("api-v1", "api-v2"), 1))
    both = vs(hosts=["web"], http=[{"route": [to("web", weight=50), to("api", weight=50)]}])
    ir, _ = mesh(*more, both, canary(status={"weight": 20}), canary("api", status={"weight": 50}))
    assert shares(ir)[0] == {"web-v1": 8, "web-v2": 2, "api-v1": 5, "api-v2": 5}


def test_a_service_with_routes_of_bytes_alone_gets_one_for_requests_beside_them() -> None:
    ports = [{"name": "http", "port": 80}, {"name": "tcp-db", "port": 90}]
    both = tuple(service(n, ip=f"10.96.2.{i}", ports=ports) for i, n in enumerate(("shop", "shop-v1", "shop-v2"), 1))
    tcp = vs("bytes", hosts=["shop"], tcp=[{"match": [{"port": 90}], "route": [to("shop", port=90)]}])
    ir, problems = mesh(*both, tcp, canary("shop", status={"weight": 20}))
    assert (shares(ir, "default/shop"), problems) == ([{"shop-v1": 4, "shop-v2": 1}], [])
    assert ir.tables["default/shop"].bytes


BYTES = [{"name": "tcp", "port": 5432}]
DATABASES = tuple(service(name, ip=f"10.96.1.{i}", ports=BYTES) for i, name in enumerate(("db", "db-v1", "db-v2"), 1))


def of_connections(weight: int) -> Object:
    versions: dict[str, Any] = {"stable": {"service": "db-v1"}, "canary": {"service": "db-v2"}}
    return canary("db", service="db", status={"weight": weight}, **versions)


def tcproute(service: str, *backends: tuple[str, int], port: int) -> Object:
    refs = [{"name": name, "port": port, "weight": weight} for name, weight in backends]
    spec = {"parentRefs": [parent(service)], "rules": [{"backendRefs": refs}]}
    meta = {"name": f"to-{service}", "namespace": "default"}
    return parse({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "TCPRoute", "metadata": meta, "spec": spec})


def connected(table: str, *objects: Object) -> tuple[list[dict[str, int]], list[str]]:
    """Of each route of connections: version -> weight."""
    ir, problems = translate_mesh(World.of([*SERVICES, *DATABASES, *objects]), Options())
    found = ir.tables[table].bytes
    return [{b.service: b.weight for b in route.backends} for route in found], [p.code for p in problems]


def test_connections_of_a_service_without_routes_are_divided() -> None:
    assert connected("default/db", of_connections(20)) == ([{"db-v1": 4, "db-v2": 1}], [])


def test_a_tcproute_that_names_the_service_is_divided_and_others_keep_their_part() -> None:
    route = tcproute("db", ("db", 3), ("db-v3", 1), port=5432)
    other = service("db-v3", ip="10.96.1.9", ports=BYTES)
    found = connected("default/db", route, other, of_connections(20))
    assert found == ([{"db-v1": 12, "db-v2": 3, "db-v3": 5}], [])


def test_a_service_of_requests_whose_ports_tcproutes_have_is_divided_by_connections() -> None:
    found, problems = connected("default/web", tcproute("web", ("web", 1), port=80), canary(status={"weight": 50}))
    assert (found, problems) == ([{"web-v1": 1, "web-v2": 1}], [])
