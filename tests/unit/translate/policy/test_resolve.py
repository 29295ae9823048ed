"""Single rules: what is empty, what is named, what is broken."""

from __future__ import annotations

from typing import Any

from builders import cluster_policy, pod, policy, world
from tandem.base.problems import Severity
from tandem.ir.policy import Anyone, Group, PortMatch, Rule
from tandem.model.meta import Object
from tandem.model.parse import parse
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


def test_egress_by_a_name_is_a_rule_for_each_number_of_the_peers() -> None:
    pods = (pod("a"), pod("b", ports={"http": 8080}), pod("c", ports={"http": 80}))
    rule = {"action": "Deny", "to": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "http"}]}
    ir, _ = translate_policy(world(*pods, cluster_policy(egress=[rule])))
    rules = ir.sets[ir.egress["uid-default-a"]].admin
    assert [r.ports for r in rules] == [(PortMatch(protocol="TCP", first=n, last=n),) for n in (80, 8080)]
    peers = [ir.groups[p.id].addresses for r in rules for p in r.peers if isinstance(p, Group)]
    assert peers == [pods[2].addresses, pods[1].addresses]


def test_a_name_without_a_protocol_is_of_whatever_protocol() -> None:
    ports = [
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns", "containerPort": 54, "protocol": "TCP"},
    ]
    rule = {"action": "Deny", "from": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "dns"}]}
    ir, _ = translate_policy(world(pod("a", ports=ports), cluster_policy(ingress=[rule])))
    (made,) = ir.sets[ir.ingress["uid-default-a"]].admin
    assert made.ports == (
        PortMatch(protocol="TCP", first=54, last=54),
        PortMatch(protocol="UDP", first=53, last=53),
    )


def test_a_denial_by_a_name_that_nobody_has_denies_nothing() -> None:
    rule = {"action": "Deny", "from": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "x"}]}
    ir, problems = translate_policy(world(pod("a"), cluster_policy(ingress=[rule])))
    assert ir.ingress == {}
    assert [(p.code, p.at.path) for p in problems] == [("NamedPortNotFound", "spec.ingress[0]")]


def test_nodes_are_the_addresses_of_their_status() -> None:
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n", "labels": {"role": "db"}},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "192.0.2.1"},
                {"type": "Hostname", "address": "n.example"},
                {"type": "InternalIP", "address": "2001:db8::1"},
            ]
        },
    }
    rules = [{"action": "Deny", "to": [{"nodes": {"matchLabels": {"role": r}}}]} for r in ("db", "web")]
    ir, _ = translate_policy(world(parse(raw), pod("a"), cluster_policy(egress=rules)))
    some, none = ir.sets[ir.egress["uid-default-a"]].admin
    assert [ir.groups[p.id].addresses for p in some.peers if isinstance(p, Group)] == [("192.0.2.1", "2001:db8::1")]
    assert [ir.groups[p.id].addresses for p in none.peers if isinstance(p, Group)] == [()]


def test_what_answers_and_what_is_kept_is_said_of_denials_alone() -> None:
    rules: list[Raw] = [{"action": a, "from": [{"namespaces": {}}]} for a in ("Accept", "Pass", "Deny")]
    notes = {"tandem.io/deny": "reject", "tandem.io/established": "keep"}
    ir, _ = translate_policy(world(pod("a"), cluster_policy(notes=notes, ingress=rules)))
    made = ir.sets[ir.ingress["uid-default-a"]].admin
    assert [(r.rejects, r.keeps) for r in made] == [(False, False), (False, False), (True, True)]
