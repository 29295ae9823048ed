"""What became of a request or connection that no rule decided: in which words it failed, and who answered. Pure.

In: the entry of an access log, and what is behind the cluster that was chosen. Out: an Outcome.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.base.problems import Origin
from tandem.observe import flags

_VIA_UPSTREAM: Final = "via_upstream"
_NO_ROUTE: Final = "route_not_found"
_FAILED: Final = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE"})
"""What the proxy tells gRPC clients where it would tell others a 5xx."""
GONE: Final = "the client left before it was answered"
ITSELF: Final = "the application itself answers so"
_WORDS: Final = {"direct_response": "the route answers so itself, in place of a backend"}
"""For what Envoy says of a response."""


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind a cluster: its endpoints, and who says how many connections it may have and which ones rest."""

    ends: int = 0
    policies: tuple[Origin, ...] = ()
    ejects: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`reason`: empty where nothing is to be said; `rules`: whose limits they were."""

    failed: bool
    reason: str = ""
    rules: tuple[Origin, ...] = ()


def of_request(entry: Any, grpc: str, behind: Behind, *, last: bool) -> Outcome:
    """`last`: nobody but the application is behind the proxy that tells."""
    common, response = entry.common_properties, entry.response
    code, details = response.response_code.value, response.response_code_details
    # An answer of the application itself, whatever its code, is a delivered request.
    if details == _VIA_UPSTREAM:
        return Outcome(failed=False, reason=ITSELF if last and code >= 500 else "")
    words = flags.reason(common.response_flags)
    if not code and not words and not grpc and flags.left(common.response_flags):
        return Outcome(failed=True, reason=GONE)
    if code < 500 and grpc not in _FAILED and not (words and (not code or details == _NO_ROUTE)):
        return Outcome(failed=False)
    if not words:
        words = _WORDS.get(details) or details.replace("_", " ")
    return _failed(words, common.upstream_transport_failure_reason, common.response_flags, behind)


def of_connection(common: Any, behind: Behind) -> Outcome:
    """The same of one that is no request."""
    words = flags.reason(common.response_flags)
    if not words:
        return Outcome(failed=False)
    detail = common.upstream_transport_failure_reason or common.downstream_transport_failure_reason
    return _failed(words, detail, common.response_flags, behind)


def _failed(words: str, detail: str, set_flags: Any, behind: Behind) -> Outcome:
    rules: tuple[Origin, ...] = ()
    if set_flags.upstream_overflow:
        rules = behind.policies
    if set_flags.no_healthy_upstream and behind.ends and behind.ejects:
        words, rules = f"all {behind.ends} endpoints are ejected by outlier detection", behind.policies
    return Outcome(failed=True, reason=f"{words}: {detail}" if detail else words, rules=rules)
