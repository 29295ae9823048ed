"""Single rules of the tiers: what each peer and protocol means, and what cannot be evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from builders import cluster_policy
from tandem.base.problems import Origin
from tandem.ir.policy import Cidr, Domains, PortMatch, Verdict
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.clusterclause import Unclear, clause_of
from tandem.translate.policy.draft import Clause, NamedPort, NodeSelector, PodSelector

Raw = dict[str, Any]
AT = Origin(kind="ClusterNetworkPolicy", name="c")
ALL: Raw = {"namespaces": {}}
GT = {"matchExpressions": [{"key": "a", "operator": "Gt"}]}


def _clause(*, field: str = "egress", **rule: Any) -> Clause:
    word = {"egress": "to", "ingress": "from"}[field]
    raw = {"action": "Accept", word: [ALL], **rule}
    spec: dict[str, Any] = {field: [raw]}
    policy = cluster_policy(**spec)
    assert isinstance(policy, ClusterNetworkPolicy)
    (found,) = policy.spec.egress if field == "egress" else policy.spec.ingress
    return clause_of(found, AT, at=f"spec.{field}[0]", ports_word="protocols")


@pytest.mark.parametrize(
    ("peer", "meaning"),
    [
        (ALL, (PodSelector(namespaces=LabelSelector()),)),
        (
            {"pods": {"podSelector": {"matchLabels": {"a": "b"}}}},
            (PodSelector(namespaces=LabelSelector(), pods=LabelSelector(match_labels={"a": "b"})),),
        ),
        ({"nodes": {}}, (NodeSelector(nodes=LabelSelector()),)),
        ({"networks": ["10.0.0.0/8", "::/0"]}, (Cidr(prefix="10.0.0.0/8"), Cidr(prefix="::/0"))),
        (
            {"domainNames": ["Example.com.", "*.example.com", "example.com"]},
            (Domains(patterns=("*.example.com", "example.com")),),
        ),
    ],
)
def test_each_peer(peer: Raw, meaning: tuple[object, ...]) -> None:
    assert _clause(to=[peer]).peers == meaning


def test_each_protocol() -> None:
    protocols = [
        {"tcp": {"destinationPort": {"number": 80}}},
        {"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}},
        {"sctp": {"destinationPort": {"number": 7}}},
        {"destinationNamedPort": "web"},
    ]
    clause = _clause(protocols=protocols)
    assert clause.ports == (
        PortMatch(protocol="SCTP", first=7, last=7),
        PortMatch(protocol="TCP", first=80, last=80),
        PortMatch(protocol="UDP", first=1, last=9),
    )
    assert clause.names == (NamedPort(name="web"),)
    assert not clause.every_port
    assert _clause().every_port


@pytest.mark.parametrize(
    ("action", "verdict"), [("Accept", Verdict.ACCEPT), ("Deny", Verdict.DENY), ("Pass", Verdict.PASS)]
)
def test_each_action(action: str, verdict: Verdict) -> None:
    assert _clause(action=action).verdict is verdict


def test_ingress_may_name_ports_of_its_subject() -> None:
    clause = _clause(field="ingress", protocols=[{"destinationNamedPort": "web"}])
    assert clause.names == (NamedPort(name="web"),)


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        ({"action": "Log"}, "action", "InvalidValue"),
        ({"to": []}, "to", "UnknownPeer"),
        ({"to": [ALL, {}]}, "to[1]", "UnknownPeer"),
        ({"to": [{"nodes": {}, "namespaces": {}}]}, "to[0]", "UnknownPeer"),
        ({"to": [{"networks": ["10.0.0.0"]}]}, "to[0].networks[0]", "InvalidCidr"),
        ({"to": [{"namespaces": GT}]}, "to[0].namespaces.matchExpressions[0].operator", "UnknownOperator"),
        ({"to": [{"nodes": GT}]}, "to[0].nodes.matchExpressions[0].operator", "UnknownOperator"),
        (
            {"to": [{"pods": {"podSelector": GT}}]},
            "to[0].pods.podSelector.matchExpressions[0].operator",
            "UnknownOperator",
        ),
        ({"action": "Deny", "to": [{"domainNames": ["a.b"]}]}, "to[0].domainNames", "UnsupportedValue"),
        ({"action": "Pass", "to": [{"domainNames": ["a.b"]}]}, "to[0].domainNames", "UnsupportedValue"),
        ({"to": [{"domainNames": ["a.b", "*"]}]}, "to[0].domainNames[1]", "InvalidValue"),
        ({"protocols": [{}]}, "protocols[0]", "UnknownProtocol"),
        ({"protocols": [{"tcp": {}}]}, "protocols[0]", "UnknownProtocol"),
        ({"protocols": [{"tcp": {"destinationPort": {}}}]}, "protocols[0]", "UnknownProtocol"),
        (
            {"protocols": [{"tcp": {"destinationPort": {"number": 1}}, "destinationNamedPort": "x"}]},
            "protocols[0]",
            "UnknownProtocol",
        ),
        ({"protocols": [{"tcp": {"destinationPort": {"number": 0}}}]}, "protocols[0]", "InvalidPortRange"),
        (
            {"protocols": [{"udp": {"destinationPort": {"range": {"start": 9, "end": 8}}}}]},
            "protocols[0]",
            "InvalidPortRange",
        ),
        (
            {"to": [{"networks": ["10.0.0.0/8"]}], "protocols": [{"destinationNamedPort": "x"}]},
            "protocols",
            "NamedPortWithoutPods",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_named(rule: Raw, path: str, code: str) -> None:
    with pytest.raises(Unclear) as told:
        _clause(**rule)
    assert (told.value.path, told.value.code) == (f"spec.egress[0].{path}", code)


@pytest.mark.parametrize("peer", [{"nodes": {}}, {"networks": ["10.0.0.0/8"]}, {"domainNames": ["a.b"]}])
def test_ingress_knows_pods_alone(peer: Raw) -> None:
    with pytest.raises(Unclear) as told:
        _clause(field="ingress", **{"from": [peer]})
    assert (told.value.path, told.value.code) == ("spec.ingress[0].from[0]", "UnknownPeer")
