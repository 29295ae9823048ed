"""The draft of a NetworkPolicy, and what of it allows nobody."""

from __future__ import annotations

from typing import Any

import pytest

from builders import policy
from tandem.base.problems import Severity
from tandem.ir.policy import Anyone, Cidr, PortMatch
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.draft import Clause, Draft, NamedPort, PodSelector, Tier
from tandem.translate.policy.networkpolicy import draft_networkpolicy

Raw = dict[str, Any]


def _draft(**spec: Any) -> Draft:
    return draft_networkpolicy(policy(**spec))


def _clauses(rule: Raw) -> tuple[Clause, ...]:
    judgement = _draft(ingress=[rule]).ingress
    assert judgement is not None
    return judgement.clauses


def _told(draft: Draft) -> list[tuple[str, str, Severity]]:
    return [(p.at.path, p.code, p.severity) for p in draft.problems]


def test_who_is_judged_and_where() -> None:
    draft = _draft(podSelector={"matchLabels": {"a": "b"}})
    assert (draft.tier, draft.order) == (Tier.NETWORK, ("default", "p"))
    assert draft.subject == PodSelector(namespace="default", pods=LabelSelector(match_labels={"a": "b"}))
    assert draft.ingress is not None
    assert draft.ingress.clauses == ()
    assert draft.egress is None


def test_peers_are_relative_to_the_namespace() -> None:
    (clause,) = _clauses({"from": [{"podSelector": {}}, {"namespaceSelector": {}}]})
    assert clause.peers == (PodSelector(namespace="default"), PodSelector(namespaces=LabelSelector()))
    assert clause.every_port


def test_ports_are_numbers_ranges_and_names() -> None:
    ports = [{"port": 80}, {"port": 90, "endPort": 99}, {"port": "dns", "protocol": "UDP"}, {"protocol": "SCTP"}]
    (clause,) = _clauses({"ports": ports})
    assert clause.peers == (Anyone(),)
    assert clause.ports == (
        PortMatch(protocol="SCTP"),
        PortMatch(protocol="TCP", first=80, last=80),
        PortMatch(protocol="TCP", first=90, last=99),
    )
    assert clause.names == (NamedPort(name="dns", protocol="UDP"),)
    assert not clause.every_port


def test_old_prefixes_mean_what_they_always_meant() -> None:
    block = {"cidr": "::ffff:10.0.0.0/104", "except": ["10.001.0.0/16", "10.2.3.4/24"]}
    draft = _draft(ingress=[{"from": [{"ipBlock": block}]}])
    assert draft.ingress is not None
    assert draft.ingress.clauses[0].peers == (Cidr(prefix="10.0.0.0/8", excepts=("10.1.0.0/16", "10.2.3.0/24")),)
    path = "spec.ingress[0].from[0].ipBlock"
    odd = (f"{path}.cidr", f"{path}.except[0]", f"{path}.except[1]")
    assert _told(draft) == [(p, "OddPrefix", Severity.WARNING) for p in odd]


def test_an_except_outside_takes_nothing_and_is_told() -> None:
    draft = _draft(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/8", "11.0.0.0/8"]}}]}])
    assert draft.ingress is not None
    assert draft.ingress.clauses[0].peers == (Cidr(prefix="10.0.0.0/8"),)
    path = "spec.ingress[0].from[0].ipBlock.except"
    assert _told(draft) == [(f"{path}[{i}]", "ExceptOutside", Severity.WARNING) for i in (0, 1)]


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        ({"from": [{}]}, "from[0]", "EmptyPeer"),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0"}}]}, "from[0].ipBlock.cidr", "InvalidCidr"),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}]},
            "from[0].ipBlock.except[0]",
            "InvalidCidr",
        ),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}, "from[0].ipBlock", "InvalidPeer"),
        (
            {"from": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}]},
            "from[0].podSelector.matchExpressions[0].operator",
            "UnknownOperator",
        ),
        ({"ports": [{"protocol": "ICMP"}]}, "ports[0].protocol", "InvalidValue"),
        ({"ports": [{"port": 0}]}, "ports[0].port", "InvalidPortRange"),
        ({"ports": [{"port": 1, "endPort": 65536}]}, "ports[0].port", "InvalidPortRange"),
        ({"ports": [{"port": 9, "endPort": 8}]}, "ports[0].endPort", "InvalidPortRange"),
        ({"ports": [{"port": "web", "endPort": 8}]}, "ports[0].endPort", "InvalidPortRange"),
        ({"ports": [{"endPort": 8}]}, "ports[0].endPort", "InvalidPortRange"),
    ],
)
def test_what_cannot_be_evaluated_allows_nobody_and_names_its_field(rule: Raw, path: str, code: str) -> None:
    draft = _draft(ingress=[rule])
    assert draft.ingress is not None
    assert draft.ingress.clauses == ()
    assert _told(draft) == [(f"spec.ingress[0].{path}", code, Severity.ERROR)]


def test_a_broken_part_leaves_the_others_of_its_rule_in_force() -> None:
    (clause,) = _clauses({"from": [{}, {"podSelector": {}}], "ports": [{"port": 0}, {"port": 80}]})
    assert clause.peers == (PodSelector(namespace="default"),)
    assert clause.ports == (PortMatch(protocol="TCP", first=80, last=80),)


def test_an_unknown_type_isolates_for_both() -> None:
    draft = _draft(policyTypes=["Ingress", "Forward"])
    assert draft.ingress is not None
    assert draft.egress is not None
    assert _told(draft) == [("spec.policyTypes[1]", "InvalidValue", Severity.ERROR)]


def test_a_pod_selector_that_nobody_understands_isolates_the_namespace_and_allows_nobody() -> None:
    draft = _draft(podSelector={"matchExpressions": [{"key": "a", "operator": "Gt"}]}, ingress=[{}])
    assert draft.ingress is not None
    assert draft.ingress.clauses == ()
    assert draft.subject == PodSelector(namespace="default")
    assert _told(draft) == [("spec.podSelector.matchExpressions[0].operator", "UnknownOperator", Severity.ERROR)]


def test_annotations_are_heeded() -> None:
    notes = {"tandem.io/staged": "true", "tandem.io/deny": "reject", "tandem.io/established": "keep"}
    draft = draft_networkpolicy(policy(notes=notes))
    assert (draft.staged, draft.rejects, draft.keeps) == (True, True, True)
