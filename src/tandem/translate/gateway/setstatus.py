"""ListenerSets, with their problems and what nodes have in force -> patches of their status. Pure.

What a set is told of its Gateway is in the set's own words for it (ListenerSetConditionReason): the set's users need
not be able to read the Gateway.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandem.base.problems import Problem, Severity
from tandem.model.listenersets import ListenerSet, ListenerSetStatus
from tandem.translate.conditions import (
    Patch,
    State,
    Verdict,
    accepted_of,
    conditions_after,
    conditions_json,
    programmed_of,
)
from tandem.translate.gateway.edge import SetFacts
from tandem.translate.gateway.status import listeners_after, listeners_json


def set_patch(
    found: ListenerSet, facts: SetFacts | None, problems: Sequence[Problem], state: State, now: float
) -> Patch | None:
    """`facts` None: its Gateway is not ours, and it is left alone."""
    if facts is None:
        return None
    accepted = _accepted(facts, problems)
    programmed = _programmed(accepted, facts, state)
    errors = [p for p in problems if p.severity is Severity.ERROR]
    wanted = ListenerSetStatus(
        conditions=conditions_after(found.status.conditions, (accepted, programmed), found.metadata.generation, now),
        listeners=listeners_after(found, facts.listeners, errors, (accepted, programmed), now),
    )
    if wanted == found.status:
        return None
    body = {"conditions": conditions_json(wanted.conditions), "listeners": listeners_json(wanted.listeners)}
    namespace, name = found.key
    return Patch(kind=found.kind, namespace=namespace, name=name, body={"status": body})


def _accepted(facts: SetFacts, problems: Sequence[Problem]) -> Verdict:
    """Of the whole: it needs one listener that could be served."""
    verdict = accepted_of([p for p in problems if not p.at.path.startswith("spec.listeners")])
    invalid = [one.name for one in facts.listeners if not one.valid]
    if not verdict[1] or not invalid:
        return verdict
    text = f"listener {', '.join(invalid)} cannot be served: see its conditions"
    return "Accepted", len(invalid) < len(facts.listeners), "ListenersNotValid", text


def _programmed(accepted: Verdict, facts: SetFacts, state: State) -> Verdict:
    verdict = programmed_of(accepted, state)
    if not accepted[1]:
        return *verdict[:2], accepted[2], verdict[3]
    if state is None or not any(one.serves for one in facts.listeners):
        return "Programmed", False, "ParentNotProgrammed", "its Gateway has no address, or no node that answers for it"
    return verdict
