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


def test_a_pattern_over_other_namespaces_is_about_what_its_own_callers_reach_there() -> None:
    elsewhere = service("web", ns="other", ip="10.96.0.10")
    rule = dr(host="*.local", trafficPolicy={"tls": {"mode": "DISABLE"}})
    found = translate_destination_rules(World.of([WEB, elsewhere, rule]), Options())
    assert found.problems == ()
    assert found.policies["default", "web"].origin == rule.origin()
    assert found.policies["default", "web"].callers == ()
    there = found.policies["other", "web"]
    assert (there.origin, there.traffic) == (None, Traffic())
    assert [(one.namespace, one.policy.traffic.tls) for one in there.callers] == [("default", ClientTls.DISABLE)]
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


def test_rules_for_some_callers_alone_are_beside_the_one_for_all() -> None:
    full = "web.default.svc.cluster.local"
    every = dr("every", host="web", subsets=[V1])
    private = dr("own", ns="shop", host=full, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    few = dr("few", ns="shop", host=full, workloadSelector={"matchLabels": {"app": "till"}}, subsets=[V1])
    found = run(every, private, few)
    policy = found.policies["default", "web"]
    assert (found.problems, policy.origin) == ((), every.origin())
    assert [(one.namespace, one.labels, one.policy.origin) for one in policy.callers] == [
        ("shop", (("app", "till"),), few.origin()),
        ("shop", (), private.origin()),
    ]
    assert policy.callers[1].policy.traffic.lb is LoadBalancer.RANDOM
    assert (policy.subset_names, policy.callers[1].policy.subsets) == (("v1",), ())


def test_keys_of_a_rule_for_callers_lie_beside_that_rule() -> None:
    tls = {"mode": "MUTUAL", "credentialName": "keys"}
    rule = dr(ns="shop", host="web.default.svc.cluster.local", trafficPolicy={"tls": tls})
    (problem,) = run(rule).problems
    assert (problem.code, "in namespace shop" in problem.text) == ("SecretNotFound", True)


def test_an_export_that_nobody_hears_is_told() -> None:
    far = run(dr(ns="shop", host="web.default.svc.cluster.local", exportTo=["shop", "bank"]))
    assert codes_of(far) == [("spec.exportTo", "NoEffect")]
    assert "callers in bank do not see it" in far.problems[0].text
    assert codes_of(run(dr(host="web", exportTo=["bank"]))) == []
    assert codes_of(run(dr(ns="istio-system", host="web.default.svc.cluster.local", exportTo=["bank"]))) == []


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
