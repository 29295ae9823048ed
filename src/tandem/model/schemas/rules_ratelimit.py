"""RateLimit of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tandem.model.gateways import GROUP
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import TOKEN

MOST: Final = 16
"""Targets, limits, and whatever else is a list here (GEP-713 has no more than 16 ancestors)."""
LONGEST: Final = 10_000
"""Milliseconds that a counter may take."""
KINDS: Final = {("", "Service"), (GROUP, "HTTPRoute"), (GROUP, "GRPCRoute"), (GROUP, "Gateway")}
_CLAIM: Final = re.compile(r"[^.\s\"'\\]+(\.[^.\s\"'\\]+)*")
_NAMED: Final = {
    "Header": (TOKEN, "the name of a header"),
    "Claim": (_CLAIM, "the name of a claim, such as sub or a.b"),
}


def targets(raw: dict[str, Any], at: str) -> Iterator[str]:
    """What is wrong with targetRefs as a list."""
    if not 1 <= len(raw["targetRefs"]) <= MOST:
        yield f"{at}.targetRefs: between 1 and {MOST} are required"
    keys = ("group", "kind", "name", "sectionName")
    refs = (tuple(ref.get(key) or "" for key in keys) for ref in raw["targetRefs"])
    seen: set[tuple[str, ...]] = set()
    for i, ref in enumerate(refs):
        if ref in seen:
            yield f"{at}.targetRefs[{i}]: the same target occurs twice"
        seen.add(ref)


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from targets(raw, at)
    if not 1 <= len(raw["limits"]) <= MOST:
        yield f"{at}.limits: between 1 and {MOST} are required"
    for i, limit in enumerate(raw["limits"]) if raw.get("counter") else ():
        if limit.get("burst") is not None:
            yield f"{at}.limits[{i}].burst: has no meaning with a counter, which counts in fixed times"


def _target(raw: dict[str, Any], at: str) -> Iterator[str]:
    group, kind = raw.get("group") or "", raw["kind"]
    if (group, kind) not in KINDS:
        yield f"{at}: {group}/{kind} is none of Service, and HTTPRoute, GRPCRoute and Gateway of {GROUP}"


def _limit(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw["requests"] < 1:
        yield f"{at}.requests: {raw['requests']} is not 1 or more: what must not be is denied by an AuthorizationPolicy"
    if raw.get("burst", 1) < 1:
        yield f"{at}.burst: {raw['burst']} is not 1 or more"
    for name in ("by", "matches"):
        if len(raw.get(name) or ()) > MOST:
            yield f"{at}.{name}: at most {MOST} entries"
    keys = ((f"{at}.by[{i}]", (k["type"], (k.get("name") or "").lower())) for i, k in enumerate(raw.get("by") or ()))
    seen: set[tuple[str, str]] = set()
    for where, key in keys:
        if key in seen:
            yield f"{where}: the same occurs twice"
        seen.add(key)


def _key(raw: dict[str, Any], at: str) -> Iterator[str]:
    name, wanted = raw.get("name") or "", _NAMED.get(raw["type"])
    if wanted is None:
        if name:
            yield f"{at}.name: does not belong to the type {raw['type']}"
    elif wanted[0].fullmatch(name) is None:
        yield f"{at}.name: {name!r} is not {wanted[1]}"


def _counter(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("timeout") and not 1 <= milliseconds(raw["timeout"]) <= LONGEST:
        yield f"{at}.timeout: {raw['timeout']!r} is not between 1ms and {LONGEST // 1000}s: each request waits for it"


def _match(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not any(raw.get(name) for name in ("path", "method", "headers")):
        yield f"{at}: path, method or headers are required"
    headers = raw.get("headers") or ()
    yield from repeated((f"{at}.headers[{i}].name", h["name"].lower()) for i, h in enumerate(headers))


RULES: Final[dict[str, Rule]] = {
    "RateLimitSpec": _spec,
    "RateLimitTarget": _target,
    "RateLimitRule": _limit,
    "RateLimitKey": _key,
    "RateLimitMatch": _match,
    "RateLimitCounter": _counter,
}
