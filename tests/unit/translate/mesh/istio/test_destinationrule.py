"""DestinationRule: merging, subsets, refusal."""

from __future__ import annotations

from typing import Any

from builders import endpoint_slice, pod, service
from meshworlds import dr
from tandem.ir.traffic import ClientTls, LoadBalancer, Traffic
from tandem.model.istio import DestinationRule
from tandem.model.world import World
from tandem.translate.mesh.istio.destinationrule import DestinationRules, translate_destination_rules
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9")
PODS = [pod("a", app="web", version="v1")]
V1: dict[str, Any] = {"name": "v1", "labels": {"version": "v1"}}


def run(*rules: DestinationRule) -> DestinationRules:
    return translate_destination_rules(World.of([WEB, *PODS, endpoint_slice(WEB, PODS), *rules]), Options())


def codes(**spec: Any) -> list[tuple[str, str]]:
    found = run(dr(host="web", **spec))
    assert found.policies == {}
    return [(p.at.path, p.code) for p in found.problems]


def codes_of(found: DestinationRules) -> list[tuple[str, str]]:
    return [(p.at.path, p.code) for p in found.problems]


def test_a_rule_gives_its_service_balancer_tls_and_subsets() -> None:
    found = run(
        dr(
            host="web",
            trafficPolicy={"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "ISTIO_MUTUAL"}},
            subsets=[{**V1, "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}],
        )
    )
    policy = found.policies["default", "web"]
    assert (policy.traffic.lb, policy.traffic.tls) == (LoadBalancer.RANDOM, ClientTls.ISTIO_MUTUAL)
    (subset,) = policy.subsets
    assert subset.labels == (("version", "v1"),)
    assert subset.traffic == Traffic(lb=LoadBalancer.ROUND_ROBIN, tls=ClientTls.ISTIO_MUTUAL)
    assert found.problems == ()


def test_the_oldest_traffic_policy_is_used_and_subsets_are_joined() -> None:
    found = run(
        dr("new", created="2026-02-01T00:00:00Z", host="web", trafficPolicy={"tls": {"mode": "DISABLE"}}),
        dr("old", created="2026-01-01T00:00:00Z", host="web", subsets=[V1]),
    )
    policy = found.policies["default", "web"]
    assert (policy.traffic.tls, [s.name for s in policy.subsets]) == (ClientTls.DISABLE, ["v1"])
    assert [(p.at.name, p.code) for p in found.problems] == [("new", "Merged")]


def test_the_root_namespace_is_the_fall_back() -> None:
    root = dr("r", ns="istio-system", host="web.default.svc.cluster.local", subsets=[V1])
    assert [s.name for s in run(root).policies["default", "web"].subsets] == ["v1"]
    assert run(root, dr(host="web")).policies["default", "web"].subsets == ()


def test_a_pattern_is_about_every_service_that_it_covers() -> None:
    for ns, host in (
        ("istio-system", "*"),
        ("istio-system", "*.local"),
        ("istio-system", "*.svc.cluster.local"),
        ("default", "*.default.svc.cluster.local"),
    ):
        found = run(dr(ns=ns, host=host, trafficPolicy={"tls": {"mode": "DISABLE"}}))
        assert found.policies["default", "web"].traffic.tls is ClientTls.DISABLE, host
        assert found.problems == ()


def test_the_host_that_says_most_counts_alone_and_its_own_namespace_before_the_root() -> None:
    plain = {"tls": {"mode": "DISABLE"}}
    all_ = dr("all", ns="istio-system", host="*", trafficPolicy=plain, subsets=[V1])
    near = dr("near", ns="istio-system", host="*.default.svc.cluster.local", trafficPolicy={"tls": {}})
    own = dr("own", host="*.default.svc.cluster.local", trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    itself = dr("itself", host="web")
    assert run(all_).policies["default", "web"].traffic.tls is ClientTls.DISABLE
    assert run(all_, near).policies["default", "web"].origin == near.origin()
    assert run(all_, near, own).policies["default", "web"].traffic.lb is LoadBalancer.RANDOM
    assert run(all_, near, own, itself).policies["default", "web"].origin == itself.origin()
    assert run(all_, near, own, itself).policies["default", "web"].subsets == ()


def test_a_pattern_over_other_namespaces_belongs_into_the_root_one() -> None:
    elsewhere = service("web", ns="other", ip="10.96.0.10")
    found = translate_destination_rules(World.of([WEB, elsewhere, dr(host="*.local")]), Options())
    (problem,) = found.problems
    assert (problem.at.path, problem.code, found.policies) == ("spec.host", "UnsupportedValue", {})
    assert '"*.default.svc.cluster.local"' in problem.text
    assert codes_of(run(dr(host="*.nowhere.test"))) == [("spec.host", "HostNotFound")]


def test_what_is_wrong_with_a_pattern_is_told_once() -> None:
    second = service("api", ip="10.96.0.11")
    rules = [dr(n, host="*.default.svc.cluster.local", trafficPolicy={"tls": {}}) for n in ("a", "b")]
    found = translate_destination_rules(World.of([WEB, second, *rules]), Options())
    assert sorted((p.at.name, p.code) for p in found.problems) == [("b", "Merged"), ("b", "Shadowed")]


def test_fields_that_are_not_enforced_refuse_the_rule() -> None:
    assert codes(trafficPolicy={"outlierDetection": {"outlierDetectionHttpErrorCodes": [404]}}) == [
        ("spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes", "UnsupportedField")
    ]
    assert codes(trafficPolicy={"tls": {"mode": "MUTUAL"}}) == [
        ("spec.trafficPolicy.tls.clientCertificate", "InvalidValue")
    ]
    assert codes(trafficPolicy={"loadBalancer": {"simple": "PASSTHROUGH"}}) == [
        ("spec.trafficPolicy.loadBalancer.simple", "UnsupportedField")
    ]
    assert codes(subsets=[{**V1, "trafficPolicy": {"portLevelSettings": [{}]}}]) == [
        ("spec.subsets[0].trafficPolicy.portLevelSettings[0].port", "InvalidValue")
    ]
    assert codes(workloadSelector={"matchLabels": {}}) == [("spec.workloadSelector", "UnsupportedField")]


def test_a_rule_for_some_clients_alone_is_refused() -> None:
    assert codes(exportTo=["."]) == [("spec.exportTo", "UnsupportedValue")]
    elsewhere = run(dr(ns="shop", host="web.default.svc.cluster.local"))
    assert [p.code for p in elsewhere.problems] == ["UnsupportedValue"]


def test_an_unknown_host_is_reported() -> None:
    assert [p.code for p in run(dr(host="gone")).problems] == ["HostNotFound"]


def test_a_subset_defined_twice_in_one_rule_is_refused() -> None:
    assert codes(subsets=[V1, V1]) == [("spec.subsets[1].name", "InvalidValue")]


def test_the_affinity_of_the_service_comes_before_a_balancer_and_that_is_said() -> None:
    sticky = service("web", ip="10.96.0.9", sessionAffinity="ClientIP")
    rule = dr(
        host="web",
        trafficPolicy={"loadBalancer": {"simple": "RANDOM"}},
        subsets=[{**V1, "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}],
    )
    found = translate_destination_rules(World.of([sticky, *PODS, endpoint_slice(sticky, PODS), rule]), Options())
    assert [(p.at.path, p.code) for p in found.problems] == [
        ("spec.trafficPolicy.loadBalancer", "Shadowed"),
        ("spec.subsets[0].trafficPolicy.loadBalancer", "Shadowed"),
    ]
