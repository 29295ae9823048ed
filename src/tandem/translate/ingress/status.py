"""Istio's Gateways, with their problems and what nodes have in force -> patches of their status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandem.base.problems import Problem
from tandem.model.istiogateway import Address, IstioGateway
from tandem.translate.conditions import (
    Patch,
    Verdict,
    accepted_of,
    conditions_after,
    conditions_json,
    programmed_of,
)
from tandem.translate.gateway.edge import IngressFacts

State = tuple[bool, str] | None


def ingress_patch(
    gateway: IstioGateway, facts: IngressFacts | None, problems: Sequence[Problem], state: State, now: float
) -> Patch | None:
    """Conditions as of Istio's other kinds, and the addresses as the Gateway API tells them.

    `facts` None: it selects something else, and has no address.
    """
    accepted = accepted_of(problems)
    verdicts = accepted, _programmed(accepted, facts, state)
    wanted = conditions_after(gateway.status.conditions, verdicts, gateway.metadata.generation, now)
    addresses = tuple(Address(value=address) for address in facts.addresses) if facts is not None else ()
    body: dict[str, Any] = {}
    if wanted != gateway.status.conditions:
        body["conditions"] = conditions_json(wanted)
    if addresses != gateway.status.addresses:
        body["addresses"] = [{"value": address.value} for address in addresses]
    namespace, name = gateway.key
    return Patch(kind=gateway.kind, namespace=namespace, name=name, body={"status": body}) if body else None


def _programmed(accepted: Verdict, facts: IngressFacts | None, state: State) -> Verdict:
    if accepted[1] and (facts is None or not facts.serves):
        return "Programmed", False, "Invalid", "no server of it can serve"
    if accepted[1] and facts is not None and facts.within:
        return programmed_of(accepted, (True, ""))
    if accepted[1] and state is None:
        return "Programmed", False, "NoResources", "there is no node that may answer for its addresses"
    return programmed_of(accepted, state)
