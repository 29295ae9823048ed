"""HTTPRoutes for a mesh with VirtualServices: which objects there are, and what is told."""

from __future__ import annotations

from typing import Any

import ingressworlds as istio
from builders import service
from consulworlds import resolver, route, router, split, splitter, versions
from meshworlds import authz, dr, vs
from tandem.model.core import Service
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.translate.faults import fault_tables, read_faults
from tandem.translate.gatewayapi.write import Written, write_gateway_api
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

PORTS: list[dict[str, Any]] = [{"port": 80, "name": "http", "targetPort": 8080}, {"port": 81, "name": "http-b"}]


def web(name: str = "web", namespace: str = "default", **more: Any) -> Service:
    return service(name, ns=namespace, **{"ports": PORTS[:1], "selector": {"app": name}, **more})


def to(host: str, **more: Any) -> dict[str, Any]:
    return {"destination": {"host": host, **more}}


def write(*objects: Object) -> Written:
    world = World.of(objects)
    return write_gateway_api(world, translate_mesh(world, Options())[0], Options())


def told(made: Written) -> list[str]:
    return [f"{r.code} {r.at.kind} {r.at.path}" for r in made.remarks]


def test_a_split_between_subsets_is_one_between_services() -> None:
    split = [{**to("web", subset="v1"), "weight": 90}, {**to("web", subset="v2"), "weight": 10}]
    rule = dr(host="web", subsets=[{"name": v, "labels": {"version": v}} for v in ("v1", "v2")])
    made = write(web(), rule, vs("split", hosts=["web"], http=[{"route": split}]))
    assert told(made) == []
    one, two, route = made.objects
    assert [raw["metadata"]["name"] for raw in (one, two)] == ["web-v1", "web-v2"]
    assert two["spec"] == {
        "selector": {"app": "web", "version": "v2"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
    }
    assert route["metadata"] == {"name": "split-web", "namespace": "default"}
    assert route["spec"] == {
        "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "rules": [
            {
                "backendRefs": [
                    {"name": "web-v1", "port": 80, "weight": 90},
                    {"name": "web-v2", "port": 80, "weight": 10},
                ]
            }
        ],
    }


def test_where_the_port_that_is_dialled_matters_each_has_a_route() -> None:
    http = [{"match": [{"port": 81}], "route": [to("web", port={"number": 80})]}]
    (route,) = write(web(ports=PORTS), vs(hosts=["web"], http=http)).objects
    assert (route["metadata"]["name"], route["spec"]["parentRefs"][0]["port"]) == ("vs-web-81", 81)
    both = write(web(ports=PORTS), web("api", ports=PORTS), vs(hosts=["web"], http=[{"route": [to("api")]}])).objects
    assert [(r["spec"]["parentRefs"][0]["port"], r["spec"]["rules"][0]["backendRefs"][0]["port"]) for r in both] == [
        (80, 80),
        (81, 81),
    ]


def test_backends_of_another_namespace_are_granted() -> None:
    http = [{"route": [to("api.shop.svc.cluster.local")]}]
    grant, route = write(web(), web("api", "shop"), vs(hosts=["web"], http=http)).objects
    assert (grant["kind"], grant["metadata"]["namespace"]) == ("ReferenceGrant", "shop")
    assert grant["spec"]["to"] == [{"group": "", "kind": "Service", "name": "api"}]
    assert route["spec"]["rules"][0]["backendRefs"][0]["namespace"] == "shop"


def test_for_clients_of_one_namespace_it_is_a_consumer_route() -> None:
    http = [{"route": [to("web")]}]
    made = write(web(), vs(hosts=["web"], http=http, exportTo=["shop"]))
    *_, route = made.objects
    assert route["metadata"]["namespace"] == "shop"
    assert route["spec"]["parentRefs"][0]["namespace"] == "default"
    assert told(write(web(), vs(hosts=["web"], http=http, exportTo=["."]))) == [
        "NotCarried VirtualService spec.http[0]"
    ]


def test_an_order_that_cannot_be_kept_is_told() -> None:
    http = [
        {"match": [{"uri": {"prefix": "/"}, "headers": {"a": {"regex": "x.*"}}}], "route": [to("web")]},
        {"match": [{"uri": {"exact": "/v"}, "headers": {"a": {"regex": ".*y"}}}], "route": [to("api")]},
    ]
    assert told(write(web(), web("api"), vs(hosts=["web"], http=http))) == [
        "NotCarried VirtualService spec.http[0].match"
    ]


def test_what_depends_on_its_prefix_is_not_moved_below_another() -> None:
    http = [
        {"match": [{"headers": {"a": {"exact": "1"}}}], "rewrite": {"uri": "/x"}, "route": [to("web")]},
        {"match": [{"uri": {"exact": "/v"}}], "route": [to("api")]},
    ]
    assert "NotCarried VirtualService spec.http[0].match" in told(
        write(web(), web("api"), vs(hosts=["web"], http=http))
    )


def test_what_is_not_written_at_all_is_told() -> None:
    policy = dr(host="web", trafficPolicy={"tls": {"mode": "DISABLE"}})
    edge = vs("edge", hosts=["web.test"], gateways=["edge"], http=[{"route": [to("web")]}])
    assert told(write(web(), policy, edge)) == [
        "NotCarried DestinationRule spec.trafficPolicy.tls",
        "NotCarried VirtualService spec.gateways",
    ]


def test_faults_become_objects_at_the_rules_that_were_written() -> None:
    slow = {"delay": {"fixedDelay": "1.5s", "percentage": {"value": 12.5}}}
    sad = {"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}}}
    rules = [
        {"match": [{"uri": {"exact": "/slow"}}], "route": [to("web")], "fault": slow},
        {"match": [{"uri": {"exact": "/sad"}}], "route": [to("web")], "fault": sad},
        {"route": [to("web")]},
    ]
    made = write(web(), vs("trouble", hosts=["web"], http=rules))
    assert told(made) == []
    route, *faults = made.objects
    assert [rule.get("name") for rule in route["spec"]["rules"]] == ["rule-0", "rule-1", None]
    assert [raw["metadata"]["name"] for raw in faults] == ["trouble-web-rule-0", "trouble-web-rule-1"]
    world = World.of([web(), *(parse(raw) for raw in made.objects)])
    mesh = fault_tables(translate_mesh(world, Options())[0], read_faults(world))
    found = [route.fault for route in mesh.tables["default/web"].routes]
    assert [(f.delay_ms, f.delay_per_million, f.abort_grpc) if f is not None else None for f in found[:3]] == [
        (1500, 125_000, None),
        (0, 1_000_000, 14),
        None,
    ]
    assert [problem for raw in made.objects for problem in validate(raw)] == []


def test_consuls_chain_is_written_and_what_has_no_form_is_told() -> None:
    made = write(
        web(),
        web("b"),
        router("web", route("b", match={"pathExact": "/b", "methods": ["GET", "PUT"]}, idleTimeout="1s")),
        splitter("web", split(90), split(10, subset="v2")),
        resolver(
            "web",
            subsets=versions("v2"),
            connectTimeout="1s",
            failover={"*": {"service": "b"}},
            prioritizeByLocality={"mode": "none"},
        ),
    )
    assert told(made) == [
        "NotCarried ServiceResolver spec.failover",
        "NotCarried ServiceResolver spec.prioritizeByLocality",
        "NotCarried ServiceResolver spec.subsets[v2].filter",
        "NotCarried ServiceRouter spec.routes[0].destination.idleTimeout",
    ]
    subset, found, *policies = made.objects
    assert subset["spec"]["selector"] == {"app": "web", "consul.hashicorp.com/service-meta-version": "v2"}
    first, rest = found["spec"]["rules"]
    assert [match["method"] for match in first["matches"]] == ["GET", "PUT"]
    assert first["timeouts"] == {"request": "15s"}
    assert [(ref["name"], ref["weight"]) for ref in rest["backendRefs"]] == [("web", 9000), ("web-v2", 1000)]
    assert {policy["spec"]["connections"]["connectTimeout"] for policy in policies} == {"1s"}


def test_policies_of_an_egress_gateway_that_judge_a_route_are_lost_and_told() -> None:
    at = istio.gateway("out", istio.server("web.default.svc.cluster.local"), selector={"istio": "egressgateway"})
    door = "istio-egressgateway.istio-system.svc.cluster.local"
    way = {"match": [{"gateways": ["mesh"], "port": 80}], "route": [to(door, port={"number": 80})]}
    on = {"match": [{"gateways": ["out"]}], "route": [to("web", port={"number": 80})]}
    source = vs("web", hosts=["web"], gateways=["out", "mesh"], http=[way, on])
    assert "NotCarried VirtualService spec.http[1]" not in told(write(web(), at, source))
    assert "NotCarried VirtualService spec.http[1]" in told(
        write(web(), at, source, authz(ns="istio-system", rules=[{}]))
    )
