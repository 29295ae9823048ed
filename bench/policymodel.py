"""The cluster of the policy benchmarks: namespaces, pods and NetworkPolicies by number, as raw objects of the API.

Ten apps in each namespace. A policy of each app admits the next app of its namespace, and the same app of all namespaces
of its team; every tenth one admits every pod of the cluster, and every tenth of the next all that are labelled a
monitor. So groups have ten, some hundreds and all addresses.
"""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
APPS = 10
NODE = "bench"
"""The node that is measured."""


def namespace_of(pod: int, pods: int) -> str:
    """A hundred pods, or a tenth of the cluster, in each namespace."""
    return f"ns{pod // max(pods // max(spaces(pods), 1), 1) % spaces(pods)}"


def spaces(pods: int) -> int:
    """How many namespaces there are."""
    return max(10, pods // 100)


def teams(pods: int) -> int:
    """Of ten namespaces each."""
    return max(1, spaces(pods) // 10)


def address(pod: int) -> str:
    """Of a pod; those of the measured node are in its block."""
    return f"10.{128 + (pod >> 16)}.{(pod >> 8) & 255}.{pod & 255}"


def node_of(pod: int, pods: int, size: int) -> str:
    """The first `size` in turn with all others, so that every namespace has pods on the measured node."""
    nodes = max(1, pods // size)
    return NODE if pod % nodes == 0 else f"n{pod % nodes}"


def namespaces(pods: int) -> list[Raw]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns{n}", "labels": {"team": f"t{n % teams(pods)}"}}}
        for n in range(spaces(pods))
    ]


def nodes(pods: int, size: int) -> list[Raw]:
    names = sorted({node_of(p, pods, size) for p in range(min(pods, 2 * max(1, pods // size)))})
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"podCIDR": f"10.{64 + (i >> 6)}.{(i & 63) << 2}.0/22", "podCIDRs": [f"10.{64 + (i >> 6)}.{(i & 63) << 2}.0/22"]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": f"192.0.{2 + i // 250}.{1 + i % 250}"}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        for i, name in enumerate(names)
    ]


def pod(number: int, pods: int, *, node: str, ip: str, **labels: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"p{number}",
            "namespace": namespace_of(number, pods),
            "uid": f"uid-{number}",
            "labels": {"app": f"a{number % APPS}", "pod-template-hash": f"{number % APPS:08x}", **labels},
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": "default",
            "containers": [{"name": "main", "image": "host", "ports": [{"name": "web", "containerPort": 8080}]}],
        },
        "status": {"phase": "Running", **({"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {})},
    }


def policy(number: int, pods: int, *, port: int = 8080) -> Raw:
    space, app = number // APPS % spaces(pods), number % APPS
    peers: list[Raw] = [
        {"podSelector": {"matchLabels": {"app": f"a{(app + 1) % APPS}"}}},
        {
            "namespaceSelector": {"matchLabels": {"team": f"t{space % teams(pods)}"}},
            "podSelector": {"matchLabels": {"app": f"a{app}"}},
        },
    ]
    if number % 10 == 0:
        peers.append({"namespaceSelector": {}})
    if number % 10 == 1:
        peers.append({"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "monitor"}}})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"np{number}", "namespace": f"ns{space}", "uid": f"uid-np-{number}"},
        "spec": {
            "podSelector": {"matchLabels": {"app": f"a{app}"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": [{"protocol": "TCP", "port": port}]}],
        },
    }
