"""Routes that lead through an egress gateway."""

from __future__ import annotations

from typing import Any, cast

import pytest

import ingressworlds as istio
from builders import service
from meshworlds import authz, reqauth, vs
from tandem.ir.mesh import BytesRoute, Forward, Respond, Route
from tandem.model.egress import ServiceEntry
from tandem.model.istio import VirtualService
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.egressgateways import full_host, is_egress
from tandem.translate.mesh.istio.egressguards import LABELS
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.mesh.istio.virtualservice import Accepted, read_virtualservice
from tandem.translate.options import Options

CODE = "EgressGateway"
EGRESS = "istio-egressgateway.istio-system.svc.cluster.local"
PORTS = [
    {"number": 80, "name": "http", "protocol": "HTTP"},
    {"number": 443, "name": "tls", "protocol": "TLS"},
    {"number": 9000, "name": "raw", "protocol": "TCP"},
]
SELECTED = {"istio": "egressgateway"}
AT = istio.gateway(
    "out",
    istio.server("a.test", "b.test"),
    istio.server("*.test", port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"}),
    istio.server("a.test", port=9000, protocol="TCP"),
    selector=SELECTED,
)


def entry(*hosts: str) -> ServiceEntry:
    spec = {"hosts": list(hosts), "ports": PORTS, "resolution": "DNS"}
    meta = {"name": "outside", "namespace": "default"}
    return cast(
        "ServiceEntry", parse({"apiVersion": istio.API, "kind": "ServiceEntry", "metadata": meta, "spec": spec})
    )


def to(host: str, port: int, *matches: dict[str, Any], **more: Any) -> dict[str, Any]:
    route = {"route": [{"destination": {"host": host, "port": {"number": port}}}], **more}
    return {"match": list(matches), **route} if matches else route


def way(port: int = 80, **more: Any) -> dict[str, Any]:
    return to(EGRESS, port, {"gateways": ["mesh"]}, **more)


def there(port: int = 80, *, on: int = 0, **match: Any) -> dict[str, Any]:
    return to("a.test", port, {"gateways": ["out"], **({"port": on} if on else {}), **match})


def read(source: VirtualService, *objects: Object) -> tuple[Accepted | None, list[tuple[str, str]]]:
    world = World.of([entry("a.test", "b.test"), AT, source, *objects])
    context = Context(world=world, options=Options(), entries=read_entries(world, Options()), policies={})
    found, problems = read_virtualservice(source, context)
    return found, [(p.at.path, p.code) for p in problems]


def both(*http: dict[str, Any], hosts: tuple[str, ...] = ("a.test",), **spec: Any) -> VirtualService:
    routes: dict[str, Any] = {"http": list(http)} if http else {}
    return vs(hosts=list(hosts), gateways=["out", "mesh"], **routes, **spec)


def told(routes: tuple[Route, ...]) -> list[tuple[str, Any]]:
    """Where each stands, and where it leads: Service and port, or a status."""
    found: list[tuple[str, Any]] = []
    for route in routes:
        action = route.action
        ends = [(b.service, b.port) for b in action.backends] if isinstance(action, Forward) else []
        found.append((route.origin.path, ends or (action.status if isinstance(action, Respond) else None)))
    return found


def requests(*http: dict[str, Any], objects: tuple[Object, ...] = (), **more: Any) -> list[tuple[str, Any]]:
    found, problems = read(both(*http, **more), *objects)
    assert problems == []
    assert found is not None
    return told(found.routes)


def carried(routes: tuple[BytesRoute, ...]) -> list[tuple[str, tuple[str, ...], list[tuple[str, int]]]]:
    return [
        (r.origin.path, tuple(n for m in r.matches for n in m.server_names), [(b.service, b.port) for b in r.backends])
        for r in routes
    ]


def test_a_route_to_the_gateway_becomes_those_that_are_there() -> None:
    assert requests(way(), there()) == [("spec.http[1]", [("a.test", 80)])]
    another = vs("other", hosts=["*.test"], gateways=["default/out"], http=[to("b.test", 443)])
    assert requests(way(), objects=(another,)) == [("spec.http[0]", [("b.test", 443)])]


def test_what_no_route_at_the_gateway_takes_is_answered_with_404() -> None:
    found = requests(way(), there(uri={"prefix": "/x"}))
    assert found == [("spec.http[1]", [("a.test", 80)]), ("spec.http[0]", 404)]


def test_matches_of_other_ports_and_gateways_are_about_nothing_there() -> None:
    assert requests(way(), there(on=81), there(sourceLabels={"app": "x"})) == [("spec.http[0]", 404)]
    assert requests(way(), there(on=80, sourceLabels=SELECTED)) == [("spec.http[1]", [("a.test", 80)])]


def test_sessions_and_connections_go_the_same_way_and_the_rest_is_closed() -> None:
    tls = [to(EGRESS, 443, {"gateways": ["mesh"], "sniHosts": ["a.test"]}), there(443, on=443, sniHosts=["a.test"])]
    tcp = [to(EGRESS, 9000, {"gateways": ["mesh"], "port": 9000}), there(9000, on=9000)]
    found, problems = read(both(tls=tls, tcp=tcp))
    assert problems == []
    assert found is not None
    assert carried(found.bytes) == [
        ("spec.tls[1]", ("a.test",), [("a.test", 443)]),
        ("spec.tls[0]", ("a.test",), [("!gone", 0)]),
        ("spec.tcp[1]", (), [("a.test", 9000)]),
        ("spec.tcp[0]", (), [("!gone", 0)]),
    ]


ASKING = authz(ns="istio-system", action="CUSTOM", provider={"name": "x"}, rules=[{}])
BY_PATH = authz(ns="istio-system", rules=[{"to": [{"operation": {"paths": ["/b"]}}]}])


@pytest.mark.parametrize(
    ("http", "objects", "path"),
    [
        ((way(81), there()), (), "route[0].destination"),
        ((to(EGRESS, 80, {"gateways": ["mesh"]}),), (), ""),
        ((way(), there()), (ASKING,), "route[0].destination"),
        ((way(rewrite={"uri": "/a"}), there()), (BY_PATH,), "route[0].destination"),
        ((way(headers={"request": {"remove": ["x"]}}), there()), (BY_PATH,), "route[0].destination"),
        ((way(), there()), (reqauth(ns="istio-system"),), "route[0].destination"),
        ((way(rewrite={"uri": "/a"}), {**there(), "rewrite": {"uri": "/b"}}), (), "rewrite"),
    ],
)  # fmt: skip
def test_what_would_be_lost_is_answered_with_503_and_told(
    http: tuple[dict[str, Any], ...], objects: tuple[Object, ...], path: str
) -> None:
    found, problems = read(both(*http), *objects)
    assert found is not None
    if not path:
        assert told(found.routes) == [("spec.http[0]", 404)]
        return
    assert told(found.routes)[0] == ("spec.http[0]", 503)
    where = "" if path == "rewrite" else f".{path}"
    assert problems == [(f"spec.http[0]{where}", CODE)]


def test_what_judges_at_the_gateway_judges_what_leads_through_it_also_what_no_route_takes() -> None:
    judging = authz("judges", ns="istio-system", selector={"matchLabels": SELECTED}, rules=[{}])
    beside = authz(rules=[{}])
    ingress = authz("in", ns="istio-system", selector={"matchLabels": {"istio": "ingressgateway"}}, rules=[{}])
    tcp = [to(EGRESS, 9000, {"gateways": ["mesh"], "port": 9000}), there(9000, on=9000)]
    found, problems = read(both(way(), there(uri={"prefix": "/x"}), tcp=tcp), judging, beside, ingress)
    assert problems == []
    assert found is not None
    assert [[p.origin.name for p in r.authorization] for r in found.routes] == [["judges"], ["judges"]]
    assert [[p.origin.name for p in r.authorization] for r in found.bytes] == [["judges"], []]


def test_the_gateway_has_all_of_a_route_or_nothing() -> None:
    shared = way()
    shared["route"] = [{**shared["route"][0], "weight": 1}, {"destination": {"host": "a.test"}, "weight": 1}]
    found, problems = read(both(shared, there()))
    assert found is not None
    assert (told(found.routes)[0], problems) == (("spec.http[0]", 503), [("spec.http[0]", CODE)])


def test_one_virtualservice_at_the_gateway_must_have_all_hosts() -> None:
    some = vs("some", hosts=["a.test"], gateways=["out"], http=[to("a.test", 80)])
    source = vs(hosts=["a.test", "b.test"], http=[to(EGRESS, 80)])
    found, problems = read(source, some)
    assert found is not None
    assert (told(found.routes), problems) == (
        [("spec.http[0]", 503)],
        [("spec.http[0].route[0].destination", CODE)],
    )


def test_without_a_port_that_of_the_match_is_meant() -> None:
    bare = to(EGRESS, 80, {"gateways": ["mesh"], "port": 80})
    del bare["route"][0]["destination"]["port"]
    assert requests(bare, there()) == [("spec.http[1]", [("a.test", 80)])]
    bare["match"] = [{"gateways": ["mesh"]}]
    assert read(both(bare, there()))[1] == [("spec.http[0].route[0].destination.port", CODE)]


def test_a_service_of_that_name_is_a_service() -> None:
    real = service("istio-egressgateway", ns="istio-system", ports=[{"name": "http", "port": 80}])
    found, problems = read(both(way(), there()), real)
    assert found is not None
    assert (told(found.routes), problems) == ([("spec.http[0]", [("istio-egressgateway", 80)])], [])


def test_clients_at_gateways_do_not_go_through_it() -> None:
    found, problems = read(vs(hosts=["a.test"], gateways=["out", "mesh"], http=[to(EGRESS, 80)]))
    assert found is not None
    assert (told(found.routes), problems) == (
        [("spec.http[0]", 503)],
        [("spec.http[0].route[0].destination.host", "HostNotFound")],
    )


def test_only_a_selector_of_its_labels_means_it() -> None:
    for name, values in LABELS.items():
        assert all(is_egress(istio.gateway(selector={name: value})) for value in values)
    assert not is_egress(istio.gateway(selector={}))
    assert not is_egress(istio.gateway(selector={"istio": "ingressgateway"}))


def test_a_short_name_is_a_services() -> None:
    assert full_host("web", "shop", Options()) == "web.shop.svc.cluster.local"
    assert full_host("A.test", "shop", Options()) == "a.test"


def test_a_gateway_of_it_is_in_force_without_an_address_and_certificates_have_no_place() -> None:
    route = vs(hosts=["a.test"], gateways=["out"], http=[to("a.test", 80)])
    found = istio.translated(entry("a.test", "b.test"), AT, route)
    assert (found.edge.ingress["default", "out"].within, istio.KEY in found.edge.gateways) == (True, False)
    assert istio.problems(entry("a.test", "b.test"), AT, route) == ()
    wrong = istio.gateway("out", istio.https("a.test"), selector=SELECTED)
    assert ("spec.servers[0].tls.mode", "UnsupportedValue") in istio.codes(wrong)
    unmet = vs(hosts=["c.other"], gateways=["out"], http=[to("a.test", 80)])
    assert ("spec.hosts", "NoMatchingHost") in istio.codes(entry("a.test"), AT, unmet)
