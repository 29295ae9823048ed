"""Counts of rules, of all nodes together."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.observe.counts import RuleCount
from tandem.views.counts import Wanted, counts, lines, totals

WEB = Origin(kind="NetworkPolicy", namespace="shop", name="web", path="spec.ingress[0]")
ADMIN = Origin(kind="ClusterNetworkPolicy", namespace="", name="lockdown", path="spec.egress[1]")
REPORTED = (
    RuleCount(rule=WEB, verdict="allowed", direction="ingress", count=3),
    RuleCount(rule=ADMIN, verdict="denied", direction="egress", count=5),
    RuleCount(rule=WEB, verdict="allowed", direction="ingress", count=4),
    RuleCount(rule=WEB, verdict="staged", direction="ingress", count=1),
)


def test_the_numbers_of_nodes_are_added() -> None:
    found = counts(REPORTED, Wanted(name="web", kind="NetworkPolicy", namespace="shop"))
    assert [(c["verdict"], c["count"]) for c in found] == [("allowed", 7), ("staged", 1)]
    assert [c["rule"]["name"] for c in counts(REPORTED, Wanted())] == ["lockdown", "web", "web"]
    assert counts(REPORTED, Wanted(kind="AdminNetworkPolicy")) == []


def test_totals_are_by_verdict() -> None:
    assert totals(REPORTED) == {"allowed": 7, "denied": 5, "staged": 1}
    assert totals(()) == {"allowed": 0, "denied": 0, "staged": 0}


def test_a_rule_is_a_line() -> None:
    assert lines(counts(REPORTED, Wanted(name="lockdown"))) == ["denied   egress          5  spec.egress[1]"]
