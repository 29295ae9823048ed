"""The tiers of the network-policy API, against what its documentation says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import cluster_policy, namespace, node, pod, policy, world
from tandem.model.core import NodeAddress, NodeStatus
from tandem.model.meta import Object
from tandem.reference.policy import Decision, Packet, decide
from tandem.reference.tiers import policies_of

WEB = pod("web", ip="10.244.0.2", app="web", ports={"http": 8080})
CLIENT = pod("client", ip="10.244.0.3", app="client")
ALICE = pod("alice", namespace="users", ip="10.244.0.4", app="client")
AGENT = pod("agent", ip="192.168.0.7", app="client", host_network=True)
NODE_IP = "192.168.0.7"
AROUND: tuple[Object, ...] = (WEB, CLIENT, ALICE, AGENT, namespace("users", team="a"))
ANYONE: list[dict[str, Any]] = [{"namespaces": {}}]
PODS = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}}
WEB_ONLY = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}
CLIENT_ONLY = {"pods": PODS}
OPEN = policy("open", podSelector={"matchLabels": {"app": "web"}}, ingress=[{}])
SHUT = policy("shut", podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress"])


def ask(
    *policies: Object, source: str = "client", port: int = 80, protocol: str = "TCP", to: str = "", **names: Any
) -> Decision:
    packet = Packet(
        source_pod=("users" if source == "alice" else "default", source),
        destination_pod=None if to else ("default", "web"),
        destination=to,
        port=port,
        protocol=protocol,
    )
    return decide(world(*AROUND, *policies), packet, **names)


def rule(action: str, peers: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"action": action, "from": ANYONE if peers is None else peers, **more}


def out(action: str, *peers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"action": action, "to": list(peers), **more}


def test_a_denial_of_tier_admin_overrides_what_networkpolicy_allows() -> None:
    decision = ask(OPEN, cluster_policy(ingress=[rule("Deny", name="no")]))
    assert (decision.allowed, decision.denied_by) == (False, "ingress")
    assert [str(o) for o in decision.by] == ['ClusterNetworkPolicy c spec.ingress[0] "no"']


def test_an_accept_of_tier_admin_overrides_what_networkpolicy_denies() -> None:
    assert not ask(SHUT).allowed
    assert ask(SHUT, cluster_policy(ingress=[rule("Accept")])).allowed


def test_pass_leaves_the_tier() -> None:
    passing = cluster_policy("a", priority=1, ingress=[rule("Pass")])
    denying = cluster_policy("b", priority=2, ingress=[rule("Deny")])
    assert not ask(denying).allowed
    assert ask(denying, passing).allowed
    assert not ask(denying, passing, SHUT).allowed


def test_low_numbers_come_first_and_rules_in_their_order() -> None:
    assert not ask(
        cluster_policy("a", priority=7, ingress=[rule("Accept")]),
        cluster_policy("b", priority=3, ingress=[rule("Deny")]),
    ).allowed
    assert ask(cluster_policy(ingress=[rule("Accept"), rule("Deny")])).allowed


def test_of_equal_priority_the_newer_kind_comes_first_and_then_the_name() -> None:
    found = world(
        cluster_policy("z", priority=5),
        cluster_policy("a", kind="AdminNetworkPolicy", priority=5),
        cluster_policy("b", priority=5),
    )
    assert [p.metadata.name for p in policies_of(found, "Admin")] == ["b", "z", "a"]


def test_baseline_judges_only_whom_no_networkpolicy_isolates() -> None:
    baseline = cluster_policy(tier="Baseline", ingress=[rule("Deny")])
    assert not ask(baseline).allowed
    assert ask(baseline, OPEN).allowed
    assert not ask(baseline, SHUT).allowed


def test_the_older_kinds_say_the_same() -> None:
    assert not ask(OPEN, cluster_policy(kind="AdminNetworkPolicy", ingress=[rule("Deny")])).allowed
    assert ask(SHUT, cluster_policy(kind="AdminNetworkPolicy", ingress=[rule("Allow")])).allowed
    last = cluster_policy("default", kind="BaselineAdminNetworkPolicy", ingress=[rule("Deny")])
    assert not ask(last).allowed
    assert ask(last, cluster_policy(tier="Baseline", priority=1000, ingress=[rule("Accept")])).allowed
    by_port = [{"portNumber": {"protocol": "TCP", "port": 80}}, {"portRange": {"start": 90, "end": 95}}]
    limited = cluster_policy(kind="AdminNetworkPolicy", ingress=[rule("Deny", ports=by_port)])
    assert [ask(limited, port=p).allowed for p in (79, 80, 90, 95, 96)] == [True, False, False, False, True]
    named = cluster_policy(kind="AdminNetworkPolicy", ingress=[rule("Deny", ports=[{"namedPort": "http"}])])
    assert [ask(named, port=p).allowed for p in (80, 8080)] == [True, False]
    # Accept is a word of the newer kind only: what is not known is denied.
    assert not ask(cluster_policy(kind="AdminNetworkPolicy", ingress=[rule("Accept")])).allowed


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        ({"namespaces": {}}, False),
        ({"namespaces": {"matchLabels": {"team": "a"}}}, True),
        (WEB_ONLY, False),
        (CLIENT_ONLY, True),
    ],
)
def test_subjects(subject: dict[str, Any], *, allowed: bool) -> None:
    assert ask(cluster_policy(subject=subject, ingress=[rule("Deny")])).allowed is allowed


PEERS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "every namespace has the client": ({"namespaces": {}}, "client", True),
    "a namespace by its labels": ({"namespaces": {"matchLabels": {"team": "a"}}}, "alice", True),
    "not that of others": ({"namespaces": {"matchLabels": {"team": "a"}}}, "client", False),
    "pods by both": ({"pods": PODS}, "client", True),
    "a host-network pod is nobody's peer": ({"namespaces": {}}, "agent", False),
}


@pytest.mark.parametrize("name", PEERS)
def test_peers_of_ingress(name: str) -> None:
    peer, source, meant = PEERS[name]
    assert ask(cluster_policy(ingress=[rule("Deny", [peer])]), source=source).allowed is not meant


def test_a_host_network_pod_is_no_subject() -> None:
    denying = cluster_policy(egress=[out("Deny", {"networks": ["0.0.0.0/0"]})])
    assert ask(denying, source="agent").allowed
    assert not ask(denying).allowed


def test_networks_mean_pods_too_and_icmp() -> None:
    denying = cluster_policy(subject=CLIENT_ONLY, egress=[out("Deny", {"networks": ["10.0.0.0/8"]})])
    assert not ask(denying).allowed
    assert not ask(denying, protocol="ICMP", port=0).allowed
    assert ask(denying, to="203.0.113.7").allowed


def test_nodes_are_the_addresses_of_their_status() -> None:
    machine = node("node-9", rack="r1")
    machine = msgspec.structs.replace(
        machine, status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=NODE_IP),))
    )
    denying = cluster_policy(egress=[out("Deny", {"nodes": {"matchLabels": {"rack": "r1"}}})])
    assert not ask(machine, denying, to=NODE_IP).allowed
    assert ask(machine, denying, to="192.168.0.8").allowed
    other = cluster_policy(egress=[out("Deny", {"nodes": {"matchLabels": {"rack": "r2"}}})])
    assert ask(machine, other, to=NODE_IP).allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("kubernetes.io", False),
        ("*.kubernetes.io", True),
        ("latest.blog.kubernetes.io.", True),
        ("LATEST.blog.Kubernetes.io", True),
        ("*.blog.kubernetes.io", True),
        ("*.io", True),
        ("*.atest.blog.kubernetes.io", False),
    ],
)
def test_names_of_domains_are_what_was_learned_of_them(pattern: str, *, allowed: bool) -> None:
    policies = (
        cluster_policy("a", priority=1, egress=[out("Accept", {"domainNames": [pattern]})]),
        cluster_policy("b", priority=2, egress=[out("Deny", {"networks": ["0.0.0.0/0"]})]),
    )
    learned = {"latest.blog.kubernetes.io": ("203.0.113.9",)}
    assert ask(*policies, to="203.0.113.9", names=learned).allowed is allowed
    assert not ask(*policies, to="203.0.113.10", names=learned).allowed


def test_protocols_are_a_union_and_leave_icmp_alone() -> None:
    some = [
        {"tcp": {"destinationPort": {"number": 80}}},
        {"udp": {"destinationPort": {"range": {"start": 50, "end": 60}}}},
        {"destinationNamedPort": "http"},
    ]
    denying = cluster_policy(ingress=[rule("Deny", protocols=some)])
    asked = [("TCP", 80), ("TCP", 81), ("UDP", 60), ("UDP", 61), ("TCP", 8080), ("UDP", 8080), ("ICMP", 0)]
    assert [ask(denying, protocol=p, port=n).allowed for p, n in asked] == [False, True, False, True, False, True, True]


UNREADABLE: dict[str, dict[str, Any]] = {
    "a peer of no kind": {"to": [{}]},
    "a peer of two kinds": {"to": [{"namespaces": {}, "networks": ["10.0.0.0/8"]}]},
    "a known one beside it": {"to": [{"networks": ["10.0.0.0/8"]}, {}]},
    "no peers": {"to": []},
    "no prefix": {"to": [{"networks": ["10.0.0.0/33"]}]},
    "no operator": {"to": [{"namespaces": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}]},
    "a protocol of no kind": {"to": [{"namespaces": {}}], "protocols": [{}]},
    "a protocol that says nothing": {"to": [{"namespaces": {}}], "protocols": [{"tcp": {}}]},
    "a range turned round": {
        "to": [{"namespaces": {}}],
        "protocols": [{"tcp": {"destinationPort": {"range": {"start": 9, "end": 8}}}}],
    },
    "a name of ports of networks": {
        "to": [{"networks": ["10.0.0.0/8"]}],
        "protocols": [{"destinationNamedPort": "http"}],
    },
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_accepts_nothing_and_denies_everything(name: str) -> None:
    made = UNREADABLE[name]
    behind = cluster_policy("z", priority=900, egress=[out("Deny", {"networks": ["0.0.0.0/0"]})])
    assert not ask(cluster_policy(egress=[{"action": "Accept", **made}]), behind, port=8080).allowed
    for action in ("Deny", "Pass", "Conjure"):
        closed = cluster_policy(egress=[{"action": action, **made}])
        assert not ask(closed, to="203.0.113.7").allowed, action
        assert not ask(closed, to="203.0.113.7", protocol="ICMP", port=0).allowed, action


def test_names_cannot_be_denied_and_ingress_has_no_networks() -> None:
    assert not ask(cluster_policy(egress=[out("Deny", {"domainNames": ["a.example"]})]), to="203.0.113.7").allowed
    assert not ask(cluster_policy(ingress=[rule("Deny", [{"networks": ["203.0.113.0/24"]}])])).allowed


def test_a_subject_that_cannot_be_read_is_every_pod_and_accepts_nothing() -> None:
    assert not ask(
        cluster_policy(subject={}, ingress=[rule("Deny", [{"namespaces": {"matchLabels": {"no": "b"}}}])])
    ).allowed
    assert not ask(SHUT, cluster_policy(subject={}, ingress=[rule("Accept")])).allowed


def test_a_denial_is_answered_where_the_annotation_asks() -> None:
    denying = cluster_policy(notes={"tandem.io/deny": "reject"}, ingress=[rule("Deny")])
    assert ask(denying).rejects
    assert not ask(cluster_policy(notes={"tandem.io/deny": "yes"}, ingress=[rule("Deny")])).rejects
    assert not ask(cluster_policy(notes={"tandem.io/deny": "reject"}, ingress=[rule("Accept")])).rejects


def test_a_staged_policy_changes_nothing_and_tells_what_it_would() -> None:
    staged = cluster_policy(notes={"tandem.io/staged": "true"}, ingress=[rule("Deny")])
    decision = ask(staged)
    assert decision.allowed
    assert decision.staged is not None
    assert (decision.staged.allowed, decision.staged.denied_by) == (False, "ingress")
    assert [s.effect for s in decision.steps if s.staged] == ["denies"]
    harmless = cluster_policy(notes={"tandem.io/staged": "true"}, ingress=[rule("Accept")])
    assert ask(harmless).staged is None
    assert not ask(cluster_policy(notes={"tandem.io/staged": "maybe"}, ingress=[rule("Deny")])).allowed
