"""Warnings about what is legal and hardly meant."""

from __future__ import annotations

from builders import cluster_policy, namespace, pod, policy, world
from tandem.base.problems import Severity
from tandem.model.meta import Object
from tandem.translate.policy import translate_policy


def _codes(*objects: Object) -> list[str]:
    _, problems = translate_policy(world(*objects))
    assert all(p.severity is Severity.WARNING for p in problems)
    return [p.code for p in problems]


def test_an_empty_from_is_named_with_its_cure() -> None:
    _, (problem,) = translate_policy(world(pod("a"), policy("deny-all", ingress=[{"from": []}])))
    assert problem.at.path == "spec.ingress[0]"
    assert "ingress: []" in problem.text


def test_a_rule_with_ports_for_everyone_is_no_mistake() -> None:
    assert _codes(pod("a"), policy(ingress=[{"ports": [{"port": 80}]}])) == []


def test_a_policy_for_nobody_is_named() -> None:
    assert _codes(namespace("default"), policy(podSelector={"matchLabels": {"a": "b"}})) == ["SelectsNoPod"]


def test_a_policy_in_no_namespace_is_named() -> None:
    assert _codes(policy(ns="nowhere")) == ["NamespaceNotFound"]


def test_egress_without_dns_is_named_unless_nothing_is_allowed() -> None:
    assert _codes(pod("a"), policy(policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}])) == ["DnsNotAllowed"]
    assert _codes(pod("a"), policy(policyTypes=["Egress"])) == []


def test_dns_that_a_policy_of_the_cluster_accepts_is_not_missed() -> None:
    dns = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    closed = policy(policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}])
    accepts = cluster_policy(egress=[{"action": "Accept", "to": [{"pods": dns}]}])
    passes = cluster_policy(egress=[{"action": "Pass", "to": [{"pods": dns}]}])
    assert _codes(pod("a"), closed, accepts) == []
    assert _codes(pod("a"), closed, passes) == ["DnsNotAllowed"]


def test_dns_through_an_ipblock_counts() -> None:
    block = {"to": [{"ipBlock": {"cidr": "10.96.0.0/16"}}], "ports": [{"protocol": "UDP", "port": 53}]}
    assert _codes(pod("a"), policy(policyTypes=["Egress"], egress=[block])) == []
