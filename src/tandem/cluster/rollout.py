"""How many pods of which template a Deployment may make and remove now: numbers in, numbers out.

Follows Kubernetes' deployment controller: surge rounds up, unavailable rounds down, and not both may be zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.model import core


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Never more than `most` pods, and never fewer than `least` available ones because of the rollout."""

    most: int
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A pod of a Deployment, as far as a rollout cares. `created` orders by age, then by name."""

    name: str
    updated: bool
    available: bool
    ready: bool
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Make this many pods of the newest template, and remove these."""

    create: int = 0
    delete: tuple[str, ...] = ()


def bounds(spec: core.DeploymentSpec) -> Bounds:
    """The bounds of a rolling update of this spec."""
    surge = _resolve(spec.strategy.rolling_update.max_surge, spec.replicas, up=True)
    unavailable = _resolve(spec.strategy.rolling_update.max_unavailable, spec.replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(most=spec.replicas + surge, least=max(0, spec.replicas - unavailable))


def step(spec: core.DeploymentSpec, members: Sequence[Member], *, leaving_old: int) -> Step:
    """What to do now. `members` are the active pods; `leaving_old` counts terminating pods of older templates."""
    new = sorted((m for m in members if m.updated), key=_first_to_go)
    old = sorted((m for m in members if not m.updated), key=_first_to_go)
    if len(new) > spec.replicas:
        return Step(delete=tuple(m.name for m in new[: len(new) - spec.replicas]))
    if spec.paused and old:
        return _scale_paused(spec.replicas, new, old)
    if spec.strategy.type == "Recreate":
        # Two versions never run beside each other: new pods wait until the last old one is gone.
        if old or leaving_old:
            return Step(delete=tuple(m.name for m in old))
        return Step(create=spec.replicas - len(new))
    limits = bounds(spec)
    create = max(0, min(spec.replicas - len(new), limits.most - len(new) - len(old)))
    return Step(create=create, delete=_old_to_remove(limits, new, old))


def _old_to_remove(limits: Bounds, new: Sequence[Member], old: Sequence[Member]) -> tuple[str, ...]:
    """Old pods that serve nobody first, then available ones down to the minimum."""
    new_unavailable = sum(not m.available for m in new)
    spare = len(new) + len(old) - limits.least - new_unavailable
    idle = [m for m in old if not m.available][: max(0, spare)]
    available = sum(m.available for m in (*new, *old))
    serving = [m for m in old if m.available][: max(0, min(available - limits.least, spare - len(idle)))]
    return tuple(m.name for m in (*idle, *serving))


def _scale_paused(replicas: int, new: Sequence[Member], old: Sequence[Member]) -> Step:
    """A paused Deployment only scales down: which template a new pod should have is not decided while it is paused."""
    excess = len(new) + len(old) - replicas
    return Step(delete=tuple(m.name for m in (*old, *new)[: max(0, excess)]))


def _first_to_go(member: Member) -> tuple[bool, bool, tuple[int, ...]]:
    """Not ready before ready, unavailable before available, then newest before oldest."""
    return member.ready, member.available, tuple(-ord(c) for c in f"{member.created}/{member.name}")


def _resolve(value: core.IntOrString, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return max(0, value)
    text = value.removesuffix("%")
    if not text.isdigit():
        return 0
    exact = int(text) * replicas / 100
    return math.ceil(exact) if up else math.floor(exact)
