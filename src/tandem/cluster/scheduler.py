"""World -> writes: each Pod without a node goes to the Ready node with the fewest pods that can take it.

Its nodeSelector has to allow the node, the ports of the node that it wants have to be free, and on a node that was
cordoned it has to tolerate that.
"""

from __future__ import annotations

from collections.abc import Iterable

from tandem.base.clock import rfc3339
from tandem.cluster.occupied import Occupied
from tandem.cluster.tolerations import tolerates_cordon
from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.said import Said, say
from tandem.model.world import World


def schedule(world: World, *, now: float) -> tuple[Patch, ...]:
    """Bindings, and a PodScheduled=False condition for each pod that no node can take."""
    occupied = Occupied(world.all(core.Pod).values())
    return assign(world, filter(waits, world.sorted(core.Pod)), occupied, now=now)


def waits(pod: core.Pod) -> bool:
    """Whether it is to get a node."""
    return not (pod.spec.node_name or pod.terminating or pod.finished)


def assign(world: World, pods: Iterable[core.Pod], occupied: Occupied, *, now: float) -> tuple[Patch, ...]:
    """The same of these pods, sorted by name; `occupied`: what all pods have of the nodes, and then with them."""
    nodes = [n for n in world.sorted(core.Node) if _ready(n) and not n.metadata.deletion_timestamp]
    writes: list[Patch] = []
    for pod in pods:
        open_ = nodes if tolerates_cordon(pod) else [n for n in nodes if not n.spec.unschedulable]
        allowed = [n.metadata.name for n in open_ if pod.spec.node_selector.items() <= n.metadata.labels.items()]
        holders = {n: occupied.holder(pod, n) for n in allowed}
        fitting = [n for n in allowed if not holders[n]]
        if not fitting:
            reasons = [f"{len(nodes) - len(open_)} unschedulable"] if open_ != nodes else []
            reasons += [f"{len(open_) - len(allowed)} do not match spec.nodeSelector"]
            if allowed:
                text = f"{len(allowed)} have no free ports for the requested host ports"
                reasons += [f"{text} ({allowed[0]}: {holders[allowed[0]]})"]
            known = len(world.all(core.Node))
            text = f"0/{known} nodes are available: {', '.join([f'{known - len(nodes)} not Ready', *reasons])}"
            writes += _unschedulable(pod, text, now=now)
            continue
        name = min(fitting, key=lambda n: (occupied.load[n], n))
        occupied.add(pod, name)
        told = say(pod, "Scheduled", f"Successfully assigned {'/'.join(pod.key)} to {name}")
        writes.append(_patch(pod, {"spec": {"nodeName": name}}, told))
    return tuple(writes)


def _ready(node: core.Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def _unschedulable(pod: core.Pod, message: str, *, now: float) -> list[Patch]:
    old = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
    if old is not None and old.message == message:
        return []
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": rfc3339(now),
    }
    status: dict[str, object] = {"status": {"phase": "Pending", "conditions": [condition]}}
    return [_patch(pod, status, say(pod, "FailedScheduling", message, warning=True), subresource="status")]


def _patch(pod: core.Pod, patch: dict[str, object], told: Said, *, subresource: str = "") -> Patch:
    namespace, name = pod.key
    return Patch(kind="Pod", namespace=namespace, name=name, patch=patch, subresource=subresource, told=(told,))
