"""Istio's objects of security as they are read."""

from __future__ import annotations

from meshworlds import authz, peerauth


def test_a_mode_that_is_not_given_is_unset() -> None:
    assert peerauth().spec.mtls.mode == "UNSET"
    assert peerauth(portLevelMtls={"8080": {"mode": "DISABLE"}}).spec.port_level_mtls["8080"].mode == "DISABLE"


def test_a_policy_without_action_and_rules_allows_nothing() -> None:
    spec = authz().spec
    assert (spec.action, spec.rules, spec.selector) == ("ALLOW", (), None)


def test_a_rule_keeps_its_parts_by_their_names_of_the_api() -> None:
    (rule,) = authz(
        rules=[{"from": [{"source": {"notNamespaces": ["a"]}}], "to": [{"operation": {"ports": ["80"]}}]}]
    ).spec.rules
    assert rule.sources[0].source.not_namespaces == ("a",)
    assert rule.operations[0].operation.ports == ("80",)
