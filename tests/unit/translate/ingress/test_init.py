"""Istio's Gateways as a whole."""

from __future__ import annotations

import msgspec

from builders import service
from gatewayworlds import gateway as k8s_gateway
from gatewayworlds import gateway_class, pool, tls_secret
from ingressworlds import KEY, edge, gateway, hosts_at, https, made, problems, secret, server, to, translated, vs
from meshworlds import dr
from tandem.ir.mesh import Forward
from tandem.ir.paths import Paths
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.world import translate_world


def test_all_gateways_that_select_it_share_one_gateway_and_its_addresses() -> None:
    found = edge(gateway("a", server()), gateway("b", https(), ns="other"), secret())
    assert list(found.gateways) == [KEY]
    assert [(p.port, p.tls) for p in found.gateways[KEY].ports] == [(80, False), (443, True)]
    assert found.ingress["default", "a"] == found.ingress["other", "b"]
    assert found.ingress["default", "a"].addresses == found.gateways[KEY].addresses != ()


def test_it_calls_pods_as_istios_own_gateway_does() -> None:
    who = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
    assert made(gateway()).identity == who


def test_it_has_an_address_beside_those_of_the_gateway_api() -> None:
    found = edge(gateway(), gateway_class(), k8s_gateway())
    assert not set(found.gateways[KEY].addresses) & set(found.gateways["default/edge"].addresses)
    targets = [port.target for one in found.gateways.values() for port in one.ports]
    assert len(targets) == len(set(targets))


def test_it_keeps_its_address_when_others_come() -> None:
    held = {"addresses": [{"value": "192.0.2.70"}]}
    found = edge(gateway("shop", status=held), gateway_class(), k8s_gateway(created="2020-01-01T00:00:00Z"))
    assert found.gateways[KEY].addresses == ("192.0.2.70",)
    assert found.gateways["default/edge"].addresses != ("192.0.2.70",)


def test_an_annotation_names_the_pool() -> None:
    notes = {"tandem.io/load-balancer-pool": "inner"}
    found = edge(gateway("shop", notes=notes), pool("198.51.100.9/32", name="inner", automatic=False))
    assert found.gateways[KEY].addresses == ("198.51.100.9",)


def test_each_gateway_says_for_its_own_servers_whether_they_take_http3() -> None:
    asking = gateway("a", https("a.test"), notes={"tandem.io/http3": "true"})
    ports = made(asking, gateway("b", https("b.test")), secret()).ports
    assert [(one.hostname, one.http3) for port in ports for one in port.listeners] == [
        ("a.test", True),
        ("b.test", False),
    ]


def test_an_annotation_that_is_in_vain_or_unknown_is_told() -> None:
    asked, egress = {"tandem.io/http3": "true"}, {"istio": "egressgateway"}
    found = problems(
        gateway("plain", server(port=80), notes=asked),
        gateway("out", server(port=81), notes=asked, selector=egress),
        gateway("odd", server(port=82), notes={"tandem.io/http-3": "true"}),
    )
    told = [(p.at.name, p.code) for p in found if p.at.path.startswith("metadata")]
    assert sorted(told) == [("odd", "UnknownAnnotation"), ("out", "NoEffect"), ("plain", "NoEffect")]


def test_without_an_address_nothing_is_sent_and_each_gateway_is_told() -> None:
    taken = service("lb", type="LoadBalancer", cluster_ip="10.96.0.9")
    world = World.of([gateway("a"), gateway("b"), pool("192.0.2.1/32"), taken, k8s_gateway(), gateway_class()])
    found = translate_world(world, Options())
    assert KEY not in found.edge.gateways
    told = {p.at.name: p.code for p in found.problems if p.at.kind == "IstioGateway"}
    assert told == {"a": "AddressNotAssigned", "b": "AddressNotAssigned"}


def test_subsets_and_weights_are_those_of_the_mesh() -> None:
    subsets = [{"name": n, "labels": {"version": n}} for n in ("v1", "v2")]
    shares = [{"destination": {"host": "web", "subset": n}, "weight": w} for n, w in (("v1", 90), ("v2", 10))]
    found = hosts_at(made(gateway(), dr("web", host="web", subsets=subsets), vs("web", {"route": shares})))
    action = found["shop.test"].routes[0].action
    assert isinstance(action, Forward)
    assert [(b.service, b.port, b.subset, b.weight) for b in action.backends] == [
        ("web", 80, "v1", 90),
        ("web", 80, "v2", 10),
    ]


def test_a_virtualservice_for_both_is_at_the_gateway_and_in_the_mesh() -> None:
    both = vs("web", to(timeout="3s"), hosts=("shop.test", "web"), at=("mesh", "shop"))
    found = translated(gateway(), both)
    assert [r.timeout_ms for r in found.mesh.tables["default/web"].routes] == [3000]
    assert set(hosts_at(found.edge.gateways[KEY])) == {"shop.test", "web.default.svc.cluster.local"}
    assert [(p.severity.value, p.code) for p in found.problems if p.at.kind == "VirtualService"] == [
        ("warning", "HostNotFound")
    ]


def test_paths_are_those_of_the_mesh_and_nobody_is_redirected_for_them() -> None:
    assert made(gateway(), vs()).paths is Paths.BASE


def test_a_port_that_a_route_names_is_parsed_as_http() -> None:
    plain = service("db", ports=[{"name": "", "port": 80}])
    found = translated(gateway(), vs("web", to("db")), plain)
    assert found.services["default/db"].ports[0].app.is_http


def test_a_gateway_that_is_being_deleted_is_not_served() -> None:
    one = gateway()
    meta = msgspec.structs.replace(one.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    assert edge(msgspec.structs.replace(one, metadata=meta)).gateways == {}


def test_without_any_of_istios_objects_nothing_is_done() -> None:
    assert edge(tls_secret()).ingress == {}


def test_what_is_whole_has_no_problem() -> None:
    assert problems(gateway("shop", server(), https()), secret(), vs()) == ()
