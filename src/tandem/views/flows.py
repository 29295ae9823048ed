"""`tandem flows`: which flows a user asked for, and how one flow reads as a line.

In: Flow values. Out: JSON-ready dicts (the contract) and table rows (paint over the same).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.observe.flow import Flow, Party, Verdict

COLUMNS: Final = ("TIME", "VERDICT", "FROM", "TO", "WHAT", "RULE")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What `tandem flows` was asked for; empty fields do not limit."""

    denied: bool = False
    staged: bool = False
    """With `denied` also: either."""
    namespace: str = ""
    pod: str = ""


def wanted(flow: Flow, query: Query) -> bool:
    """True if `flow` is one that the query asks for; namespace and pod (or container) match on either end."""
    asked = {v for v, wanted in ((Verdict.DENIED, query.denied), (Verdict.STAGED, query.staged)) if wanted}
    if asked and flow.verdict not in asked:
        return False
    ends = (flow.source, flow.destination)
    if query.namespace and not any(e.namespace == query.namespace for e in ends):
        return False
    return not query.pod or any(query.pod in {e.pod, e.container} for e in ends)


def as_json(flow: Flow) -> dict[str, Any]:
    """The stable JSON form of a flow."""
    raw: dict[str, Any] = msgspec.to_builtins(flow)
    return raw


def row(raw: dict[str, Any]) -> tuple[str, ...]:
    """One table row of a flow's JSON form, in the order of COLUMNS."""
    flow = msgspec.convert(raw, Flow)
    rules_of = "; ".join(str(r) for r in flow.rules)
    why = "" if rules_of and rules_of in flow.reason else flow.reason
    decided = ": ".join(text for text in (rules_of, why) if text)
    audited = f"audited by {'; '.join(map(str, flow.audited))}" if flow.audited else ""
    rules = "; ".join(text for text in (decided, audited) if text)
    return rfc3339(flow.time)[11:19], flow.verdict.value, _end(flow.source), _end(flow.destination), _what(flow), rules


def _end(party: Party) -> str:
    name = f"{party.namespace}/{party.pod}" if party.pod else party.address or "?"
    if party.container:
        name = f"container {party.container}"
    if party.service:
        name = f"{party.service} ({party.pod})" if party.pod else party.service
    return f"{name}:{party.port}" if party.port else name


def _what(flow: Flow) -> str:
    lock = "mTLS " if flow.tls else ""
    if flow.http is None or not flow.http.method:
        return f"{lock}{flow.protocol}"
    code = f" {flow.http.grpc or flow.http.code}" if flow.http.grpc or flow.http.code else ""
    return f"{lock}{flow.http.method} {flow.http.path}{code} {flow.http.duration_ms}ms"
