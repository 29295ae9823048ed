"""World -> writes: a StatefulSet keeps one Pod for each ordinal, under a name that stays.

Which template a pod has is told by its label `controller-revision-hash`. Older templates are not kept: a pod that
comes anew has the newest one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tandem.cluster.ordinals import Seat, step
from tandem.cluster.templates import available, owned_pods, pod_of, template_hash
from tandem.cluster.writes import Create, Patch, Write, delete
from tandem.model import core
from tandem.model.said import say
from tandem.model.stateful import StatefulSet, StatefulSetStatus
from tandem.model.world import World

REVISION_LABEL: Final = "controller-revision-hash"
_NAME_LABEL: Final = "statefulset.kubernetes.io/pod-name"
_INDEX_LABEL: Final = "apps.kubernetes.io/pod-index"


def keep_ordinals(world: World, *, now: float) -> tuple[Write, ...]:
    """Pods to make and remove, and each StatefulSet's status."""
    owned, left = owned_pods(world, StatefulSet)
    writes: list[Write] = [*left]
    for owner in world.sorted(StatefulSet):
        if owner.metadata.uid in owned:
            writes += reconcile(owner, owned[owner.metadata.uid], now=now)
    return tuple(writes)


def reconcile(owner: StatefulSet, pods: Sequence[core.Pod], *, now: float) -> list[Write]:
    """What is to be written of one StatefulSet that has these pods."""
    current = template_hash(owner.spec.template)
    by_ordinal = {n: p for p in pods if (n := _ordinal(owner, p)) is not None}
    seats = {n: _seat(owner, p, current, now) for n, p in by_ordinal.items()}
    todo = step(owner.spec, seats)
    writes: list[Write] = []
    for number in todo.delete:
        pod = by_ordinal[number]
        writes.append(delete(pod, say(owner, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")))
    for number in todo.create:
        told = say(owner, "SuccessfulCreate", f"Created pod: {owner.metadata.name}-{number}")
        writes.append(Create(raw=_pod(owner, current, number), told=(told,)))
    return writes + _status(owner, by_ordinal, seats, current)


def _ordinal(owner: StatefulSet, pod: core.Pod) -> int | None:
    name, _, number = pod.metadata.name.rpartition("-")
    return int(number) if name == owner.metadata.name and number.isdecimal() else None


def _seat(owner: StatefulSet, pod: core.Pod, current: str, now: float) -> Seat:
    return Seat(
        updated=pod.metadata.labels.get(REVISION_LABEL) == current,
        well=available(pod, owner.spec.min_ready_seconds, now),
        ended=pod.finished,
        leaving=pod.terminating,
    )


def _pod(owner: StatefulSet, current: str, number: int) -> dict[str, Any]:
    """Its host name is the pod's, below the domain of the Service that governs the set."""
    name = f"{owner.metadata.name}-{number}"
    labels = {_NAME_LABEL: name, _INDEX_LABEL: str(number), REVISION_LABEL: current}
    raw = pod_of(owner, owner.spec.template, name, labels)
    own = {"hostname": name, **({"subdomain": owner.spec.service_name} if owner.spec.service_name else {})}
    return {**raw, "spec": {**raw["spec"], **own}}


def _status(owner: StatefulSet, pods: Mapping[int, core.Pod], seats: Mapping[int, Seat], current: str) -> list[Write]:
    staying = {n: s for n, s in seats.items() if not s.leaving and not s.ended}
    updated = sum(s.updated for s in staying.values())
    before = owner.status.current_revision or current
    complete = updated == owner.spec.replicas == len(staying) and all(s.well for s in staying.values())
    revision = current if complete else before
    of_revision = sum(pods[n].metadata.labels.get(REVISION_LABEL) == revision for n in staying)
    told: dict[str, Any] = {
        "observedGeneration": owner.metadata.generation,
        "replicas": len(staying),
        "readyReplicas": sum(pods[n].ready for n in staying),
        "currentReplicas": of_revision,
        "updatedReplicas": updated,
        "availableReplicas": sum(s.well for s in staying.values()),
        "currentRevision": revision,
        "updateRevision": current,
    }
    if msgspec.convert(told, StatefulSetStatus) == owner.status:
        return []
    namespace, name = owner.key
    return [Patch(kind="StatefulSet", namespace=namespace, name=name, patch={"status": told}, subresource="status")]
