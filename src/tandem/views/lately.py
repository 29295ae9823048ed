"""What became of the requests and connections that were asked about: the newest flows beside the verdict of the rules.

In: an Explanation, its two ends and the flows that control keeps. Out: the Explanation with what was seen, so that what
no manifest says (an application that fails, a port at which nobody listens) is told, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.base.problems import Origin
from tandem.observe.flow import Flow, Verdict
from tandem.views.parties import Party
from tandem.views.ways import Explanation, Seen

SECONDS: Final = 300.0
"""What is older says little of what there is now."""
TOGETHER: Final = 1.0
"""So near to each other two proxies tell of one request."""
_Kind = tuple[str, str, tuple[Origin, ...]]


def with_lately(found: Explanation, ends: tuple[Party, Party], flows: Sequence[Flow], now: float) -> Explanation:
    """`flows`: oldest first. Where it is allowed and the newest failed all the same, the summary says so."""
    recent = [flow for flow in reversed(flows) if now - flow.time <= SECONDS and _about(flow, found, *ends)]
    if not recent:
        return found
    counts = Counter(map(_kind, recent))
    newest = {_kind(flow): flow for flow in reversed(recent)}
    seen = tuple(
        Seen(verdict=kind[0], count=count, reason=kind[1], rules=kind[2], newest=rfc3339(newest[kind].time))
        for kind, count in counts.items()
    )
    kinds = zip(seen, (newest[kind] for kind in counts), strict=True)
    # Of the newest request alone: what failed otherwise, and before, may be mended.
    failures = [one for one, flow in kinds if _fails(flow) and recent[0].time - flow.time < TOGETHER]
    failing = max(failures, key=_telling, default=None)
    told = found.summary
    if found.allowed and failing is not None and _fails(recent[0]):
        told += f"; but lately {failing.count} of {len(recent)} failed: {failing.told}"
    return msgspec.structs.replace(found, summary=told, seen=seen)


def _telling(one: Seen) -> tuple[bool, bool, bool, int]:
    """Of a request two proxies tell: who knows the rule knows more, then who failed, then who has a reason."""
    return bool(one.rules), one.verdict != Verdict.ALLOWED.value, ": " in one.reason, one.count


def _about(flow: Flow, found: Explanation, source: Party, target: Party) -> bool:
    """Of a request two proxies tell; of both each is about it."""
    one, other = flow.source, flow.destination
    if source.pod is not None and (one.namespace, one.pod) != source.pod.key:
        return False
    if source.pod is None and one.address != source.address:
        return False
    if target.service is not None and other.service == "/".join(target.service.key) and other.port == target.port:
        return True
    if target.gateway is not None:
        return (other.namespace, other.pod) == (target.gateway.key[0], f"gateway/{target.gateway.key[1]}")
    return any((other.address, other.port) == (way.address, way.port) for way in found.ways)


def _kind(flow: Flow) -> _Kind:
    """What the same has become of, as far as people tell it apart."""
    code = flow.http.grpc or str(flow.http.code or "") if flow.http is not None else ""
    reason = ": ".join(_parts(code, flow.reason))
    return flow.verdict.value, reason, flow.rules


def _parts(code: str, reason: str) -> Iterator[str]:
    if code:
        yield f"answered with {code}"
    if reason:
        yield reason


def _fails(flow: Flow) -> bool:
    return flow.verdict in {Verdict.DENIED, Verdict.ERROR} or (flow.http is not None and flow.http.code >= 500)
