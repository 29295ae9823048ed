"""Policies of every kind and the pods that they select."""

from __future__ import annotations

from typing import Any

from tandem.apps.cli.selecting import pods_of, policies_of

Raw = dict[str, Any]
META = "kubernetes.io/metadata.name"


def pod(name: str, namespace: str = "shop", *, phase: str = "Running", **spec: Any) -> Raw:
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": phase}}


def namespace(name: str, **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def netpol(name: str, ns: str = "shop", **labels: str) -> Raw:
    spec = {"podSelector": {"matchLabels": labels}}
    meta = {"name": name, "namespace": ns}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def wide(name: str, subject: Raw, kind: str = "ClusterNetworkPolicy") -> Raw:
    version = "v1beta1" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    raw = {"apiVersion": f"policy.networking.k8s.io/{version}", "kind": kind, "metadata": {"name": name}}
    return {**raw, "spec": {"subject": subject}}


SPACES = [namespace("shop", team="red"), namespace("legacy")]
PODS = [
    pod("web"),
    pod("db"),
    pod("web", "legacy"),
    pod("host", hostNetwork=True),
    pod("done", phase="Succeeded"),
]
RED = wide("red", {"namespaces": {"matchLabels": {"team": "red"}}})
WEB = wide("web", {"pods": {"podSelector": {"matchLabels": {"app": "web"}}}}, "AdminNetworkPolicy")
LEGACY = wide("default", {"namespaces": {"matchLabels": {META: "legacy"}}}, "BaselineAdminNetworkPolicy")
NOBODY = wide("newer", {"identities": {}})


def test_pods_of_a_namespace_have_names_and_others_are_told_with_theirs() -> None:
    assert pods_of(netpol("p"), PODS, SPACES) == ["web", "db"]
    assert pods_of(netpol("p", app="db"), PODS, SPACES) == ["db"]
    assert pods_of(RED, PODS, SPACES) == ["shop/web", "shop/db"]
    assert pods_of(WEB, PODS, SPACES) == ["shop/web", "legacy/web"]
    assert pods_of(LEGACY, PODS, SPACES) == ["legacy/web"]
    assert pods_of(NOBODY, PODS, SPACES) == []


def test_policies_of_a_pod_are_told_with_their_kind() -> None:
    every = [netpol("p"), netpol("q", "legacy"), RED, WEB, LEGACY, NOBODY]
    assert policies_of(PODS[0], every, SPACES) == ["p", "clusternetworkpolicy/red", "adminnetworkpolicy/web"]
    assert policies_of(PODS[3], every, SPACES) == []
