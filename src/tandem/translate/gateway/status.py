"""GatewayClasses and Gateways, with their problems and what nodes have in force -> patches of their status. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from tandem.base.problems import Problem, Severity
from tandem.model.gateways import (
    CONTROLLER,
    Gateway,
    GatewayAddress,
    GatewayClass,
    GatewayStatus,
    ListenerStatus,
    SupportedFeature,
)
from tandem.translate.conditions import (
    Patch,
    State,
    Verdict,
    accepted_of,
    conditions_after,
    conditions_json,
    json_of,
    message_of,
    programmed_of,
)
from tandem.translate.gateway.certificates import CLIENT_CERTIFICATE
from tandem.translate.gateway.edge import (
    CONFLICTS,
    NOT_ACCEPTED,
    UNPLACED,
    UNRESOLVED,
    GatewayFacts,
    Holder,
    ListenerFacts,
)
from tandem.translate.gateway.features import SUPPORTED
from tandem.translate.gateway.overlaps import OVERLAPPING

Whole = tuple[Verdict, Verdict]
"""Accepted and Programmed of an object with listeners."""
INSECURE: Final = "InsecureFrontendValidationMode"
"""Condition of a Gateway that is there only while it is True."""
_ELSEWHERE: Final = frozenset({*UNPLACED, *UNRESOLVED, "InvalidClientCertificateRef", "NoValidCACertificate"})
"""Codes that other conditions tell of, or those of listeners."""


def class_problems(found: GatewayClass) -> tuple[Problem, ...]:
    """What is wrong with a class of ours."""
    ref = found.spec.parameters_ref
    if ref is None:
        return ()
    text = f"{ref.group}/{ref.kind} {ref.name}: classes here have no parameters"
    return (Problem(at=found.origin("spec.parametersRef"), code="InvalidParameters", text=text),)


def class_patch(found: GatewayClass, now: float) -> Patch | None:
    """Of a class that is ours; others are left alone."""
    if found.spec.controller_name != CONTROLLER:
        return None
    supported: Verdict = ("SupportedVersion", True, "SupportedVersion", "the API is served as v1")
    verdicts = (accepted_of(class_problems(found)), supported)
    wanted = conditions_after(found.status.conditions, verdicts, found.metadata.generation, now)
    features = tuple(SupportedFeature(name=name) for name in SUPPORTED)
    if wanted == found.status.conditions and features == found.status.supported_features:
        return None
    status = {"conditions": conditions_json(wanted), "supportedFeatures": json_of(features)}
    return Patch(kind=found.kind, namespace="", name=found.metadata.name, body={"status": status})


def gateway_patch(
    gateway: Gateway, facts: GatewayFacts | None, problems: Sequence[Problem], state: State, now: float
) -> Patch | None:
    """`facts` None: it is not ours, and left alone."""
    if facts is None:
        return None
    errors = [p for p in problems if p.severity is Severity.ERROR]
    accepted = gateway_accepted(facts, problems)
    programmed = _programmed(accepted, facts, errors, state)
    generation = gateway.metadata.generation
    listeners = listeners_after(gateway, facts.listeners, errors, (accepted, programmed), now)
    verdicts = (accepted, programmed, _resolved(facts, errors), *_insecure(facts))
    held = tuple(c for c in gateway.status.conditions if c.type != INSECURE or facts.falls_back)
    wanted = GatewayStatus(
        addresses=tuple(GatewayAddress(value=address) for address in facts.addresses),
        conditions=conditions_after(held, verdicts, generation, now),
        listeners=listeners,
        attached_listener_sets=facts.sets,
    )
    if wanted == gateway.status:
        return None
    body = {
        "addresses": [{"type": "IPAddress", "value": address} for address in facts.addresses],
        "conditions": conditions_json(wanted.conditions),
        "listeners": listeners_json(listeners),
        "attachedListenerSets": facts.sets,
    }
    namespace, name = gateway.key
    return Patch(kind=gateway.kind, namespace=namespace, name=name, body={"status": body})


def listeners_after(
    holder: Holder,
    facts: Sequence[ListenerFacts],
    errors: Sequence[Problem],
    whole: Whole,
    now: float,
) -> tuple[ListenerStatus, ...]:
    """What is told of the listeners of an object."""
    before = {listener.name: listener for listener in holder.status.listeners}
    generation = holder.metadata.generation
    return tuple(
        _listener(one, before.get(one.name), _of(errors, i, one), whole, generation=generation, now=now)
        for i, one in enumerate(facts)
    )


def refused_listeners(facts: Sequence[ListenerFacts], problems: Sequence[Problem]) -> tuple[str, ...]:
    """The names of those that are not accepted."""
    return _with_codes(facts, [p for p in problems if p.severity is Severity.ERROR], NOT_ACCEPTED)


def _with_codes(facts: Sequence[ListenerFacts], errors: Sequence[Problem], codes: Collection[str]) -> tuple[str, ...]:
    return tuple(one.name for i, one in enumerate(facts) if any(p.code in codes for p in _of(errors, i, one)))


def _of(errors: Sequence[Problem], index: int, listener: ListenerFacts) -> list[Problem]:
    """Its own, and what is wrong with what holds for it and is said elsewhere."""
    places = (f"spec.listeners[{index}].", *((f"{listener.governed}.",) if listener.governed else ()))
    return [p for p in errors if p.at.path.startswith(places)]


def _resolved(facts: GatewayFacts, errors: Sequence[Problem]) -> Verdict:
    """Of what the whole refers to, and in sum of what its listeners do."""
    wrong = [p for p in errors if p.at.path == CLIENT_CERTIFICATE]
    unresolved = _with_codes(facts.listeners, errors, UNRESOLVED)
    if wrong or not unresolved:
        return _refs("ResolvedRefs", wrong)
    text = f"references of listener {', '.join(unresolved)} cannot be used: see its conditions"
    return "ResolvedRefs", False, "ListenersNotResolved", text


def _insecure(facts: GatewayFacts) -> tuple[Verdict, ...]:
    text = "spec.tls.frontend: clients without a valid certificate are let in where the mode is AllowInsecureFallback"
    return ((INSECURE, True, "ConfigurationChanged", text),) if facts.falls_back else ()


def gateway_accepted(facts: GatewayFacts, problems: Sequence[Problem]) -> Verdict:
    """Of the whole: listeners that cannot be accepted are told, and refuse it where no other is left.

    Those of its ListenerSets are others as well.
    """
    whole = [p for p in problems if not p.at.path.startswith("spec.listeners") and p.code not in _ELSEWHERE]
    verdict = accepted_of(whole)
    if not verdict[1]:
        return verdict
    refused = refused_listeners(facts.listeners, problems)
    if not refused:
        return verdict
    text = f"listener {', '.join(refused)} is not accepted: see its conditions"
    return "Accepted", len(refused) < len(facts.listeners) or bool(facts.sets), "ListenersNotValid", text


def _programmed(accepted: Verdict, facts: GatewayFacts, errors: Sequence[Problem], state: State) -> Verdict:
    unplaced = [p for p in errors if p.code in UNPLACED]
    if accepted[1] and unplaced:
        return "Programmed", False, unplaced[0].code, message_of(unplaced)
    if accepted[1] and not any(listener.serves for listener in facts.listeners) and not facts.sets:
        return "Programmed", False, "Invalid", "no listener can serve: see their conditions"
    if accepted[1] and state is None:
        return "Programmed", False, "NoResources", "there is no node that may answer for its addresses"
    return programmed_of(accepted, state)


def _listener(
    facts: ListenerFacts,
    before: ListenerStatus | None,
    errors: Sequence[Problem],
    whole: Whole,
    *,
    generation: int,
    now: float,
) -> ListenerStatus:
    wrong = [p for p in errors if p.code in NOT_ACCEPTED]
    accepted = accepted_of(wrong)
    programmed = programmed_of(accepted, (True, ""))
    if accepted[2] in CONFLICTS:
        programmed = *programmed[:2], *accepted[2:]
    elif accepted[1] and not facts.serves and whole[0][1]:
        programmed = "Programmed", False, "Invalid", message_of(errors) or whole[1][3]
    elif accepted[1]:
        programmed = whole[1]
    unresolved = [p for p in errors if p.code in UNRESOLVED]
    clashes = [p for p in errors if p.code in CONFLICTS]
    verdicts: tuple[Verdict, ...] = (
        accepted,
        programmed,
        _refs("ResolvedRefs", unresolved),
        ("Conflicted", bool(clashes), clashes[0].code if clashes else "NoConflicts", message_of(clashes)),
        *(((OVERLAPPING[0], True, OVERLAPPING[1], facts.overlaps),) if facts.overlaps else ()),
    )
    known = before.conditions if before is not None else ()
    held = tuple(c for c in known if c.type != OVERLAPPING[0] or facts.overlaps)
    return ListenerStatus(
        name=facts.name,
        supported_kinds=facts.kinds,
        attached_routes=facts.attached,
        conditions=conditions_after(held, verdicts, generation, now),
    )


def _refs(kind: str, problems: Sequence[Problem]) -> Verdict:
    return kind, not problems, problems[0].code if problems else kind, message_of(problems)


def listeners_json(listeners: Sequence[ListenerStatus]) -> list[dict[str, Any]]:
    """As the API wants them."""
    # Zero and none are told, and the group of kinds is written out: readers compare them.
    return [
        {
            "name": listener.name,
            "attachedRoutes": listener.attached_routes,
            "supportedKinds": [{"group": kind.group, "kind": kind.kind} for kind in listener.supported_kinds],
            "conditions": conditions_json(listener.conditions),
        }
        for listener in listeners
    ]
