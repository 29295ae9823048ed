"""What controllers of templates have in common: whose pods are whose, which template, and the pods they make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tandem.base.clock import parse_rfc3339
from tandem.base.digest import digest
from tandem.cluster.writes import Delete, controller_of, delete, owner_reference
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.stateful import StatefulSet
from tandem.model.world import World

Owner = core.Deployment | StatefulSet
"""What makes pods from a template."""


def owned_pods(world: World, kind: type[Object]) -> tuple[dict[str, list[core.Pod]], list[Delete]]:
    """The pods of each owner of this kind that is there and stays, by its uid; and the removal of pods without one."""
    owned: dict[str, list[core.Pod]] = {
        o.metadata.uid: [] for o in world.all(kind).values() if not o.metadata.deletion_timestamp
    }
    left: list[Delete] = []
    for pod in world.sorted(core.Pod):
        owner = owner_of(pod, kind)
        if owner in owned:
            owned[owner].append(pod)
        elif owner and not pod.terminating:
            left.append(delete(pod))
    return owned, left


def owner_of(pod: core.Pod, kind: type[Object]) -> str:
    """The uid of the owner of this kind that made it; empty: none did."""
    owner = controller_of(pod)
    return owner.uid if owner is not None and owner.kind == kind.__name__ else ""


def waits_for_time(owner: Owner) -> bool:
    """True if some pod of it becomes available by waiting alone (minReadySeconds)."""
    return bool(owner.spec.min_ready_seconds) and owner.status.available_replicas < owner.status.ready_replicas


def template_hash(template: Mapping[str, Any]) -> str:
    """The label value that tells pods of one template from those of another; every field counts."""
    return digest(msgspec.json.encode(template, order="sorted"), 10)


def pod_of(owner: Object, template: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A pod as the template has it, with a name and `labels` of the owner's."""
    own = template.get("metadata") or {}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": owner.metadata.namespace,
        "labels": {**(own.get("labels") or {}), **labels},
        "ownerReferences": [owner_reference(owner)],
    }
    notes = {**_source(owner.metadata.annotations), **(own.get("annotations") or {})}
    if notes:
        metadata["annotations"] = notes
    if own.get("finalizers"):
        metadata["finalizers"] = own["finalizers"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}


def available(pod: core.Pod, min_ready_seconds: int, now: float) -> bool:
    """Ready for long enough."""
    ready = next((c for c in pod.status.conditions if c.type == "Ready" and c.status == "True"), None)
    if ready is None:
        return False
    if not min_ready_seconds or not ready.last_transition_time:
        return True
    return parse_rfc3339(ready.last_transition_time) + min_ready_seconds <= now


def _source(annotations: Mapping[str, str]) -> dict[str, str]:
    """Where the owner was applied from, so that explanations of its pods lead there."""
    return {k: v for k, v in annotations.items() if k == "tandem.io/source"}
