"""Verdicts -> conditions, and the patch of a status: what the kinds whose status is written here share. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.base.problems import ObjectKey, Problem, Severity
from tandem.model.meta import Condition

SHOWN: Final = 5
"""How many Problems a message spells out."""

Programmed = Mapping[ObjectKey, tuple[bool, str]]
"""(kind, namespace, name) -> in force everywhere, and why not. An object that is absent concerns no node."""
State = tuple[bool, str] | None
"""Of one object what `Programmed` has of it, None if it is absent there."""
Verdict = tuple[str, bool, str, str]
"""Condition type, status, reason, message."""


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """A merge patch of one object's status subresource."""

    kind: str
    namespace: str
    name: str
    body: dict[str, Any]


def conditions_json(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Conditions as the API wants them."""
    # metav1.Condition requires the message, which may be empty.
    return [{**json_of(c), "message": c.message} for c in conditions]


def json_of(value: object) -> Any:
    """A value as plain JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def accepted_of(problems: Sequence[Problem]) -> Verdict:
    """The condition Accepted: the first error is the reason, warnings are in the message."""
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors:
        return "Accepted", False, errors[0].code, message_of(errors)
    return "Accepted", True, "Accepted", message_of(problems)


def programmed_of(accepted: Verdict, state: State) -> Verdict:
    """The condition Programmed of an object that is accepted, or not."""
    if not accepted[1]:
        return "Programmed", False, "Invalid", "not in force as written: see the condition Accepted"
    if state is None:
        return "Programmed", True, "Programmed", "no node is concerned"
    if not state[0]:
        return "Programmed", False, "Pending", state[1]
    return "Programmed", True, "Programmed", ""


def message_of(problems: Sequence[Problem]) -> str:
    """Problems for people; of many the first."""
    shown = [f"{p.at.path}: {p.text}" if p.at.path else p.text for p in problems[:SHOWN]]
    if len(problems) > SHOWN:
        shown.append(f"and {len(problems) - SHOWN} more")
    return "; ".join(shown)


def conditions_after(
    before: tuple[Condition, ...], verdicts: Sequence[Verdict], generation: int, now: float
) -> tuple[Condition, ...]:
    """`before` with these verdicts; conditions of others stay, times change with the status alone."""
    known = {c.type: c for c in before}
    for kind, holds, reason, message in verdicts:
        status = "True" if holds else "False"
        old = known.get(kind)
        since = old.last_transition_time if old is not None and old.status == status else rfc3339(now)
        known[kind] = Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=generation,
            last_transition_time=since,
        )
    return tuple(known.values())
