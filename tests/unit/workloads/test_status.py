"""Container states as the API is told of them: phases and conditions follow kubelet's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

import builders
from tandem.model import core
from tandem.model.meta import Condition
from tandem.workloads.status import INTERNAL_ERROR, ContainerState, Ended, PodState, all_ended, pod_status, status_patch

RUNNING = ContainerState(name="a", running_since=100.0, started=True, ready=True)
WAITING = ContainerState(name="a")


def ended(code: int) -> ContainerState:
    over = Ended(exit_code=code, reason="Completed" if code == 0 else "Error", started_at=1.0, finished_at=2.0)
    return ContainerState(name="a", ended=over)


def status(*states: ContainerState, policy: str = "Always", pod: core.Pod | None = None, **more: Any) -> dict[str, Any]:
    subject = pod or builders.pod("p", spec={"restartPolicy": policy})
    return pod_status(subject, PodState(containers=states, **more), now=1000.0)


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    condition: dict[str, Any] = next(c for c in found["conditions"] if c["type"] == kind)
    return condition


def test_a_pod_whose_container_has_not_started_is_pending() -> None:
    assert status(WAITING)["phase"] == "Pending"


def test_a_running_pod_has_its_address_and_is_ready() -> None:
    found = status(RUNNING, addresses=("10.244.0.5",), sandbox=True)
    assert (found["phase"], found["podIP"], condition(found, "Ready")["status"]) == ("Running", "10.244.0.5", "True")


def test_the_phase_of_an_ended_pod_follows_its_restart_policy() -> None:
    phases = {
        (code, p): status(ended(code), policy=p)["phase"] for code in (0, 1) for p in ("Never", "OnFailure", "Always")
    }
    assert phases == {
        (0, "Never"): "Succeeded",
        (0, "OnFailure"): "Succeeded",
        (0, "Always"): "Running",
        (1, "Never"): "Failed",
        (1, "OnFailure"): "Running",
        (1, "Always"): "Running",
    }


def test_a_failed_init_container_of_a_pod_that_must_not_restart_fails_it() -> None:
    assert status(WAITING, policy="Never", init_containers=(ended(1),))["phase"] == "Failed"
    assert status(WAITING, policy="Always", init_containers=(ended(1),))["phase"] == "Pending"


def test_an_unready_container_is_named() -> None:
    found = condition(status(ContainerState(name="a", running_since=1.0)), "Ready")
    assert (found["status"], found["message"]) == ("False", "containers with unready status: [a]")


def test_a_container_whose_probe_fails_is_named_with_what_the_probe_said() -> None:
    failing = ContainerState(name="a", running_since=1.0, unhealthy="Readiness probe failed: connection refused")
    found = condition(status(failing), "Ready")
    assert found["message"] == "containers with unready status: [a]; a: Readiness probe failed: connection refused"
    assert "message" not in condition(status(replace(failing, ready=True)), "Ready")


def test_a_container_that_has_ended_is_not_ready_whatever_it_was() -> None:
    found = status(
        ContainerState(name="a", ended=Ended(exit_code=0, reason="Completed", started_at=1.0, finished_at=2.0))
    )
    assert condition(found, "Ready")["status"] == "False"
    assert found["containerStatuses"][0]["ready"] is False


def test_what_keeps_the_sandbox_from_being_made_is_what_the_container_waits_for() -> None:
    found = status(WAITING, problem=("FailedCreatePodSandBox", "pool is full"))
    assert found["containerStatuses"][0]["state"] == {
        "waiting": {"reason": "FailedCreatePodSandBox", "message": "pool is full"}
    }


def test_the_time_of_a_condition_changes_with_its_status_alone() -> None:
    before = Condition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
    pod = builders.pod("p")
    pod = msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=(before,)))
    same, changed = status(RUNNING, pod=pod), status(WAITING, pod=pod)
    assert condition(same, "Ready")["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert condition(changed, "Ready")["lastTransitionTime"] != "2026-01-01T00:00:00Z"


def test_all_have_ended_only_when_none_runs_or_waits() -> None:
    assert all_ended([ended(0), ended(1)])
    assert not all_ended([ended(0), RUNNING])


def test_a_fault_of_the_runtime_makes_the_pod_unready_and_is_told() -> None:
    ready = ContainerState(name="main", running_since=1.0, ready=True, started=True)
    state = PodState(containers=[ready], addresses=("10.244.0.5",), sandbox=True, problem=(INTERNAL_ERROR, "why"))
    found = pod_status(builders.pod("a"), state, now=1.0)
    assert (found["reason"], found["message"], found["phase"]) == (INTERNAL_ERROR, "why", "Running")
    (verdict,) = [c for c in found["conditions"] if c["type"] == "Ready"]
    assert (verdict["status"], verdict["reason"], verdict["message"]) == ("False", INTERNAL_ERROR, "why")


def test_a_patch_removes_the_address_of_a_running_pod_but_not_of_a_finished_one() -> None:
    removed = {"reason": None, "message": None, "podIP": None, "podIPs": None}
    assert status_patch({"phase": "Pending"}) == {"phase": "Pending", **removed}
    assert status_patch({"phase": "Succeeded"}) == {"phase": "Succeeded", "reason": None, "message": None}
    assert status_patch({"phase": "Running", "podIP": "10.244.0.5"})["podIP"] == "10.244.0.5"
