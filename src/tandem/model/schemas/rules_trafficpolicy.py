"""TrafficPolicy of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.rules_ratelimit import targets
from tandem.model.schemas.syntax import TOKEN

PARTS: Final = (
    "loadBalancer",
    "circuitBreaker",
    "retryBudget",
    "outlierDetection",
    "connections",
    "sessionPersistence",
)
HASHING: Final = frozenset({"RingHash", "Maglev"})
_LARGEST: Final = {"RingHash": 8_388_608, "Maglev": 5_000_011}
_LONGEST: Final = 86_400_000
"""Milliseconds of any time here."""


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from targets(raw, at)
    if not any(part in raw for part in PARTS):
        yield f"{at}: one of {', '.join(PARTS)} is required"


def _target(raw: dict[str, Any], at: str) -> Iterator[str]:
    group, kind = raw.get("group") or "", raw["kind"]
    if (group, kind) != ("", "Service"):
        yield f"{at}: {group}/{kind} is no Service"


def _balancer(raw: dict[str, Any], at: str) -> Iterator[str]:
    kind, parts = raw.get("type") or "LeastRequest", raw.get("hashBy") or ()
    if kind in HASHING and not 1 <= len(parts) <= 8:
        yield f"{at}.hashBy: {kind} chooses by 1 to 8 parts of a request"
    if kind not in HASHING:
        yield from (f"{at}.{name}: {kind} does not hash" for name in ("hashBy", "tableSize") if raw.get(name))
    elif "warmUp" in raw:
        yield f"{at}.warmUp: {kind} knows no shares that grow"
    size = raw.get("tableSize", 1)
    if kind in _LARGEST and not 1 <= size <= _LARGEST[kind]:
        yield f"{at}.tableSize: {size} is not between 1 and {_LARGEST[kind]}"
    if kind == "Maglev" and size > 1 and not _is_prime(size):
        yield f"{at}.tableSize: {size} is no prime number, which Maglev's table needs"


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _hash(raw: dict[str, Any], at: str) -> Iterator[str]:
    kind, name = raw["type"], raw.get("name") or ""
    if kind == "Address":
        yield from (f"{at}.{key}: an address has none" for key in ("name", "path", "ttl") if raw.get(key))
        return
    if kind == "Query" and not name:
        yield f"{at}.name: the name of a parameter is required"
    elif kind != "Query" and TOKEN.fullmatch(name) is None:
        yield f"{at}.name: {name!r} is not the name of a {kind.lower()}"
    if kind != "Cookie":
        yield from (f"{at}.{key}: only a Cookie has one" for key in ("path", "ttl") if raw.get(key))
    elif raw.get("path") and not raw.get("ttl"):
        yield f"{at}.path: has no meaning without ttl, with which the cookie is given out"
    if raw.get("ttl") and milliseconds(raw["ttl"]) > _LONGEST * 365:
        yield f"{at}.ttl: {raw['ttl']!r} is longer than a year"


def _warm(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _time(raw, at, "duration")
    if not 0 <= raw.get("minimumPercent", 10) <= 100:
        yield f"{at}.minimumPercent: {raw['minimumPercent']} is not between 0 and 100"
    if raw.get("aggression", 1) <= 0:
        yield f"{at}.aggression: {raw['aggression']} is not more than 0"


def _breaker(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield f"{at}: one of connections, pendingRequests, requests and retries is required"
    yield from _counts(raw, at, "connections", "pendingRequests", "requests", "retries")


def _budget(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("percent", 20) <= 100:
        yield f"{at}.percent: {raw['percent']} is not between 0 and 100"
    yield from _counts(raw, at, "minimumRetries")
    yield from _time(raw, at, "interval")


def _outlier(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _counts(raw, at, "consecutiveErrors", "consecutiveGatewayErrors", "consecutiveLocalErrors")
    for name in ("interval", "rest"):
        yield from _time(raw, at, name)
    for name in ("maximumPercent", "minimumHealthyPercent"):
        if not 0 <= raw.get(name, 50) <= 100:
            yield f"{at}.{name}: {raw[name]} is not between 0 and 100"


def _connections(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield f"{at}: one of its fields is required"
    for name in ("connectTimeout", "maximumDuration"):
        yield from _time(raw, at, name)
    if "idleTimeout" in raw and milliseconds(raw["idleTimeout"]) > _LONGEST:
        yield f"{at}.idleTimeout: {raw['idleTimeout']!r} is not between 0s (for ever) and 24h"
    yield from _counts(raw, at, "requests", "streams")


def _time(raw: dict[str, Any], at: str, name: str) -> Iterator[str]:
    if name in raw and not 1 <= milliseconds(raw[name]) <= _LONGEST:
        yield f"{at}.{name}: {raw[name]!r} is not between 1ms and 24h"


def _counts(raw: dict[str, Any], at: str, *names: str) -> Iterator[str]:
    yield from (
        f"{at}.{name}: {raw[name]} is not between 0 and 4294967295"
        for name in names
        if not 0 <= raw.get(name, 0) <= 0xFFFFFFFF
    )


RULES: Final[dict[str, Rule]] = {
    "TrafficPolicySpec": _spec,
    "TpTarget": _target,
    "TpBalancer": _balancer,
    "TpHash": _hash,
    "TpWarmUp": _warm,
    "TpBreaker": _breaker,
    "TpBudget": _budget,
    "TpOutlier": _outlier,
    "TpConnections": _connections,
}
