"""Pod and its namespace's labels -> is the pod in the mesh, why, and which labels contradict each other. Pure.

Our own label `tandem.io/mesh` decides first, the pod's before the namespace's. Then Istio's labels are read as Istio
documents them: either side's "no" to injection beats the other's "yes"; the pod's data plane mode its namespace's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.model.core import Namespace, Pod
from tandem.model.world import World

OWN: Final = "tandem.io/mesh"
NAMESPACE_INJECTION: Final = "istio-injection"
POD_INJECTION: Final = "sidecar.istio.io/inject"
DATAPLANE: Final = "istio.io/dataplane-mode"

_ANSWERS: Final[dict[str, dict[str, bool]]] = {
    OWN: {"enabled": True, "disabled": False},
    NAMESPACE_INJECTION: {"enabled": True, "disabled": False},
    POD_INJECTION: {"true": True, "false": False},
    DATAPLANE: {"ambient": True, "none": False},
}


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, the reason in words, and what should be said about the labels."""

    meshed: bool
    because: str
    problems: tuple[Problem, ...] = ()


class _Said(msgspec.Struct, frozen=True):
    """One label that was read: where it stands and what it says."""

    where: str
    key: str
    value: str
    answer: bool
    path: str

    def __str__(self) -> str:
        return f"{self.where} has {self.key}={self.value}"


def membership(pod: Pod, namespace_labels: Mapping[str, str]) -> Membership:
    """Whether `pod` is in the mesh, by its own labels and those of its namespace."""
    if pod.spec.host_network:
        return Membership(meshed=False, because="the pod uses the host's network")
    problems: list[Problem] = []
    own_pod = _read(pod, OWN, problems=problems)
    own_namespace = _read_namespace(pod, namespace_labels, OWN)
    inject = _read(pod, POD_INJECTION, problems=problems)
    mode = _read(pod, DATAPLANE, problems=problems)
    inject_namespace = _read_namespace(pod, namespace_labels, NAMESPACE_INJECTION)
    mode_namespace = _read_namespace(pod, namespace_labels, DATAPLANE)

    said = [s for s in (own_pod, own_namespace, inject, mode, inject_namespace, mode_namespace) if s]
    winner = own_pod or own_namespace or _istio(inject, inject_namespace, mode or mode_namespace)
    if winner is None:
        return Membership(meshed=False, because="no label asks for the mesh", problems=tuple(problems))
    # A pod's label against its namespace's is an exception on purpose, not a contradiction.
    rivals = [s for s in said if s.answer != winner.answer and s.where in {"pod", winner.where}]
    # "No sidecar, but ambient" is how Istio asks for ambient, and "a sidecar, not ambient" for a sidecar.
    if winner.answer and winner.key in {DATAPLANE, POD_INJECTION, NAMESPACE_INJECTION}:
        rivals = [s for s in rivals if s.key == OWN or (winner.key == DATAPLANE and s.key == POD_INJECTION)]
    problems.extend(_contradiction(pod, winner, rival) for rival in rivals)
    return Membership(meshed=winner.answer, because=str(winner), problems=tuple(problems))


def namespace_problems(world: World) -> tuple[Problem, ...]:
    """Namespaces whose mesh labels have a value that nobody defines (said once, not for each pod)."""
    found: list[Problem] = []
    for namespace in world.sorted(Namespace):
        for key in (OWN, NAMESPACE_INJECTION, DATAPLANE):
            value = namespace.metadata.labels.get(key)
            if value is not None and value not in _ANSWERS[key]:
                at = namespace.origin(f"metadata.labels[{key}]")
                found.append(
                    Problem(at=at, code="InvalidMeshLabel", text=_wrong(key, value), severity=Severity.WARNING)
                )
    return tuple(found)


def _istio(inject: _Said | None, inject_namespace: _Said | None, mode: _Said | None) -> _Said | None:
    if mode and mode.answer:
        return mode
    injection = [s for s in (inject, inject_namespace) if s]
    refused = [s for s in injection if not s.answer]
    return next(iter(refused or injection), mode)


def _read(pod: Pod, key: str, *, problems: list[Problem]) -> _Said | None:
    for field, values in (("labels", pod.metadata.labels), ("annotations", pod.metadata.annotations)):
        if field == "annotations" and key != POD_INJECTION:
            continue
        value = values.get(key)
        if value is None:
            continue
        path = f"metadata.{field}[{key}]"
        if value in _ANSWERS[key]:
            return _Said("pod", key, value, _ANSWERS[key][value], path)
        text = _wrong(key, value)
        problems.append(Problem(at=pod.origin(path), code="InvalidMeshLabel", text=text, severity=Severity.WARNING))
    return None


def _read_namespace(pod: Pod, labels: Mapping[str, str], key: str) -> _Said | None:
    value = labels.get(key)
    if value is None or value not in _ANSWERS[key]:
        return None
    return _Said(f"namespace {pod.metadata.namespace}", key, value, _ANSWERS[key][value], "")


def _wrong(key: str, value: str) -> str:
    return f"{key}={value} is not understood and ignored; use one of {', '.join(sorted(_ANSWERS[key]))}"


def _contradiction(pod: Pod, winner: _Said, rival: _Said) -> Problem:
    inside = "in" if winner.answer else "out of"
    return Problem(
        at=pod.origin(rival.path or winner.path),
        code="MeshLabelsContradict",
        text=f"{rival}, but {winner}: the pod is {inside} the mesh; remove one of the two",
        severity=Severity.WARNING,
    )
