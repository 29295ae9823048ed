"""What policies of ours have in common that are attached to other objects (GEP-713)."""

from __future__ import annotations

from tandem.model.meta import Condition, Model, Status


class PolicyTarget(Model, frozen=True, kw_only=True):
    """spec.targetRefs[]: an object of the same namespace; `section_name`: a port, a rule or a listener of it."""

    group: str = ""
    kind: str = ""
    name: str = ""
    section_name: str = ""


class PolicyAncestor(Model, frozen=True, kw_only=True):
    """status.ancestors[]: what holds of the policy at one of its targets."""

    ancestor_ref: PolicyTarget
    controller_name: str
    conditions: tuple[Condition, ...] = ()


class AttachedStatus(Status, frozen=True, kw_only=True):
    """status: of the whole, and by target."""

    ancestors: tuple[PolicyAncestor, ...] = ()
