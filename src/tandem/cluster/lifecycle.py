"""World and silences -> writes: a node that nobody hears of is Unknown, its pods are not ready, and later they go.

Follows Kubernetes' node lifecycle controller: Ready becomes Unknown, then Ready of the node's pods False, which takes
them out of the endpoints of Services; after as long as they tolerate it they are deleted, so that others are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.cluster.tolerations import tolerated_seconds
from tandem.cluster.writes import Delete, Patch, Write, delete
from tandem.model import core
from tandem.model.meta import Condition
from tandem.model.said import Said, say
from tandem.model.world import World

GRACE_SECONDS: Final = 10.0
"""After so long a silence a node is taken for lost: five beats of its heart (`workloads/heartbeat.py`)."""
REASON: Final = "NodeStatusUnknown"
NOT_READY: Final = "NodeNotReady"


def is_unknown(node: core.Node) -> bool:
    """True while the node is taken for lost by what is written in it."""
    return any(c.type == "Ready" and c.status == "Unknown" and c.reason == REASON for c in node.status.conditions)


def follow_nodes(world: World, silent: Mapping[str, float], *, now: float) -> tuple[Write, ...]:
    """`silent`: seconds since each node was heard of; nodes that are not in it are left alone."""
    writes: list[Write] = []
    lost: dict[str, float] = {}
    for node in world.sorted(core.Node):
        seconds = silent.get(node.metadata.name)
        if seconds is None:
            continue
        if seconds >= GRACE_SECONDS:
            lost[node.metadata.name] = seconds
            if not is_unknown(node):
                message = "the node's runtime stopped renewing its lease"
                told = say(node, NOT_READY, f"Node {node.metadata.name} status is now: {NOT_READY}", warning=True)
                writes.append(_patch(node, _ready("Unknown", REASON, message, now), told))
        elif is_unknown(node):
            # Kubernetes leaves this to the kubelet; here it is the same fact, and one writer does not race another.
            told = say(node, "NodeReady", f"Node {node.metadata.name} status is now: NodeReady")
            writes.append(_patch(node, _ready("True", "RuntimeReady", "the node is back", now), told))
    for pod in world.sorted(core.Pod) if lost else ():
        if pod.spec.node_name in lost and not pod.finished:
            writes += _lost_pod(pod, lost[pod.spec.node_name], now)
    return tuple(writes)


def _lost_pod(pod: core.Pod, seconds: float, now: float) -> list[Patch | Delete]:
    if seconds - GRACE_SECONDS >= tolerated_seconds(pod) and not pod.terminating:
        what = f"Marking for deletion Pod {'/'.join(pod.key)}: its node {pod.spec.node_name} is lost"
        return [delete(pod, say(pod, "TaintManagerEviction", what))]
    if not pod.ready:
        return []
    message = f"node {pod.spec.node_name} is not heard of"
    return [_patch(pod, _ready("False", NOT_READY, message, now), say(pod, NOT_READY, message, warning=True))]


def _ready(status: str, reason: str, message: str, now: float) -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message=message, last_transition_time=rfc3339(now))


def _patch(obj: core.Node | core.Pod, ready: Condition, told: Said) -> Patch:
    """A merge patch replaces lists, so the other conditions are in it as they are."""
    conditions: list[Any] = [ready if c.type == "Ready" else c for c in obj.status.conditions]
    patch = {"status": {"conditions": msgspec.to_builtins(conditions)}}
    return Patch(
        kind=obj.kind,
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        patch=patch,
        subresource="status",
        told=(told,),
    )
