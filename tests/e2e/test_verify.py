"""`tandem verify` over a cluster that runs: two nodes, both families, and a moment in which the kernel lags behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until

pytestmark = pytest.mark.root


def pod(name: str, namespace: str, node: str) -> dict[str, Any]:
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "main", "image": "host", "command": ["sleep", "infinity"], "ports": [{"containerPort": 8080}]}
        ],
    }
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


MATRIX = ("verify", "matrix", "--tries", "20")
"""A machine that is busy answers late: only what never comes is missing."""
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
PODS = [pod("web", "shop", "node-1"), pod("db", "shop", "node-2"), pod("other", "default", "node-1")]
POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}],
    },
}
TIER = {
    "apiVersion": "policy.networking.k8s.io/v1alpha2",
    "kind": "ClusterNetworkPolicy",
    "metadata": {"name": "others", "annotations": {"tandem.io/deny": "reject"}},
    "spec": {
        "tier": "Admin",
        "priority": 1,
        "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}},
        "ingress": [
            {
                "action": "Deny",
                "from": [{"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}],
                "protocols": [{"tcp": {"destinationPort": {"number": 8080}}}],
            }
        ],
    },
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    with lab() as made:
        both = ("--pod-cidr", "10.244.0.0/16,fd00:10:244::/56", "--service-cidr", "10.96.0.0/16,fd00:10:96::/112")
        made.tandem("up", "--nodes", "2", "--detach", *both, status=0)
        made.apply(NAMESPACE, *PODS, POLICY, TIER)
        yield made
        made.tandem("down", status=0)


def observed(matrix: Any, source: str, destination: str, port: int, protocol: str = "TCP") -> set[str]:
    """By every family."""
    cells = [c for c in matrix["cells"] if (c["source"], c["destination"]) == (source, destination)]
    assert len({":" in c["address"] for c in cells}) == 2
    return {c["observed"] for c in cells if (c["protocol"], c["port"]) == (protocol, port)}


def test_all_is_as_policies_say_between_nodes_and_by_both_families(cluster: Lab) -> None:
    matrix = cluster.tandem(*MATRIX, "-o", "json", status=0).json()
    assert matrix["equal"]
    assert {e["name"] for e in matrix["ends"]} == {"shop/web", "shop/db", "default/other"}
    assert observed(matrix, "shop/web", "shop/db", 8080) == {"allowed"}
    assert observed(matrix, "shop/web", "shop/db", 80) == {"denied"}
    assert observed(matrix, "default/other", "shop/db", 8080) == {"refused"}
    assert observed(matrix, "default/other", "shop/db", 80, "UDP") == {"denied"}
    assert observed(matrix, "shop/db", "default/other", 80, "SCTP") == {"allowed"}


def test_some_namespaces_and_ports_alone(cluster: Lab) -> None:
    ran = cluster.tandem(*MATRIX, "-n", "shop", "-p", "8080", status=0)
    assert ran.out.splitlines()[:2] == ["TCP 8080 IPv4, TCP 8080 IPv6", "            1  2"]


def test_intents_are_judged_by_what_runs(cluster: Lab) -> None:
    path = cluster.root / "tmp" / "intents.yaml"
    path.write_text("intents: [shop/web may reach shop/db:8080, nobody outside shop may reach shop/db]")
    assert "every intent holds" in cluster.tandem("verify", "-f", "/tmp/intents.yaml", status=0).out
    path.write_text("intents: [nobody may reach shop/web:8080]")
    assert "shop/db may reach shop/web on 8080/TCP" in cluster.tandem("verify", "-f", "/tmp/intents.yaml", status=1).out


def test_a_kernel_that_lags_behind_is_a_difference(cluster: Lab) -> None:
    agents = [str(pid) for pid, command in cluster.processes().items() if "tandem.apps.agent" in command.split()]
    closed = {**POLICY, "metadata": {"name": "web", "namespace": "shop"}}
    closed["spec"] = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    cluster.run("kill", "-STOP", *agents, status=0)
    try:
        cluster.tandem("apply", "-f", "-", stdin=json.dumps(closed), status=0)
        ran = cluster.tandem(*MATRIX, "-p", "8080", status=1)
        assert "shop/db to shop/web" in ran.out
        assert "should be denied by NetworkPolicy shop/web spec.ingress (stdin:1), is allowed" in ran.out
    finally:
        cluster.run("kill", "-CONT", *agents, status=0)
    until(cluster.settles, bool, cluster.logs)
    cluster.tandem(*MATRIX, "-p", "8080", status=0)
