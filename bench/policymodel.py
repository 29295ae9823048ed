"""The cluster of the policy benchmarks: namespaces, pods and NetworkPolicies by number, as raw objects of the API.

A hundred pods of ten apps in each namespace. A policy of each app admits the next app of its namespace, and the same
app of all namespaces of its team; where `wide`, every tenth one admits every pod of the cluster as well, and the one
after it all that are labelled monitor: so groups have ten, a hundred and all addresses.
"""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
APPS = 10
NODE = "bench"
"""The node that is measured."""


def spaces(pods: int) -> int:
    """How many namespaces there are."""
    return max(10, pods // 100)


def node_of(pod: int, pods: int, size: int) -> str:
    """Nodes in turn, ten pods each, so that the measured node has pods of every namespace and every app."""
    number = pod // APPS % max(1, pods // size)
    return f"n{number}" if number else NODE


def address(pod: int) -> str:
    return f"10.{128 + (pod >> 16)}.{(pod >> 8) & 255}.{pod & 255}"


def namespaces(pods: int) -> list[Raw]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns{n}", "labels": {"team": f"t{n // 10}"}}}
        for n in range(spaces(pods))
    ]


def nodes(pods: int, size: int) -> list[Raw]:
    return [_node(number) for number in range(max(1, pods // size))]


def _node(number: int) -> Raw:
    block = f"10.{32 + (number >> 5)}.{(number & 31) << 3}.0/21"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"n{number}" if number else NODE},
        "spec": {"podCIDR": block, "podCIDRs": [block]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"192.0.{2 + number // 250}.{1 + number % 250}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(number: int, pods: int, *, node: str, ip: str = "", **labels: str) -> Raw:
    """With an address it runs; without one it is still to be attached."""
    app = f"a{number % APPS}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"p{number}",
            "namespace": f"ns{number // 100 % spaces(pods)}",
            "uid": f"uid-{number}",
            "labels": {"app": app, "pod-template-hash": f"{number % APPS:08x}", **labels},
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": "default",
            "containers": [{"name": "main", "image": "host", "ports": [{"name": "web", "containerPort": 8080}]}],
        },
        "status": running(ip) if ip else {"phase": "Pending"},
    }


def running(ip: str) -> Raw:
    return {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}


def policy(number: int, pods: int, *, port: int = 8080, wide: bool = True) -> Raw:
    space, app = number // APPS % spaces(pods), number % APPS
    own, team = {"app": f"a{app}"}, {"team": f"t{space // 10}"}
    peers: list[Raw] = [
        {"podSelector": {"matchLabels": {"app": f"a{(app + 1) % APPS}"}}},
        {"namespaceSelector": {"matchLabels": team}, "podSelector": {"matchLabels": own}},
    ]
    if wide and app == 0:
        peers.append({"namespaceSelector": {}})
    if wide and app == 1:
        peers.append({"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "monitor"}}})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"np{number}", "namespace": f"ns{space}", "uid": f"uid-np-{number}"},
        "spec": {
            "podSelector": {"matchLabels": own},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": [{"protocol": "TCP", "port": port}]}],
        },
    }


def everything(pods: int, policies: int, size: int) -> list[Raw]:
    """The cluster; pods of the measured node are still to be attached, all others run."""
    found = [*namespaces(pods), *nodes(pods, size)]
    for number in range(pods):
        node = node_of(number, pods, size)
        found.append(pod(number, pods, node=node, ip="" if node == NODE else address(number)))
    return [*found, *(policy(number, pods) for number in range(policies))]
