"""Flows of requests that a limit refused, or that a staged one would have. Pure.

The filters that count leave in the metadata of a request whose limit was asked last, and which staged ones were full.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.base.problems import Origin
from tandem.observe.flow import Flow, Verdict
from tandem.state.xds import LIMIT, LIMITS, STAGED_LIMIT

_DETAILS: Final = frozenset({"local_rate_limited", "request_rate_limited"})
_ERROR: Final = "rate_limiter_error"
REFUSED: Final = "as many requests as a RateLimit allows have come"
SILENT: Final = "the counter of a RateLimit gave no answer"
WOULD: Final = "a staged RateLimit would refuse it"


def limited(flow: Flow, details: str, metadata: Any) -> Flow:
    """The flow of a request with these details of its response and this metadata of its filters."""
    refused = {**dict.fromkeys(_DETAILS, REFUSED), _ERROR: SILENT}.get(details)
    if LIMITS not in metadata or (refused is None and flow.verdict not in {Verdict.ALLOWED, Verdict.STAGED}):
        return flow
    fields = metadata[LIMITS].fields
    direction = "egress" if flow.reporter == "source" else "ingress"
    if refused is not None:
        rules = (_origin(fields[LIMIT]),) if LIMIT in fields else ()
        return msgspec.structs.replace(flow, verdict=Verdict.DENIED, direction=direction, reason=refused, rules=rules)
    staged = tuple(_origin(fields[name]) for name in sorted(fields) if name.startswith(STAGED_LIMIT))
    if not staged or flow.verdict is Verdict.STAGED:
        return flow
    return msgspec.structs.replace(flow, verdict=Verdict.STAGED, direction=direction, reason=WOULD, rules=staged)


def _origin(value: Any) -> Origin:
    return msgspec.json.decode(value.string_value, type=Origin)
