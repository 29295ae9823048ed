"""A table of policies and of what they mean, by hand: what the documents of the APIs promise, one behaviour each.

Pods `a`, `b`, `c` are in namespaces `x`, `y`, `z`; pods are labelled `pod`, namespaces `ns`. Each serves 80 and 81 by
TCP and UDP and 80 by SCTP; `serve-80` and `serve-81` name the TCP ports, `serve-80-udp` a UDP port.
A fact `x/a y/b 80/TCP no` says that the one does not reach the other there.
"""

from __future__ import annotations

from typing import Any, Final

from builders import cluster_policy, policy
from tandem.model.meta import Object

Raw = dict[str, Any]
Case = tuple[list[Object], str]


def pods(**labels: str) -> Raw:
    return {"podSelector": {"matchLabels": labels}}


def spaces(**labels: str) -> Raw:
    return {"namespaceSelector": {"matchLabels": labels}}


def within(space: Raw, **labels: str) -> Raw:
    return {**space, **pods(**labels)}


def x(name: str = "p", **spec: Any) -> Object:
    return policy(name, ns="x", **{"podSelector": {}, **spec})


A: Final = {"matchLabels": {"pod": "a"}}
TCP80: Final = [{"port": 80}]
CASES: Final[dict[str, Case]] = {
    "no policy: everybody reaches everybody": ([], "x/a y/b 80/TCP yes; z/c x/a 81/UDP yes; y/a y/b 80/SCTP yes"),
    "a namespace is closed by a policy without rules": (
        [x(policyTypes=["Ingress"])],
        "x/b x/a 80/TCP no; y/a x/a 80/UDP no; z/a x/c 80/SCTP no; x/a y/a 80/TCP yes",
    ),
    "one pod is closed, its neighbours are not": (
        [x(podSelector=A, policyTypes=["Ingress"])],
        "x/b x/a 80/TCP no; x/a x/b 80/TCP yes; y/a x/b 80/TCP yes",
    ),
    "an empty rule opens all": ([x(ingress=[{}])], "x/b x/a 80/TCP yes; y/a x/a 81/UDP yes; z/b x/a 80/SCTP yes"),
    "a pod selector means the policy's own namespace": (
        [x(podSelector=A, ingress=[{"from": [pods(pod="b")]}])],
        "x/b x/a 80/TCP yes; x/c x/a 80/TCP no; y/b x/a 80/TCP no",
    ),
    "an empty pod selector means every pod of the namespace": (
        [x(ingress=[{"from": [{"podSelector": {}}]}])],
        "x/b x/a 80/TCP yes; y/b x/a 80/TCP no",
    ),
    "a namespace selector means all its pods": (
        [x(ingress=[{"from": [spaces(ns="y")]}])],
        "y/a x/a 80/TCP yes; y/c x/b 81/UDP yes; z/a x/a 80/TCP no; x/b x/a 80/TCP no",
    ),
    "a namespace by its name": (
        [x(ingress=[{"from": [spaces(**{"kubernetes.io/metadata.name": "z"})]}])],
        "z/a x/a 80/TCP yes; y/a x/a 80/TCP no",
    ),
    "an empty namespace selector means every pod": (
        [x(ingress=[{"from": [{"namespaceSelector": {}}]}])],
        "z/a x/a 80/TCP yes; x/b x/a 80/TCP yes",
    ),
    "both selectors in one peer must hold": (
        [x(ingress=[{"from": [within(spaces(ns="y"), pod="b")]}])],
        "y/b x/a 80/TCP yes; y/a x/a 80/TCP no; x/b x/a 80/TCP no",
    ),
    "of two peers one suffices": (
        [x(ingress=[{"from": [spaces(ns="y"), pods(pod="b")]}])],
        "y/a x/a 80/TCP yes; x/b x/a 80/TCP yes; x/c x/a 80/TCP no; z/b x/a 80/TCP no",
    ),
    "expressions of pods": (
        [
            x(
                podSelector=A,
                ingress=[
                    {
                        "from": [
                            {"podSelector": {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b"]}]}}
                        ]
                    }
                ],
            )
        ],
        "x/b x/a 80/TCP yes; x/c x/a 80/TCP no",
    ),
    "expressions of namespaces": (
        [
            x(
                ingress=[
                    {
                        "from": [
                            {
                                "namespaceSelector": {
                                    "matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x", "z"]}]
                                }
                            }
                        ]
                    }
                ]
            )
        ],
        "y/b x/a 80/TCP yes; z/b x/a 80/TCP no; x/b x/a 80/TCP no",
    ),
    "a port without a protocol is TCP": (
        [x(ingress=[{"ports": TCP80}])],
        "y/a x/a 80/TCP yes; y/a x/a 81/TCP no; y/a x/a 80/UDP no; y/a x/a 80/SCTP no",
    ),
    "a protocol without a port is every port of it": (
        [x(ingress=[{"ports": [{"protocol": "UDP"}]}])],
        "y/a x/a 80/UDP yes; y/a x/a 81/UDP yes; y/a x/a 80/TCP no; y/a x/a 80/SCTP no",
    ),
    "SCTP by its port": (
        [x(ingress=[{"ports": [{"protocol": "SCTP", "port": 80}]}])],
        "y/a x/a 80/SCTP yes; y/a x/a 80/TCP no; y/a x/a 80/UDP no",
    ),
    "a port of another number opens nothing": (
        [x(ingress=[{"ports": [{"protocol": "SCTP", "port": 7777}, {"port": 82}]}])],
        "y/a x/a 80/SCTP no; y/a x/a 80/TCP no",
    ),
    "a range of ports": (
        [x(ingress=[{"ports": [{"port": 81, "endPort": 90}]}])],
        "y/a x/a 81/TCP yes; y/a x/a 80/TCP no; y/a x/a 81/UDP no",
    ),
    "a named port is what the pod says": (
        [x(ingress=[{"ports": [{"port": "serve-81"}]}])],
        "y/a x/a 81/TCP yes; y/a x/a 80/TCP no",
    ),
    "a named port of UDP": (
        [x(ingress=[{"ports": [{"protocol": "UDP", "port": "serve-80-udp"}]}])],
        "y/a x/a 80/UDP yes; y/a x/a 80/TCP no; y/a x/a 81/UDP no",
    ),
    "a name that no port has opens nothing": ([x(ingress=[{"ports": [{"port": "nobody"}]}])], "y/a x/a 80/TCP no"),
    "peers and ports of one rule must both hold": (
        [x(ingress=[{"from": [spaces(ns="y")], "ports": TCP80}])],
        "y/a x/a 80/TCP yes; y/a x/a 81/TCP no; z/a x/a 80/TCP no",
    ),
    "of two rules one suffices": (
        [x(ingress=[{"from": [spaces(ns="y")], "ports": TCP80}, {"from": [spaces(ns="z")], "ports": [{"port": 81}]}])],
        "y/a x/a 80/TCP yes; y/a x/a 81/TCP no; z/a x/a 81/TCP yes; z/a x/a 80/TCP no",
    ),
    "policies add to one another": (
        [x("one", ingress=[{"from": [spaces(ns="y")]}]), x("two", ingress=[{"ports": [{"port": 81}]}])],
        "y/a x/a 80/TCP yes; z/a x/a 81/TCP yes; z/a x/a 80/TCP no",
    ),
    "a policy that closes takes nothing from one that opens": (
        [x("shut", policyTypes=["Ingress"]), x("open", ingress=[{}])],
        "y/a x/a 80/TCP yes",
    ),
    "policies of other namespaces say nothing here": (
        [policy("p", ns="y", podSelector={}, policyTypes=["Ingress"])],
        "y/a x/a 80/TCP yes; x/a y/a 80/TCP no",
    ),
    "egress is closed": (
        [x(podSelector=A, policyTypes=["Egress"])],
        "x/a x/b 80/TCP no; x/a y/a 80/UDP no; x/a y/a 80/SCTP no; x/b x/a 80/TCP yes; x/b y/a 80/TCP yes",
    ),
    "egress to pods of the namespace": (
        [x(podSelector=A, egress=[{"to": [pods(pod="b")]}], policyTypes=["Egress"])],
        "x/a x/b 80/TCP yes; x/a x/c 80/TCP no; x/a y/b 80/TCP no",
    ),
    "egress to a namespace": (
        [x(podSelector=A, egress=[{"to": [spaces(ns="y")]}], policyTypes=["Egress"])],
        "x/a y/b 80/TCP yes; x/a z/b 80/TCP no",
    ),
    "egress to a port": (
        [x(podSelector=A, egress=[{"ports": TCP80}], policyTypes=["Egress"])],
        "x/a y/b 80/TCP yes; x/a y/b 81/TCP no; x/a y/b 80/UDP no",
    ),
    "egress to a named port is what the destination says": (
        [x(podSelector=A, egress=[{"ports": [{"port": "serve-81"}]}], policyTypes=["Egress"])],
        "x/a y/b 81/TCP yes; x/a y/b 80/TCP no",
    ),
    "egress rules without policyTypes isolate both ways": (
        [x(podSelector=A, egress=[{"to": [pods(pod="b")]}])],
        "x/a x/b 80/TCP yes; x/a y/b 80/TCP no; x/b x/a 80/TCP no",
    ),
    "policyTypes without Ingress leave ingress alone": (
        [x(podSelector=A, ingress=[], policyTypes=["Egress"])],
        "y/a x/a 80/TCP yes; x/a y/a 80/TCP no",
    ),
    "both ends must allow": (
        [
            x("out", podSelector=A, egress=[{"to": [spaces(ns="y")]}], policyTypes=["Egress"]),
            policy("in", ns="y", podSelector=A, ingress=[{"from": [spaces(ns="x")], "ports": TCP80}]),
        ],
        "x/a y/a 80/TCP yes; x/a y/a 81/TCP no; x/a y/b 81/TCP yes; x/b y/a 80/TCP yes; x/a z/a 80/TCP no",
    ),
    "an answer needs no rule of its own": (
        [
            x("in", podSelector=A, policyTypes=["Ingress"]),
            policy("out", ns="y", podSelector={}, policyTypes=["Egress"]),
        ],
        "x/a z/a 80/TCP yes; z/a y/a 80/TCP yes; z/a y/a 80/UDP yes; x/a z/a 80/UDP yes",
    ),
    "a block of addresses": (
        [x(podSelector=A, ingress=[{"from": [{"ipBlock": {"cidr": "10.244.2.0/24"}}]}])],
        "y/a x/a 80/TCP yes; y/b x/a 80/UDP yes; z/a x/a 80/TCP no",
    ),
    "a block less an exception": (
        [x(podSelector=A, ingress=[{"from": [{"ipBlock": {"cidr": "10.244.2.0/24", "except": ["10.244.2.1/32"]}}]}])],
        "y/a x/a 80/TCP no; y/b x/a 80/TCP yes",
    ),
    "what one rule excepts another may allow": (
        [
            x(
                "one",
                podSelector=A,
                ingress=[{"from": [{"ipBlock": {"cidr": "10.244.2.0/24", "except": ["10.244.2.1/32"]}}]}],
            ),
            x("two", podSelector=A, ingress=[{"from": [{"ipBlock": {"cidr": "10.244.2.1/32"}}]}]),
        ],
        "y/a x/a 80/TCP yes; z/a x/a 80/TCP no",
    ),
    "egress to a block": (
        [x(podSelector=A, egress=[{"to": [{"ipBlock": {"cidr": "10.244.2.0/24"}}]}], policyTypes=["Egress"])],
        "x/a y/a 80/TCP yes; x/a z/a 80/TCP no",
    ),
    "a peer without any selector means nobody": ([x(ingress=[{"from": [{}]}])], "y/a x/a 80/TCP no; x/b x/a 80/TCP no"),
}


def admin(name: str = "a", priority: int = 10, **spec: Any) -> Object:
    return cluster_policy(
        name, tier="Admin", priority=priority, **{"subject": {"namespaces": {"matchLabels": {"ns": "x"}}}, **spec}
    )


def base(**spec: Any) -> Object:
    return cluster_policy("b", tier="Baseline", **{"subject": {"namespaces": {"matchLabels": {"ns": "x"}}}, **spec})


def frm(action: str, *peers: Raw, **more: Any) -> Raw:
    return {"action": action, "from": list(peers), **more}


def to(action: str, *peers: Raw, **more: Any) -> Raw:
    return {"action": action, "to": list(peers), **more}


EVERY: Final[Raw] = {"namespaces": {}}
Y: Final = {"namespaces": {"matchLabels": {"ns": "y"}}}
Y_B: Final = {"pods": {"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": {"matchLabels": {"pod": "b"}}}}
TIER80: Final = [{"tcp": {"destinationPort": {"number": 80}}}]
SHUT: Final = x("shut", policyTypes=["Ingress", "Egress"])
TIERS: Final[dict[str, Case]] = {
    "tier Admin denies what NetworkPolicy allows": (
        [x("open", ingress=[{}]), admin(ingress=[frm("Deny", Y)])],
        "y/a x/a 80/TCP no; y/a x/a 80/UDP no; y/a x/a 80/SCTP no; z/a x/a 80/TCP yes; x/a y/a 80/TCP yes",
    ),
    "tier Admin accepts what NetworkPolicy denies": (
        [SHUT, admin(ingress=[frm("Accept", Y, protocols=TIER80)])],
        "y/a x/a 80/TCP yes; y/a x/a 81/TCP no; z/a x/a 80/TCP no",
    ),
    "tier Admin passes to NetworkPolicy": (
        [SHUT, admin(ingress=[frm("Pass", Y), frm("Accept", EVERY)])],
        "y/a x/a 80/TCP no; z/a x/a 80/TCP yes",
    ),
    "what passes and meets no NetworkPolicy goes to Baseline": (
        [admin(ingress=[frm("Pass", Y), frm("Accept", EVERY)]), base(ingress=[frm("Deny", EVERY)])],
        "y/a x/a 80/TCP no; z/a x/a 80/TCP yes",
    ),
    "Baseline denies where no NetworkPolicy isolates": (
        [base(ingress=[frm("Deny", Y)])],
        "y/a x/a 80/TCP no; z/a x/a 80/TCP yes",
    ),
    "NetworkPolicy overrides Baseline": (
        [base(ingress=[frm("Deny", EVERY)]), x("open", podSelector=A, ingress=[{}])],
        "y/a x/a 80/TCP yes; y/a x/b 80/TCP no",
    ),
    "of rules the first decides": (
        [admin(ingress=[frm("Accept", Y_B), frm("Deny", Y)])],
        "y/b x/a 80/TCP yes; y/a x/a 80/TCP no",
    ),
    "of policies that of the lower number decides": (
        [admin("late", 50, ingress=[frm("Deny", EVERY)]), admin("early", 5, ingress=[frm("Accept", Y)])],
        "y/a x/a 80/TCP yes; z/a x/a 80/TCP no",
    ),
    "egress of tier Admin": (
        [admin(egress=[to("Deny", Y)])],
        "x/a y/a 80/TCP no; x/a y/a 80/UDP no; x/a y/a 80/SCTP no; x/a z/a 80/TCP yes; y/a x/a 80/TCP yes",
    ),
    "protocols of tier Admin": (
        [
            admin(
                ingress=[
                    frm(
                        "Deny",
                        EVERY,
                        protocols=[
                            {"udp": {"destinationPort": {"range": {"start": 80, "end": 81}}}},
                            {"sctp": {"destinationPort": {"number": 80}}},
                            {"destinationNamedPort": "serve-81"},
                        ],
                    )
                ]
            )
        ],
        "y/a x/a 80/TCP yes; y/a x/a 81/TCP no; y/a x/a 80/UDP no; y/a x/a 81/UDP no; y/a x/a 80/SCTP no",
    ),
    "networks mean pods too": (
        [admin(egress=[to("Deny", {"networks": ["10.244.2.0/24", "fd00:2::/64"]})])],
        "x/a y/a 80/TCP no; x/a z/a 80/TCP yes",
    ),
    "accepting networks and denying all else": (
        [
            admin(
                egress=[to("Accept", {"networks": ["10.244.2.2/32"]}), to("Deny", {"networks": ["0.0.0.0/0"]})],
            )
        ],
        "x/a y/b 80/TCP yes; x/a y/a 80/TCP no; x/a z/a 80/TCP no",
    ),
    "an unknown peer of a denial denies everything": (
        [admin(ingress=[frm("Deny", {})])],
        "y/a x/a 80/TCP no; x/b x/a 80/UDP no",
    ),
    "an unknown peer of an accept accepts nothing": (
        [SHUT, admin(ingress=[frm("Accept", {}, EVERY)])],
        "y/a x/a 80/TCP no",
    ),
    "a staged denial denies nothing": (
        [admin(notes={"tandem.io/staged": "true"}, ingress=[frm("Deny", EVERY)])],
        "y/a x/a 80/TCP yes",
    ),
    "a denial is answered where that is asked": (
        [admin(notes={"tandem.io/deny": "reject"}, ingress=[frm("Deny", Y)])],
        "y/a x/a 80/TCP refused; y/a x/a 80/UDP refused; z/a x/a 80/TCP yes",
    ),
    "a NetworkPolicy may ask for that as well": (
        [policy("p", ns="x", podSelector=A, policyTypes=["Ingress"], notes={"tandem.io/deny": "reject"})],
        "y/a x/a 80/TCP refused; y/a x/b 80/TCP yes",
    ),
    "AdminNetworkPolicy says the same": (
        [
            x("open", ingress=[{}]),
            cluster_policy(
                "old",
                kind="AdminNetworkPolicy",
                priority=5,
                subject={"namespaces": {"matchLabels": {"ns": "x"}}},
                ingress=[
                    {"action": "Allow", "from": [Y_B]},
                    {"action": "Deny", "from": [Y], "ports": [{"portNumber": {"protocol": "TCP", "port": 80}}]},
                ],
            ),
        ],
        "y/b x/a 80/TCP yes; y/a x/a 80/TCP no; y/a x/a 81/TCP yes",
    ),
    "BaselineAdminNetworkPolicy says the same": (
        [
            cluster_policy(
                "default",
                kind="BaselineAdminNetworkPolicy",
                subject={"namespaces": {}},
                ingress=[{"action": "Deny", "from": [EVERY]}],
            ),
            x("open", podSelector=A, ingress=[{}]),
        ],
        "y/a x/a 80/TCP yes; y/a x/b 80/TCP no; x/a y/a 80/TCP no",
    ),
}
PEER_SORTS: Final[dict[str, list[Raw] | None]] = {
    "everyone": None,
    "pods": [pods(pod="b")],
    "namespaces": [spaces(ns="y")],
    "pods of namespaces": [within(spaces(ns="y"), pod="b"), within(spaces(ns="x"), pod="c")],
    "a block": [{"ipBlock": {"cidr": "10.244.0.0/23"}}, {"ipBlock": {"cidr": "fd00:2::/64"}}],
    "a block less some": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.2.0/24", "10.244.3.2/32"]}}],
}
PORT_SORTS: Final[dict[str, list[Raw] | None]] = {
    "all": None,
    "a number": [{"port": 80}],
    "a name": [{"port": "serve-81"}],
    "another protocol": [{"protocol": "UDP", "port": 81}, {"protocol": "SCTP"}],
    "a range": [{"port": 79, "endPort": 80}, {"protocol": "UDP", "port": 80, "endPort": 90}],
    "a name and a number": [{"port": "serve-80"}, {"protocol": "UDP", "port": "serve-80-udp"}, {"port": 81}],
}


def generated(side: str, peers: str, ports: str) -> list[Object]:
    """A policy of namespace x for one sort of peers and one of ports."""
    rule: Raw = {}
    if PEER_SORTS[peers] is not None:
        rule["from" if side == "ingress" else "to"] = PEER_SORTS[peers]
    if PORT_SORTS[ports] is not None:
        rule["ports"] = PORT_SORTS[ports]
    chosen = {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["a", "b"]}]}
    return [x(podSelector=chosen, policyTypes=[side.capitalize()], **dict[str, Any]({side: [rule]}))]
