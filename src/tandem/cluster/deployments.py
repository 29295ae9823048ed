"""World -> writes: Deployments make and remove Pods directly; there is no ReplicaSet in between.

A pod belongs to the Deployment that its controlling ownerReference names by uid, and to the template that its label
`pod-template-hash` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.base.digest import digest
from tandem.cluster.rollout import Member, Step, bounds, step
from tandem.cluster.templates import available, owned_pods, pod_of, template_hash
from tandem.cluster.writes import Create, Delete, Patch, Write, delete
from tandem.model import core
from tandem.model.meta import Condition
from tandem.model.said import say
from tandem.model.world import World

HASH_LABEL: Final = "pod-template-hash"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' letters for random names: no vowels, no letters that look like digits."""


def deploy(world: World, *, seed: str, now: float) -> tuple[Write, ...]:
    """Pods to make and remove, and each Deployment's status. `seed` is the chance in the names of new pods."""
    owned, left = owned_pods(world, core.Deployment)
    writes: list[Write] = [*left]
    for deployment in world.sorted(core.Deployment):
        if deployment.metadata.uid in owned:
            writes += reconcile(deployment, owned[deployment.metadata.uid], seed=seed, now=now)
    return tuple(writes)


def reconcile(deployment: core.Deployment, pods: Sequence[core.Pod], *, seed: str, now: float) -> list[Write]:
    """What is to be written of one Deployment that has these pods, sorted by name."""
    current = template_hash(deployment.spec.template)
    active = [p for p in pods if not p.terminating and not p.finished]
    members = [_member(deployment, p, current, now) for p in active]
    leaving = sum(p.terminating and p.metadata.labels.get(HASH_LABEL) != current for p in pods)
    todo = step(deployment.spec, members, leaving_old=leaving)
    by_name = {p.metadata.name: p for p in active}
    writes: list[Write] = [_delete(deployment, p) for p in pods if p.finished and not p.terminating]
    writes += [_delete(deployment, by_name[n]) for n in todo.delete]
    taken = {p.metadata.name for p in pods}
    for number in range(todo.create):
        name = _name(deployment, current, f"{seed}/{number}", taken)
        taken.add(name)
        told = say(deployment, "SuccessfulCreate", f"Created pod: {name}")
        writes.append(
            Create(raw=pod_of(deployment, deployment.spec.template, name, {HASH_LABEL: current}), told=(told,))
        )
    return writes + _status(deployment, members, todo, now)


def _delete(deployment: core.Deployment, pod: core.Pod) -> Delete:
    return delete(pod, say(deployment, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}"))


def _member(deployment: core.Deployment, pod: core.Pod, current: str, now: float) -> Member:
    return Member(
        name=pod.metadata.name,
        updated=pod.metadata.labels.get(HASH_LABEL) == current,
        ready=pod.ready,
        available=available(pod, deployment.spec.min_ready_seconds, now),
        created=pod.metadata.creation_timestamp or "",
    )


def _name(deployment: core.Deployment, current: str, seed: str, taken: set[str]) -> str:
    for attempt in range(1000):
        chance = int(digest(f"{deployment.metadata.uid}/{current}/{seed}/{attempt}", 12), 16)
        letters = "".join(_ALPHABET[chance // len(_ALPHABET) ** i % len(_ALPHABET)] for i in range(5))
        name = f"{deployment.metadata.name}-{current}-{letters}"
        if name not in taken:
            return name
    raise AssertionError("14 million names are taken")


def _raw(value: object) -> Any:
    """As it came in JSON: lists, not tuples."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _status(deployment: core.Deployment, members: Sequence[Member], todo: Step, now: float) -> list[Write]:
    updated = sum(m.updated for m in members)
    enough = sum(m.available for m in members)
    status = core.DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=len(members),
        updated_replicas=updated,
        ready_replicas=sum(m.ready for m in members),
        available_replicas=enough,
        conditions=_conditions(deployment, members, todo, now),
    )
    if status == deployment.status:
        return []
    numbers: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "updatedReplicas": status.updated_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
        "unavailableReplicas": max(0, max(deployment.spec.replicas, len(members)) - enough),
        "conditions": _raw(status.conditions),
    }
    namespace, name = deployment.key
    return [Patch(kind="Deployment", namespace=namespace, name=name, patch={"status": numbers}, subresource="status")]


def _conditions(
    deployment: core.Deployment, members: Sequence[Member], todo: Step, now: float
) -> tuple[Condition, ...]:
    spec, name = deployment.spec, deployment.metadata.name
    least = bounds(spec).least if spec.strategy.type != "Recreate" else spec.replicas
    enough = sum(m.available for m in members) >= least
    complete = (
        not todo.create
        and not todo.delete
        and len(members) == spec.replicas
        and all(m.updated and m.available for m in members)
    )
    fresh = (
        Condition(
            type="Available",
            status="True" if enough else "False",
            reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        ),
        Condition(
            type="Progressing",
            status="True",
            reason="NewReplicaSetAvailable" if complete else "ReplicaSetUpdated",
            message=f'Deployment "{name}" {"has successfully progressed" if complete else "is progressing"}.',
        ),
    )
    old = {c.type: c for c in deployment.status.conditions}
    return tuple(_dated(c, old.get(c.type), now) for c in fresh)


def _dated(new: Condition, old: Condition | None, now: float) -> Condition:
    keeps = old is not None and old.status == new.status and old.last_transition_time
    time = old.last_transition_time if old is not None and keeps else rfc3339(now)
    return msgspec.structs.replace(new, last_transition_time=time)
