"""What the API is told of a pod: container states -> PodStatus. Pure; phase and readiness follow kubelet's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tandem.base.clock import rfc3339
from tandem.model import core

OURS: Final = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
INTERNAL_ERROR: Final = "InternalError"
"""The reason when the runtime itself failed, not the pod."""
CREATING: Final = "ContainerCreating"
"""The reason of a container that will start by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an instance of a container ended."""

    exit_code: int
    reason: str
    started_at: float
    finished_at: float
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """One container now: `ended` if it is over, `running_since` if it runs, else it waits for `reason`."""

    name: str
    image: str = ""
    reason: str = CREATING
    message: str = ""
    running_since: float = 0.0
    ended: Ended | None = None
    last: Ended | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    identity: str = ""
    unhealthy: str = ""
    """What the last probe that failed said, of this instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod now."""

    containers: Sequence[ContainerState]
    init_containers: Sequence[ContainerState] = ()
    addresses: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    started_at: float = 0.0
    sandbox: bool = False
    problem: tuple[str, str] = ("", "")
    """Reason and message of what keeps the sandbox from being made."""


def pod_status(pod: core.Pod, state: PodState, *, now: float) -> dict[str, Any]:
    """The whole status; conditions of others are kept, and times of conditions that did not change."""
    phase = _phase(pod, state)
    status: dict[str, Any] = {
        "phase": phase,
        "hostIP": state.host_ips[0] if state.host_ips else "",
        "hostIPs": [{"ip": a} for a in state.host_ips],
        "startTime": rfc3339(state.started_at),
        "conditions": _conditions(pod, state, phase, now),
        "containerStatuses": [_container(c, state) for c in state.containers],
    }
    if state.init_containers:
        status["initContainerStatuses"] = [_container(c, state) for c in state.init_containers]
    if state.problem[0] == INTERNAL_ERROR:
        status["reason"], status["message"] = state.problem
    if state.addresses:
        status["podIP"] = state.addresses[0]
        status["podIPs"] = [{"ip": a} for a in state.addresses]
    return status


def status_patch(status: dict[str, Any]) -> dict[str, Any]:
    """A merge patch that also removes what no longer holds: an address that was given back may be another pod's.

    A finished pod keeps the address that it had, as in Kubernetes.
    """
    ended = status["phase"] in {"Succeeded", "Failed"}
    fleeting = ("reason", "message") if ended else ("reason", "message", "podIP", "podIPs")
    return {**dict.fromkeys(fleeting), **status}


def _phase(pod: core.Pod, state: PodState) -> str:
    policy = pod.spec.restart_policy
    for c in state.init_containers:
        if c.ended is None or c.ended.exit_code:
            return "Failed" if c.ended is not None and policy == "Never" else "Pending"
    if any(c.ended is None and not c.running_since and c.last is None for c in state.containers):
        return "Pending"
    if any(c.ended is None for c in state.containers) or policy == "Always":
        return "Running"
    codes = [c.ended.exit_code for c in state.containers if c.ended is not None]
    if not any(codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(pod: core.Pod, state: PodState, phase: str, now: float) -> list[dict[str, Any]]:
    initialized = all(c.ended is not None and c.ended.exit_code == 0 for c in state.init_containers)
    unready = [c.name for c in state.containers if not c.ready]
    why = ("", "")
    if phase == "Succeeded":
        why = ("PodCompleted", "")
    elif state.problem[0] == INTERNAL_ERROR:  # nobody looks after the pod now
        why = state.problem
    elif unready:
        reasons = [f"{c.name}: {said}" for c in state.containers if (said := _unready(c))]
        text = "; ".join([f"containers with unready status: [{' '.join(unready)}]", *reasons])
        why = ("ContainersNotReady", text)
    verdicts = {
        "PodScheduled": (True, "", ""),
        "PodReadyToStartContainers": (state.sandbox, *state.problem),
        "Initialized": (initialized, "" if initialized else "ContainersNotInitialized", ""),
        "ContainersReady": (not why[0], *why),
        "Ready": (not why[0], *why),
    }
    before = {c.type: c for c in pod.status.conditions}
    ours = [_condition(kind, verdicts[kind], before.get(kind), now) for kind in OURS]
    return ours + [_foreign(c) for c in pod.status.conditions if c.type not in OURS]


def _unready(container: ContainerState) -> str:
    """Why a container is not ready, as far as that is known."""
    if container.ready:
        return ""
    if container.running_since:
        return container.unhealthy
    return f"{container.reason}: {container.message}" if container.message else ""


def _condition(kind: str, verdict: tuple[bool, str, str], before: Any, now: float) -> dict[str, Any]:
    holds, reason, message = verdict
    status = "True" if holds else "False"
    same = before is not None and before.status == status and before.last_transition_time
    found: dict[str, Any] = {
        "type": kind,
        "status": status,
        "lastTransitionTime": before.last_transition_time if same else rfc3339(now),
    }
    return found | _given(reason=reason, message=message)


def _foreign(condition: Any) -> dict[str, Any]:
    bare: dict[str, Any] = {"type": condition.type, "status": condition.status}
    return bare | _given(
        reason=condition.reason, message=condition.message, lastTransitionTime=condition.last_transition_time
    )


def _container(c: ContainerState, state: PodState) -> dict[str, Any]:
    if c.ended is not None:
        now: dict[str, Any] = _ended(c.ended, c.identity)
    elif c.running_since:
        now = {"running": {"startedAt": rfc3339(c.running_since)}}
    else:
        reason, message = (c.reason, c.message)
        if reason == CREATING and state.problem[0]:
            reason, message = state.problem
        now = {"waiting": {"reason": reason, **_given(message=message)}}
    return {
        "name": c.name,
        "image": c.image,
        "imageID": "",
        "state": now,
        "lastState": _ended(c.last, "") if c.last is not None else {},
        "ready": c.ready,
        "started": c.started,
        "restartCount": c.restarts,
    } | _given(containerID=c.identity)


def _ended(ended: Ended, identity: str) -> dict[str, Any]:
    found = {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": rfc3339(ended.started_at),
        "finishedAt": rfc3339(ended.finished_at),
    }
    return {"terminated": {**found, **_given(message=ended.message, containerID=identity)}}


def _given(**values: str | None) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v}


def all_ended(states: Iterable[ContainerState]) -> bool:
    """True if no container runs or waits to run."""
    return all(s.ended is not None for s in states)
