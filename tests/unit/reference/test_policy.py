"""The reference evaluator, against what the Kubernetes documentation says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import namespace, pod, policy, world
from tandem.model.core import Node
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.reference.policy import Decision, Evaluator, Packet, decide

WEB = pod("web", ip="10.244.0.2", app="web", ports={"http": 8080})
CLIENT = pod("client", ip="10.244.0.3", app="client")
ALICE = pod("alice", namespace="users", ip="10.244.0.4", app="client")


def ask(*policies: Object, source: str = "client", port: int = 80, protocol: str = "TCP") -> Decision:
    found = world(WEB, CLIENT, ALICE, namespace("users", user="alice"), *policies)
    packet = Packet(source_pod=("default", source), destination_pod=("default", "web"), port=port, protocol=protocol)
    return decide(found, packet)


def test_without_policy_everything_is_allowed_by_default() -> None:
    decision = ask()
    assert decision.allowed
    assert [s.effect for s in decision.steps] == ["default allow", "default allow"]


def test_a_policy_without_rules_denies_and_is_named() -> None:
    decision = ask(policy("deny-all", ingress=[], source="deny.yaml:1"))
    assert (decision.allowed, decision.denied_by) == (False, "ingress")
    assert [(s.effect, s.name, s.source) for s in decision.steps if s.side == "ingress"] == [
        ("isolates", "deny-all", "deny.yaml:1"),
        ("default deny", "", ""),
    ]


def test_both_sides_must_allow() -> None:
    decision = ask(policy("quiet", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"]))
    assert (decision.allowed, decision.denied_by) == (False, "egress")


ANYWHERE = {"from": [{"ipBlock": {"cidr": "10.244.0.0/24", "except": ["10.244.0.3/32"]}}]}
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], bool]] = {
    "an empty from is everyone": ([{"from": []}], {}, True),
    "a pod selector in its own namespace": (
        [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
        {},
        True,
    ),
    "a pod selector never reaches another namespace": ([{"from": [{"podSelector": {}}]}], {"source": "none"}, False),
    "a peer with both selectors needs both": (
        [{"from": [{"namespaceSelector": {"matchLabels": {"user": "alice"}}, "podSelector": {}}]}],
        {},
        False,
    ),
    "an excepted address": ([ANYWHERE], {}, False),
    "an excepted address that a second rule allows": (
        [ANYWHERE, {"from": [{"ipBlock": {"cidr": "10.244.0.3/32"}}]}],
        {},
        True,
    ),
    "a named port on the destination": ([{"ports": [{"port": "http"}]}], {"port": 8080}, True),
    "the number is not the name": ([{"ports": [{"port": "http"}]}], {"port": 80}, False),
    "a range includes its ends": ([{"ports": [{"port": 70, "endPort": 80}]}], {}, True),
    "the protocol defaults to TCP": ([{"ports": [{"port": 80}]}], {"protocol": "UDP"}, False),
    "rules without ports cover ICMP": ([{}], {"protocol": "ICMP", "port": 0}, True),
    "rules with ports do not cover ICMP": ([{"ports": [{}]}], {"protocol": "ICMP", "port": 0}, False),
}


@pytest.mark.parametrize("name", CASES)
def test_ingress_rules(name: str) -> None:
    rules, packet, allowed = CASES[name]
    if packet.get("source") == "none":
        found = world(WEB, ALICE, policy(podSelector={"matchLabels": {"app": "web"}}, ingress=rules))
        decision = decide(found, Packet(source="10.244.0.4", destination="10.244.0.2", port=80))
    else:
        decision = ask(policy(podSelector={"matchLabels": {"app": "web"}}, ingress=rules), **packet)
    assert decision.allowed is allowed


def test_a_node_reaches_its_own_pods() -> None:
    node = parse(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node-1"},
            "spec": {"podCIDR": "10.244.0.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
        }
    )
    assert isinstance(node, Node)
    found = world(WEB, node, policy(ingress=[]))
    for source in ("192.168.0.1", "10.244.0.1"):
        assert decide(found, Packet(source=source, destination="10.244.0.2", port=80)).allowed
    assert not decide(found, Packet(source="192.168.0.2", destination="10.244.0.2", port=80)).allowed


def test_a_pod_reaches_itself() -> None:
    found = world(WEB, policy(ingress=[]))
    assert decide(found, Packet(source="10.244.0.2", destination="10.244.0.2", port=80)).allowed


def test_the_resolver_is_a_pod_of_kube_system() -> None:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    found = world(CLIENT, policy(policyTypes=["Egress"], egress=[{"to": [peer]}]))
    asked = Packet(source="10.244.0.3", destination="10.96.0.10", protocol="UDP", port=53)
    assert decide(found, asked).allowed
    assert not decide(found, asked, dns_addresses=()).allowed


def test_a_decision_is_json() -> None:
    assert b'"denied_by":"ingress"' in msgspec.json.encode(ask(policy(ingress=[])))


UNREADABLE: dict[str, dict[str, Any]] = {
    "a selector with an operator that nobody knows": {
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "Like"}]},
        "ingress": [{}],
    },
    "a block beside a selector": {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}, "podSelector": {}}]}]},
    "an exception that is no prefix": {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["x"]}}]}]},
    "a peer of no kind": {"ingress": [{"from": [{}]}]},
    "a peer with an operator that nobody knows": {
        "ingress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}}]}]
    },
    "a range that ends before it begins": {"ingress": [{"ports": [{"port": 80, "endPort": 79}]}]},
    "a range without a beginning": {"ingress": [{"ports": [{"endPort": 90}]}]},
    "a type that nobody knows": {"policyTypes": ["Sideways"]},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_isolates_and_allows_nobody(name: str) -> None:
    assert not ask(policy(**UNREADABLE[name])).allowed


def test_a_refusal_needs_every_policy_that_isolates_to_ask_for_it() -> None:
    asking = policy("asking", policyTypes=["Ingress"], notes={"tandem.io/deny": "reject"})
    assert ask(asking).rejects
    assert not ask(asking, policy("silent", policyTypes=["Ingress"])).rejects


def test_a_staged_policy_isolates_nobody_and_is_told() -> None:
    decision = ask(policy("later", policyTypes=["Ingress"], notes={"tandem.io/staged": "true"}))
    assert decision.allowed
    assert decision.staged is not None
    assert [str(o) for o in decision.staged.by] == ["NetworkPolicy default/later spec.ingress"]


def test_every_policy_on_the_way_is_known() -> None:
    out = policy("out", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"])
    inner, other = policy("in", policyTypes=["Ingress"]), policy("other", ns="users", policyTypes=["Ingress"])
    packet = Packet(source_pod=("default", "client"), destination_pod=("default", "web"), port=80)
    found = Evaluator(world(WEB, CLIENT, out, inner, other)).judging(packet)
    assert [p.metadata.name for p in found] == ["out", "in"]
