"""Whole policies of the tiers: their place, their subject, and what fails closed."""

from __future__ import annotations

from typing import Any

import pytest

from builders import cluster_policy
from tandem.base.problems import Severity
from tandem.ir.policy import Anyone, Verdict
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.clusterpolicy import draft_clusterpolicy
from tandem.translate.policy.draft import EVERY_POD, Clause, Draft, PodSelector, Tier

Raw = dict[str, Any]
ALL: list[Raw] = [{"namespaces": {}}]
RULES = [{"action": a, "from": [{"namespaces": {"matchLabels": {"may": a}}}]} for a in ("Accept", "Deny", "Pass")]


def _draft(name: str = "c", **spec: Any) -> Draft:
    return draft_clusterpolicy(cluster_policy(name, **spec))


def _clauses(draft: Draft) -> tuple[Clause, ...]:
    assert draft.ingress is not None
    return draft.ingress.clauses


def test_the_order_of_a_tier_is_priority_then_kind_then_name() -> None:
    drafts = [
        _draft("b", priority=5),
        _draft("a", priority=5),
        _draft("z", priority=4, kind="AdminNetworkPolicy"),
        _draft("a", priority=5, kind="AdminNetworkPolicy"),
        _draft("default", kind="BaselineAdminNetworkPolicy"),
        _draft("base", tier="Baseline", priority=1000),
    ]
    said = [(d.tier, d.origin.kind, d.origin.name) for d in sorted(drafts, key=lambda d: d.key)]
    assert said == [
        (Tier.ADMIN, "AdminNetworkPolicy", "z"),
        (Tier.ADMIN, "ClusterNetworkPolicy", "a"),
        (Tier.ADMIN, "ClusterNetworkPolicy", "b"),
        (Tier.ADMIN, "AdminNetworkPolicy", "a"),
        (Tier.BASELINE, "ClusterNetworkPolicy", "base"),
        (Tier.BASELINE, "BaselineAdminNetworkPolicy", "default"),
    ]


def test_subjects_are_pods_of_namespaces() -> None:
    labels = LabelSelector(match_labels={"a": "b"})
    assert _draft(subject={"namespaces": {"matchLabels": {"a": "b"}}}).subject == PodSelector(namespaces=labels)
    pods = {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}
    assert _draft(subject={"pods": pods}).subject == PodSelector(namespaces=labels)


def test_a_side_without_rules_is_not_judged() -> None:
    draft = _draft(ingress=[{"action": "Deny", "from": ALL}])
    assert draft.ingress is not None
    assert draft.egress is None


def test_rules_keep_their_order_and_their_names() -> None:
    draft = _draft(ingress=[{"name": f"r{i}", **rule} for i, rule in enumerate(RULES)])
    assert [c.verdict for c in _clauses(draft)] == [Verdict.ACCEPT, Verdict.DENY, Verdict.PASS]
    assert [c.origin.path for c in _clauses(draft)] == [f'spec.ingress[{i}] "r{i}"' for i in range(3)]


@pytest.mark.parametrize("action", ["Deny", "Pass", "Log"])
def test_a_rule_that_cannot_be_evaluated_denies_everything(action: str) -> None:
    draft = _draft(ingress=[{"action": action, "from": [{}], "protocols": [{"destinationNamedPort": "x"}]}])
    (clause,) = _clauses(draft)
    assert (clause.verdict, clause.peers, clause.every_port) == (Verdict.DENY, (Anyone(),), True)
    assert [p.severity for p in draft.problems] == [Severity.ERROR]
    assert draft.problems[0].text.endswith("the rule denies everything")


def test_an_accept_that_cannot_be_evaluated_matches_nothing_also_with_a_sound_peer() -> None:
    draft = _draft(ingress=[{"action": "Accept", "from": [*ALL, {}]}])
    assert _clauses(draft) == ()
    assert [(p.at.path, p.code) for p in draft.problems] == [("spec.ingress[0].from[1]", "UnknownPeer")]


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ({}, "spec.subject"),
        ({"namespaces": {}, "pods": {"podSelector": {}}}, "spec.subject"),
        (
            {"namespaces": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}},
            "spec.subject.namespaces.matchExpressions[0].operator",
        ),
    ],
)
def test_with_a_subject_that_nobody_understands_every_pod_is_denied_and_none_accepted(subject: Raw, path: str) -> None:
    draft = _draft(subject=subject, ingress=RULES)
    assert draft.subject == EVERY_POD
    assert [(c.verdict, c.peers) for c in _clauses(draft)] == [(Verdict.DENY, (Anyone(),))] * 2
    assert [p.at.path for p in draft.problems] == [path]


def test_a_tier_that_nobody_understands_is_admin_and_accepts_nothing() -> None:
    draft = _draft(tier="Developer", ingress=RULES)
    assert draft.tier is Tier.ADMIN
    assert [(c.verdict, c.peers) for c in _clauses(draft)] == [(Verdict.DENY, (Anyone(),))] * 2
    assert [p.at.path for p in draft.problems] == ["spec.tier"]


def test_the_older_kinds_have_their_own_paths() -> None:
    rule = {"action": "Allow", "from": ALL, "ports": [{}]}
    draft = _draft(kind="AdminNetworkPolicy", ingress=[rule])
    assert [(p.at.kind, p.at.path) for p in draft.problems] == [("AdminNetworkPolicy", "spec.ingress[0].ports[0]")]


def test_annotations_are_heeded() -> None:
    notes = {"tandem.io/staged": "true", "tandem.io/deny": "reject", "tandem.io/established": "keep"}
    draft = _draft(notes=notes)
    assert (draft.staged, draft.rejects, draft.keeps) == (True, True, True)
