"""World -> writes: each Pod without a node goes to the Ready node with the fewest pods that its nodeSelector allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tandem.base.clock import rfc3339
from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.said import Said, say
from tandem.model.world import World


def schedule(world: World, *, now: float) -> tuple[Patch, ...]:
    """Bindings, and a PodScheduled=False condition for each pod that no node can take."""
    load = Counter(p.spec.node_name for p in world.all(core.Pod).values() if not p.finished)
    return assign(world, filter(waits, world.sorted(core.Pod)), load, now=now)


def waits(pod: core.Pod) -> bool:
    """Whether it is to get a node."""
    return not (pod.spec.node_name or pod.terminating or pod.finished)


def assign(world: World, pods: Iterable[core.Pod], load: Counter[str], *, now: float) -> tuple[Patch, ...]:
    """The same of these pods, sorted by name; `load`: how many each node has, and then with them."""
    nodes = [n for n in world.sorted(core.Node) if _ready(n) and not n.metadata.deletion_timestamp]
    writes: list[Patch] = []
    for pod in pods:
        fitting = [n for n in nodes if pod.spec.node_selector.items() <= n.metadata.labels.items()]
        if not fitting:
            writes += _unschedulable(pod, ready=len(nodes), known=len(world.all(core.Node)), now=now)
            continue
        name = min(fitting, key=lambda n: (load[n.metadata.name], n.metadata.name)).metadata.name
        load[name] += 1
        told = say(pod, "Scheduled", f"Successfully assigned {'/'.join(pod.key)} to {name}")
        writes.append(_patch(pod, {"spec": {"nodeName": name}}, told))
    return tuple(writes)


def _ready(node: core.Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def _unschedulable(pod: core.Pod, *, ready: int, known: int, now: float) -> list[Patch]:
    message = f"0/{known} nodes are available: {known - ready} not Ready, {ready} do not match spec.nodeSelector"
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
