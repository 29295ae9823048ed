"""What is legal and hardly meant."""

from __future__ import annotations

from typing import Any

import pytest

from builders import cluster_policy
from tandem.translate.policy.clusterpolicy import draft_clusterpolicy

Raw = dict[str, Any]
ALL: Raw = {"namespaces": {}}
RED: Raw = {"namespaces": {"matchLabels": {"team": "red"}}}
WEB: Raw = {"pods": {"namespaceSelector": {"matchLabels": {"team": "red"}}, "podSelector": {"matchLabels": {"a": "b"}}}}
ANY: Raw = {"networks": ["0.0.0.0/0", "::/0"]}
DNS: Raw = {
    "pods": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
}


def tcp(first: int, last: int = 0) -> Raw:
    port = {"range": {"start": first, "end": last}} if last else {"number": first}
    return {"tcp": {"destinationPort": port}}


def udp(number: int) -> Raw:
    return {"udp": {"destinationPort": {"number": number}}}


def rule(*peers: Raw, action: str = "Pass", protocols: list[Raw] | None = None) -> Raw:
    return {"action": action, "to": list(peers), **({"protocols": protocols} if protocols else {})}


def told(*rules: Raw, **spec: Any) -> list[tuple[str, str]]:
    draft = draft_clusterpolicy(cluster_policy(egress=list(rules), **spec))
    return [(p.code, p.at.path) for p in draft.problems]


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (rule(ALL), rule(ALL)),
        (rule(ALL), rule(RED, WEB)),
        (rule(RED), rule(WEB)),
        (rule(ANY), rule(WEB, {"nodes": {}})),
        (rule({"nodes": {}}), rule({"nodes": {"matchLabels": {"a": "b"}}})),
        (rule(WEB, RED), rule(WEB, protocols=[tcp(80)])),
        (rule(WEB, protocols=[tcp(80, 90), udp(53)]), rule(WEB, protocols=[tcp(85), udp(53)])),
        (rule(WEB, protocols=[{"destinationNamedPort": "x"}]), rule(WEB, protocols=[{"destinationNamedPort": "x"}])),
    ],
)
def test_a_rule_that_no_packet_reaches(early: Raw, late: Raw) -> None:
    assert told(early, late) == [("Unreachable", "spec.egress[1]")]


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (rule(WEB), rule(RED)),
        (rule(RED), rule(ALL)),
        (rule(RED), rule(ANY)),
        (rule(ALL, protocols=[tcp(80)]), rule(ALL)),
        (rule(ALL, protocols=[tcp(80)]), rule(ALL, protocols=[tcp(80, 81)])),
        (rule(ALL, protocols=[tcp(80)]), rule(ALL, protocols=[{"destinationNamedPort": "x"}])),
        (rule({"networks": ["0.0.0.0/0"]}), rule(WEB)),
    ],
)
def test_a_rule_that_some_packet_may_reach(early: Raw, late: Raw) -> None:
    assert told(early, late) == []


@pytest.mark.parametrize(
    "rules",
    [
        [rule(ALL, action="Deny")],
        [rule(ANY, action="Deny")],
        [rule(ALL, action="Deny", protocols=[udp(53)])],
        [rule(RED, action="Pass"), rule(ALL, action="Deny")],
        [rule(DNS, action="Accept", protocols=[tcp(53)]), rule(ALL, action="Deny")],
    ],
)
def test_dns_is_denied(rules: list[Raw]) -> None:
    assert told(*rules) == [("DnsDenied", f"spec.egress[{len(rules) - 1}]")]
    assert told(*rules, tier="Baseline") == []


@pytest.mark.parametrize(
    "rules",
    [
        [rule(DNS, action="Accept", protocols=[udp(53)]), rule(ALL, action="Deny")],
        [rule(DNS, action="Pass"), rule(ANY, action="Deny")],
        [rule(RED, action="Deny")],
        [rule({"nodes": {}}, action="Deny")],
        [rule({"domainNames": ["a.b"]}, action="Accept")],
        [rule(ALL, action="Deny", protocols=[tcp(53)])],
        [rule({"networks": ["10.0.0.0/8"]}, action="Deny")],
    ],
)
def test_dns_is_not_denied(rules: list[Raw]) -> None:
    assert told(*rules) == []
