"""BackendTLSPolicies, the gateways that they concern, and their problems -> patches of their status. Pure.

A policy has conditions for each Gateway whose routes lead to its targets (`status.ancestors[]`, GEP-713), with what is
wrong with those targets and with the whole. One that concerns no gateway has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tandem.base.problems import Problem
from tandem.model.backendtls import AncestorStatus, BackendTLSPolicy
from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.gateway import ParentReference
from tandem.model.gateways import CONTROLLER
from tandem.translate.conditions import (
    Patch,
    Verdict,
    accepted_of,
    conditions_after,
    conditions_json,
    message_of,
    programmed_of,
)
from tandem.translate.gateway.edge import Ancestor
from tandem.translate.gateway.secured import MOST

_REFS: Final = frozenset({"InvalidCACertificateRef", "InvalidKind"})


def policy_patch(
    policy: BackendTLSPolicy,
    ancestors: Sequence[Ancestor],
    problems: Sequence[Problem],
    state: tuple[bool, str] | None,
    now: float,
) -> Patch | None:
    """What to write, None for nothing; entries of other controllers stay as they are."""
    before = {a.ancestor_ref: a.conditions for a in policy.status.ancestors if a.controller_name == CONTROLLER}
    own = []
    for ancestor in ancestors:
        ref = ParentReference(namespace=ancestor.gateway[0], name=ancestor.gateway[1])
        verdicts = _verdicts(_about(problems, ancestor), state)
        conditions = conditions_after(before.get(ref, ()), verdicts, policy.metadata.generation, now)
        own.append(AncestorStatus(ancestor_ref=ref, controller_name=CONTROLLER, conditions=conditions))
    return ancestors_patch(policy, own)


def ancestors_patch(policy: BackendTLSPolicy | XBackendTrafficPolicy, own: Sequence[AncestorStatus]) -> Patch | None:
    """What to write where these are ours; None for nothing."""
    foreign = tuple(a for a in policy.status.ancestors if a.controller_name != CONTROLLER)
    wanted = (*foreign, *own)[:MOST]
    if wanted == policy.status.ancestors:
        return None
    body = {"status": {"ancestors": [_json(one) for one in wanted]}}
    return Patch(kind=policy.kind, namespace=policy.metadata.namespace, name=policy.metadata.name, body=body)


def _about(problems: Sequence[Problem], ancestor: Ancestor) -> list[Problem]:
    """What is wrong with the whole, and with those of its targets that the gateway has to do with."""
    places = tuple(f"spec.targetRefs[{i}]" for i in ancestor.targets)
    return [p for p in problems if not p.at.path.startswith("spec.targetRefs[") or p.at.path.startswith(places)]


def _verdicts(problems: Sequence[Problem], state: tuple[bool, str] | None) -> tuple[Verdict, ...]:
    refs = [p for p in problems if p.code in _REFS]
    accepted = accepted_of([p for p in problems if p.code not in _REFS])
    if not accepted[1] and accepted[2] == "NotUnderstood":
        accepted = (*accepted[:2], "Invalid", accepted[3])  # the reason that the Gateway API knows
    resolved: Verdict = "ResolvedRefs", not refs, refs[0].code if refs else "ResolvedRefs", message_of(refs)
    return accepted, resolved, programmed_of(accepted, state)


def _json(one: AncestorStatus) -> dict[str, Any]:
    ref = one.ancestor_ref
    # The API's defaults are written out: readers compare references.
    named = {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    more = {"sectionName": ref.section_name, "port": ref.port}
    return {
        "ancestorRef": {name: value for name, value in {**named, **more}.items() if value or name == "group"},
        "controllerName": one.controller_name,
        "conditions": conditions_json(one.conditions),
    }
