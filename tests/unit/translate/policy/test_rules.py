"""Single rules: what is empty, what is named, what is broken."""

from __future__ import annotations

from typing import Any

from builders import pod, policy, world
from tandem.base.problems import Severity
from tandem.ir.policy import Anyone, PortMatch, Rule
from tandem.model.meta import Object
from tandem.translate.policy import translate_policy

Raw = dict[str, Any]


def _rules(*ingress: Raw, others: tuple[Object, ...] = ()) -> tuple[Rule, ...]:
    ir, _ = translate_policy(world(pod("a", ports={"http": 8080}), *others, policy(ingress=list(ingress))))
    return ir.sets[ir.ingress["uid-default-a"]].rules


def test_an_empty_rule_allows_everyone_everything() -> None:
    (rule,) = _rules({})
    assert (rule.peers, rule.ports) == ((Anyone(),), ())


def test_a_named_port_is_the_subjects_number() -> None:
    (rule,) = _rules({"ports": [{"port": "http"}]})
    assert rule.ports == (PortMatch(protocol="TCP", first=8080, last=8080),)


def test_a_rule_whose_ports_all_match_nothing_is_no_rule() -> None:
    assert _rules({"ports": [{"port": "absent"}]}) == ()


def test_a_peer_that_matches_no_pod_allows_nobody_and_is_no_mistake() -> None:
    nobody = {"from": [{"podSelector": {"matchLabels": {"app": "absent"}}}]}
    ir, problems = translate_policy(world(pod("a"), policy(ingress=[nobody])))
    assert [g.addresses for g in ir.groups.values()] == [()]
    assert problems == ()


def test_a_broken_prefix_is_an_error_and_matches_nobody() -> None:
    broken = policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}]}])
    ir, problems = translate_policy(world(pod("a"), broken))
    assert ir.sets[ir.ingress["uid-default-a"]].rules == ()
    assert [(p.code, p.severity) for p in problems] == [("InvalidCidr", Severity.ERROR)]
