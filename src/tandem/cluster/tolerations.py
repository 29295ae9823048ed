"""What a pod tolerates of a node, by `spec.tolerations`: that it is not heard of, and for how long; a cordon. Pure.

A lost node counts as tainted with `node.kubernetes.io/unreachable:NoExecute`, as Kubernetes taints it. The rules are
those of its admission (DefaultTolerationSeconds) and of its taint eviction controller (Kubernetes documentation,
"Taints and Tolerations", taint-based evictions).
"""

from __future__ import annotations

from math import inf
from typing import Final

from tandem.model import core

UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
"""What `kubectl cordon` comes to."""
NO_EXECUTE: Final = "NoExecute"
NO_SCHEDULE: Final = "NoSchedule"
DEFAULT_SECONDS: Final = 300.0
"""What admission gives a pod that says nothing of this taint."""


def tolerated_seconds(pod: core.Pod) -> float:
    """From when the node is taken for lost; 0: not at all, infinity: for as long as it takes."""
    given = [t for t in pod.spec.tolerations if t.effect in {"", NO_EXECUTE}]
    if not any(t.key in {"", UNREACHABLE} for t in given):
        return DEFAULT_SECONDS
    used = [t for t in given if _tolerates(t, UNREACHABLE)]
    if not used:
        return 0.0
    # The shortest of those that have an end counts, also beside one without.
    return min((max(0.0, float(t.toleration_seconds)) for t in used if t.toleration_seconds is not None), default=inf)


def tolerates_cordon(pod: core.Pod) -> bool:
    """Whether it may go to a node that takes no new pods."""
    return any(t.effect in {"", NO_SCHEDULE} and _tolerates(t, UNSCHEDULABLE) for t in pod.spec.tolerations)


def _tolerates(toleration: core.Toleration, taint: str) -> bool:
    """The taint has no value."""
    if toleration.operator == "Exists":
        return toleration.key in {"", taint}
    return toleration.operator in {"", "Equal"} and toleration.key == taint and not toleration.value
