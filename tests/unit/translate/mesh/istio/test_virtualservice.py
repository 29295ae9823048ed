"""VirtualService: hosts, visibility, merging, refusal as a whole."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import to, vs
from tandem.ir.mesh import RouteMatch
from tandem.model.istio import VirtualService
from tandem.model.world import World
from tandem.translate.mesh.context import Context, Layers
from tandem.translate.mesh.istio.virtualservice import translate_virtualservices
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
ROUTE: list[dict[str, Any]] = [{"route": [to("web")]}]


def run(*sources: VirtualService) -> Layers:
    world = World.of(
        [
            service("web", ports=HTTP),
            service("web", ns="shop", ports=HTTP),
            service("db", ports=[{"name": "mysql", "port": 80}]),
            *sources,
        ]
    )
    return translate_virtualservices(Context(world=world, options=Options(), policies={}))


def where(*sources: VirtualService) -> list[tuple[tuple[str, str], str, list[str]]]:
    return [(x.service, x.consumer, [r.name for r in x.routes]) for x in run(*sources).layers]


def codes(*sources: VirtualService) -> list[tuple[str, str]]:
    return [(p.at.path, p.code) for p in run(*sources).problems]


def test_a_short_host_is_a_service_of_the_own_namespace() -> None:
    assert where(vs(ns="shop", hosts=["web"], http=ROUTE)) == [(("shop", "web"), "", ["VirtualService/shop/vs/0"])]


def test_a_full_host_may_be_in_another_namespace() -> None:
    found = where(vs(ns="shop", hosts=["web.default.svc.cluster.local"], http=ROUTE))
    assert found[0][:2] == (("default", "web"), "")


def test_a_private_virtualservice_is_seen_in_its_namespace_alone() -> None:
    private = vs("p", ns="shop", hosts=["web.default.svc.cluster.local"], exportTo=["."], http=ROUTE)
    assert where(private) == [(("default", "web"), "shop", ["VirtualService/shop/p/0"])]
    public = vs(hosts=["web"], http=ROUTE)
    assert [(c, len(r)) for _, c, r in where(private, public)] == [("", 1), ("shop", 2)]


def test_the_older_one_s_routes_come_first_and_the_newer_is_warned() -> None:
    newer = vs("a", created="2026-02-01T00:00:00Z", hosts=["web"], http=ROUTE)
    older = vs("b", created="2026-01-01T00:00:00Z", hosts=["web"], http=ROUTE)
    assert where(newer, older)[0][2] == ["VirtualService/default/b/0", "VirtualService/default/a/0"]
    (problem,) = run(newer, older).problems
    assert (problem.at.name, problem.code) == ("a", "Merged")


def test_one_unsupported_field_refuses_the_whole() -> None:
    bad = vs(hosts=["web"], http=[{"match": [{"port": 80}], **ROUTE[0]}, {**ROUTE[0], "timeout": "soon"}])
    assert where(bad) == []
    assert codes(bad) == [("spec.http[1].timeout", "InvalidValue")]


def test_what_is_about_gateways_alone_is_left_to_them_and_wildcards_are_refused() -> None:
    assert codes(vs(hosts=["web"], gateways=["mesh"], http=ROUTE)) == []
    assert codes(vs(hosts=["web"], gateways=["mesh", "edge"], http=ROUTE)) == []
    assert codes(vs(hosts=["web"], gateways=["edge"], http=ROUTE)) == []
    assert where(vs(hosts=["web"], gateways=["edge"], http=ROUTE)) == []
    assert codes(vs(hosts=["*"], http=ROUTE)) == [("spec.hosts[0]", "UnsupportedValue")]
    both = run(vs(hosts=["*.shop.test", "web"], gateways=["mesh", "edge"], http=ROUTE))
    assert [(p.severity.value, p.code) for p in both.problems] == [("warning", "UnsupportedValue")]
    assert [layer.service for layer in both.layers] == [("default", "web")]
    assert codes(vs(hosts=["web"], tcp=[{}])) == [("spec.tcp[0].route", "InvalidValue")]


def test_an_unknown_host_does_not_take_the_known_one_along() -> None:
    source = vs(hosts=["gone", "web"], http=ROUTE)
    assert codes(source) == [("spec.hosts[0]", "HostNotFound")]
    assert [s for s, _, _ in where(source)] == [("default", "web")]


def test_a_host_whose_port_is_not_http_is_reported() -> None:
    assert codes(vs(hosts=["db"], http=ROUTE)) == [("spec.hosts[0]", "PortNotHTTP")]


def test_routes_after_one_for_everything_are_reported() -> None:
    assert codes(vs(hosts=["web"], http=[*ROUTE, *ROUTE])) == [("spec.http[1]", "Unreachable")]


def test_a_layer_is_about_the_ports_and_sources_of_its_matches() -> None:
    limited = vs(hosts=["web"], http=[{"match": [{"port": 80, "uri": {"prefix": "/"}}], **ROUTE[0]}])
    assert run(limited).layers[0].scopes == (RouteMatch(ports=(80,)),)
    assert run(vs(hosts=["web"], http=ROUTE)).layers[0].scopes == (RouteMatch(),)
