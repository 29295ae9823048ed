"""`tandem status`: nodes, pods, proxies, acknowledged versions, certificates, problems.

In: the World, what translation made of it, and what the nodes report. Out: a JSON-ready value; the command line and the
page paint it and add nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tandem.base.problems import Problem
from tandem.model import core
from tandem.model.stateful import StatefulSet
from tandem.model.world import World

NONE_JUDGED: Final[Mapping[str, int]] = {"allowed": 0, "denied": 0, "staged": 0}
NETWORK: Final[Mapping[str, Any]] = {
    "fabric": "",
    "mtu": 0,
    "underlayMTU": 0,
    "overhead": 0,
    "paths": [],
    "opened": [],
    "problems": [],
}
"""Of a node that has not reported."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far a node is: resources sent to it, accepted by its kernel and proxy, refused with which words."""

    connected: bool
    sent: int
    accepted: int
    refused: tuple[str, ...] = ()


class ObjectState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a policy or routing object is in force on every node that it concerns."""

    kind: str
    namespace: str
    name: str
    programmed: bool
    message: str = ""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What the mesh knows of a pod."""

    identity: str
    meshed: bool


def status(
    world: World,
    *,
    deliveries: Mapping[str, Delivery],
    reports: Mapping[str, Mapping[str, Any]],
    memberships: Mapping[str, Membership],
    objects: Sequence[ObjectState],
    problems: Sequence[Problem],
    judged: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The whole of `tandem status -o json`. `reports` and `deliveries` are by node, `memberships` by pod uid.

    `judged`: how many first packets policy has allowed, denied, and would deny by what is staged.
    """
    return {
        "policy": [{"verdict": verdict, "count": count} for verdict, count in (judged or NONE_JUDGED).items()],
        "nodes": [_node(n, deliveries, reports, world) for n in world.sorted(core.Node)],
        "pods": [_pod(p, memberships) for p in world.sorted(core.Pod)],
        "deployments": [_replicas(d) for d in world.sorted(core.Deployment)],
        "statefulSets": [_replicas(s) for s in world.sorted(StatefulSet)],
        "objects": [msgspec.to_builtins(o) for o in objects],
        "problems": [
            {
                "severity": p.severity.value,
                "code": p.code,
                "text": p.text,
                "origin": {"kind": p.at.kind, "namespace": p.at.namespace, "name": p.at.name, "path": p.at.path}
                | ({"source": p.at.source} if p.at.source else {}),
            }
            for p in problems
        ],
    }


def _node(
    node: core.Node,
    deliveries: Mapping[str, Delivery],
    reports: Mapping[str, Mapping[str, Any]],
    world: World,
) -> dict[str, Any]:
    name = node.metadata.name
    delivery = deliveries.get(name, Delivery(connected=False, sent=0, accepted=0))
    report = reports.get(name, {})
    envoy = report.get("envoy", {"pid": 0, "version": "", "ready": False, "restarts": 0})
    dns = report.get("dns", {"pid": 0, "version": "", "ready": False, "adopted": False, "restarts": 0})
    bgp, encryption = report.get("bgp"), report.get("encryption")
    addresses = [a.address for a in node.status.addresses if a.type == "InternalIP"]
    kubelet = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return {
        "name": name,
        "address": next(iter(addresses), ""),
        "addresses": addresses,
        "podCIDR": node.spec.pod_cidr,
        "podCIDRs": list(node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())),
        "ready": kubelet
        and delivery.connected
        and bool(envoy.get("ready") and dns.get("ready"))
        and all(part is None or part["ready"] for part in (bgp, encryption))
        and not delivery.refused,
        "agent": {"connected": delivery.connected, "pid": report.get("pid", 0)},
        "envoy": envoy,
        "dns": dns,
        "network": {**NETWORK, **report.get("network", {})},
        "bgp": bgp,
        "encryption": encryption,
        "fastPath": report.get("fastPath"),
        "names": report.get("names"),
        "resources": {"sent": delivery.sent, "accepted": delivery.accepted, "refused": list(delivery.refused)},
        "certificates": report.get("certificates", []),
        "problems": report.get("problems", []),
        "drift": report.get("drift", {"found": 0, "repaired": 0, "newest": []}),
        "figures": report.get("figures", {}),
        "pods": sum(p.spec.node_name == name and not p.finished for p in world.all(core.Pod).values()),
    }


def _replicas(owner: core.Deployment | StatefulSet) -> dict[str, Any]:
    current = owner.status.observed_generation >= owner.metadata.generation
    return {
        "namespace": owner.metadata.namespace,
        "name": owner.metadata.name,
        "wanted": owner.spec.replicas,
        "ready": min(owner.status.ready_replicas, owner.status.updated_replicas) if current else 0,
    }


def _pod(pod: core.Pod, memberships: Mapping[str, Membership]) -> dict[str, Any]:
    member = memberships.get(pod.metadata.uid, Membership(identity="", meshed=False))
    return {
        "namespace": pod.metadata.namespace,
        "name": pod.metadata.name,
        "node": pod.spec.node_name,
        "address": pod.status.pod_ip,
        "addresses": list(pod.addresses),
        "phase": "Terminating" if pod.terminating else pod.status.phase,
        "ready": pod.ready,
        "message": pod.status.message or next((c.message for c in pod.status.conditions if c.message), ""),
        "mesh": member.meshed,
        "identity": member.identity if member.meshed else "",
    }
