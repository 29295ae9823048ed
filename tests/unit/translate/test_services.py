"""Services and endpoints: which are used, under which identity."""

from __future__ import annotations

from typing import Any, cast

from builders import pod, service
from meshworlds import peerauth
from tandem.base.problems import Severity
from tandem.ir.fabric import Endpoint
from tandem.ir.locality import locality_of
from tandem.ir.policy import PolicyIR
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.pods import translate_pods
from tandem.translate.services import Services, translate_services

MESHED = {"tandem.io/mesh": "enabled", "app": "web"}
NO_POLICY = PolicyIR(sets={}, groups={}, ingress={}, egress={})


def slice_of(*endpoints: dict[str, Any], ports: dict[str, int] | None = None, kind: str = "IPv4") -> core.EndpointSlice:
    raw = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"web-{len(endpoints)}-{kind}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": kind,
        "endpoints": list(endpoints),
        "ports": [{"name": k, "port": v} for k, v in (ports or {"http": 8080}).items()],
    }
    return cast("core.EndpointSlice", parse(raw))


def at(address: str, *, of: core.Pod | None = None, **conditions: bool) -> dict[str, Any]:
    raw: dict[str, Any] = {"addresses": [address], "conditions": conditions}
    if of is not None:
        raw["targetRef"] = {"kind": "Pod", "name": of.metadata.name, "uid": of.metadata.uid}
    return raw


def run(*objects: Object) -> Services:
    world = World.of([service("web", ip="10.96.0.5", ports=[{"name": "http", "port": 80}]), *objects])
    return translate_services(world, translate_pods(world, Options(), NO_POLICY).pods)


def endpoints(*objects: Object) -> tuple[Endpoint, ...]:
    return run(*objects).endpoints["default/web"].endpoints


def test_a_service_without_slices_has_an_empty_endpoints_value() -> None:
    assert endpoints() == ()


def test_unknown_readiness_counts_as_ready() -> None:
    assert [e.address for e in endpoints(slice_of(at("10.0.0.1"), at("10.0.0.2", ready=False)))] == ["10.0.0.1"]


def test_terminating_endpoints_serve_only_while_none_is_ready() -> None:
    leaving = at("10.0.0.2", ready=False, serving=True, terminating=True)
    dead = at("10.0.0.3", ready=False, serving=False, terminating=True)
    assert [e.address for e in endpoints(slice_of(leaving, dead))] == ["10.0.0.2"]
    assert [e.address for e in endpoints(slice_of(leaving, at("10.0.0.1", ready=True)))] == ["10.0.0.1"]


def test_a_meshed_pod_gives_its_endpoint_identity_and_labels() -> None:
    web = pod("a", labels=MESHED)
    (found,) = endpoints(web, slice_of(at("10.0.0.1", of=web)))
    assert found.identity == "spiffe://cluster.local/ns/default/sa/default"
    assert ("app", "web") in found.labels
    assert (found.pod, found.pod_name) == ("uid-default-a", "a")


def test_a_pod_may_say_where_its_endpoint_is() -> None:
    web = pod("a", labels={**MESHED, "istio-locality": "eu.west"})
    (found,) = endpoints(web, slice_of(at("10.0.0.1", of=web)))
    assert found.locality == locality_of("eu/west")


def test_a_pod_outside_the_mesh_gives_no_identity() -> None:
    web = pod("a", app="web")
    (found,) = endpoints(web, slice_of(at("10.0.0.1", of=web)))
    assert found.identity is None


def test_ports_that_disable_mtls_are_listed_apart() -> None:
    web = pod("a", labels=MESHED)
    policy = peerauth(selector={"matchLabels": {"app": "web"}}, portLevelMtls={"9090": {"mode": "DISABLE"}})
    found = endpoints(web, policy, slice_of(at("10.0.0.1", of=web), ports={"http": 8080, "metrics": 9090}))
    assert [(e.ports, e.identity is not None) for e in found] == [
        ((("http", 8080),), True),
        ((("metrics", 9090),), False),
    ]


def test_an_endpoint_in_two_slices_is_ready_if_one_says_so() -> None:
    other = slice_of(at("10.0.0.1", ready=True), at("10.0.0.9", ready=False))
    assert [e.address for e in endpoints(slice_of(at("10.0.0.1", ready=False)), other)] == ["10.0.0.1"]


def test_named_addresses_are_reported_and_not_used() -> None:
    found = run(slice_of(at("example.com"), kind="FQDN"))
    assert found.endpoints["default/web"].endpoints == ()
    assert [p.code for p in found.problems] == ["UnsupportedValue"]


def test_a_headless_service_has_no_cluster_address() -> None:
    world = World.of([service("db", ip="None")])
    assert translate_services(world, {}).services["default/db"].cluster_ips == ()


def test_an_external_name_is_kept_only_for_that_type() -> None:
    world = World.of(
        [service("x", type="ExternalName", externalName="example.com"), service("y", externalName="ignored.example")]
    )
    services = translate_services(world, {}).services
    assert (services["default/x"].external_name, services["default/y"].external_name) == ("example.com", "")


def spec_of(**spec: Any) -> core.Service:
    return service("web", ip="10.96.0.5", ports=[{"name": "http", "port": 80, "nodePort": 30080}], **spec)


def only(of: core.Service, *objects: Object) -> Services:
    world = World.of([of, *objects])
    return translate_services(world, translate_pods(world, Options(), NO_POLICY).pods)


def test_node_ports_policies_and_affinity_reach_the_nodes() -> None:
    made = only(
        spec_of(
            type="NodePort",
            externalTrafficPolicy="Local",
            internalTrafficPolicy="Local",
            sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}},
            externalIPs=["203.0.113.1"],
        )
    ).services["default/web"]
    assert (made.ports[0].node_port, made.external_local, made.internal_local) == (30080, True, True)
    assert (made.affinity_seconds, made.external_ips) == (60, ("203.0.113.1",))


def test_a_cluster_ip_service_has_no_node_port() -> None:
    made = only(spec_of(externalTrafficPolicy="Local")).services["default/web"]
    assert (made.ports[0].node_port, made.external_local, made.affinity_seconds) == (0, False, 0)


def test_endpoints_that_serve_last_are_kept_apart_for_policies_local() -> None:
    ready, ending = at("10.0.0.1"), at("10.0.0.2", ready=False, serving=True, terminating=True)
    found = only(spec_of(internalTrafficPolicy="Local"), slice_of(ready, ending)).endpoints["default/web"]
    assert [e.address for e in found.endpoints] == ["10.0.0.1"]
    assert [e.address for e in found.last] == ["10.0.0.2"]
    assert only(spec_of(), slice_of(ready, ending)).endpoints["default/web"].last == ()


def test_the_address_of_another_implementation_is_said_to_be_missing() -> None:
    found = only(spec_of(type="LoadBalancer", loadBalancerClass="example.com/x")).problems
    assert [(p.at.path, p.severity) for p in found] == [("spec.loadBalancerClass", Severity.WARNING)]


def test_source_ranges_and_health_ports_are_those_of_load_balancers() -> None:
    fields = {
        "loadBalancerSourceRanges": ["10.0.0.1/8"],
        "healthCheckNodePort": 31000,
        "externalTrafficPolicy": "Local",
    }
    made = only(spec_of(type="LoadBalancer", **fields)).services["default/web"]
    assert (made.sources, made.health_port) == (("10.0.0.0/8",), 31000)
    other = only(spec_of(type="NodePort", **fields)).services["default/web"]
    assert (other.sources, other.health_port) == (None, 0)


def test_a_source_range_that_cannot_be_read_allows_nobody() -> None:
    found = only(spec_of(type="LoadBalancer", loadBalancerSourceRanges=["everyone"]))
    assert found.services["default/web"].sources == ()
    assert [(p.at.path, p.severity) for p in found.problems] == [("spec.loadBalancerSourceRanges[0]", Severity.ERROR)]


def test_hints_are_for_ready_endpoints() -> None:
    hints = {"forZones": [{"name": "b"}, {"name": "a"}], "forNodes": [{"name": "node-1"}]}
    ready, ending = at("10.0.0.1"), at("10.0.0.2", ready=False, serving=True, terminating=True)
    (here,) = only(spec_of(), slice_of(ready | {"hints": hints}, ending)).endpoints["default/web"].endpoints
    assert (here.ready, here.for_zones, here.for_nodes) == (True, ("a", "b"), ("node-1",))
    (last,) = only(spec_of(), slice_of(ending | {"hints": hints})).endpoints["default/web"].endpoints
    assert (last.ready, last.for_zones, last.for_nodes) == (False, (), ())


def test_an_external_address_that_the_cluster_gives_out_is_not_served_and_told() -> None:
    web = spec_of(externalIPs=["203.0.113.1", "10.96.0.7", "10.244.3.9", "fd00::9"])
    inner = ("10.244.0.0/16", "10.96.0.0/16", "fd00::/64")
    found = translate_services(World.of([web]), {}, inner=inner)
    assert found.services["default/web"].external_ips == ("203.0.113.1",)
    assert [(p.code, p.at.path) for p in found.problems] == [
        ("AddressInUse", f"spec.externalIPs[{i}]") for i in (1, 2, 3)
    ]
    assert "10.96.0.7 is of 10.96.0.0/16" in found.problems[0].text
