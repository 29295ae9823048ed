"""Canary of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.rules_kubernetes import Rule

MOST_STEPS: Final = 50
_NAMES: Final = "stable", "canary"


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    service = raw["service"]
    versions = {}
    for name in _NAMES:
        ref = raw[name]
        home = ref.get("service") or service
        versions[name] = home, ref.get("subset") or ""
        if not ref.get("service") and not ref.get("subset"):
            yield f"{at}.{name}: a service or a subset is required"
        if ref.get("subset") and home != service:
            yield f"{at}.{name}.subset: is one of Service {service}: leave service out"
    if versions["stable"] == versions["canary"]:
        yield f"{at}.canary: is the same as stable"
    if versions["canary"] == (service, ""):
        yield f"{at}.canary.service: {service!r} is the Service whose requests are divided"
    yield from _steps(raw, at)
    if milliseconds(raw.get("progressDeadline") or "1s") < 1000:
        yield f"{at}.progressDeadline: {raw['progressDeadline']!r} is less than a second"


def _steps(raw: dict[str, Any], at: str) -> Iterator[str]:
    steps = raw["steps"]
    if not 1 <= len(steps) <= MOST_STEPS:
        yield f"{at}.steps: between 1 and {MOST_STEPS} are required"
    most, before = 100 if raw.get("match") else 99, 0
    for i, step in enumerate(steps):
        weight = step["weight"]
        if not 1 <= weight <= most:
            more = "" if most == 100 else ": after the last step it is promoted, which is 100"
            yield f"{at}.steps[{i}].weight: {weight} is not between 1 and {most}{more}"
        elif weight < before:
            yield f"{at}.steps[{i}].weight: {weight} is less than {before} before it"
        before = max(before, weight)


def _analysis(raw: dict[str, Any], at: str) -> Iterator[str]:
    if milliseconds(raw.get("interval") or "1s") < 1000:
        yield f"{at}.interval: {raw['interval']!r} is less than a second"
    if raw.get("minRequests", 1) < 1:
        yield f"{at}.minRequests: {raw['minRequests']} is not 1 or more: nobody is judged by no requests"
    if raw.get("failures", 0) < 0:
        yield f"{at}.failures: {raw['failures']} is not 0 or more"
    if raw.get("successRate") == {} and not raw.get("latency"):
        yield f"{at}: neither successRate nor latency has anything to judge by"


def _percents(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("min", "maxDrop"):
        value = raw.get(name)
        if value is not None and not 0 <= value <= 100:
            yield f"{at}.{name}: {value} is not between 0 and 100 percent"


def _latency(raw: dict[str, Any], at: str) -> Iterator[str]:
    quantile = raw.get("quantile", 0.99)
    if not 0 < quantile < 1:
        yield f"{at}.quantile: {quantile} is not between 0 and 1, such as 0.99"
    if not raw.get("max") and raw.get("maxIncrease") is None:
        yield f"{at}: max or maxIncrease is required"
    if (raw.get("maxIncrease") or 0) < 0:
        yield f"{at}.maxIncrease: {raw['maxIncrease']} is not 0 or more"


def _match(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("headers") and not raw.get("cookies"):
        yield f"{at}: headers or cookies are required"


def _value(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("type") != "Present" and not raw.get("value"):
        yield f"{at}.value: is required with type {raw.get('type') or 'Exact'}"
    if raw.get("type") == "Present" and raw.get("value"):
        yield f"{at}.value: has no meaning with type Present"


RULES: Final[dict[str, Rule]] = {
    "CanarySpec": _spec,
    "CanaryAnalysis": _analysis,
    "CanarySuccessRate": _percents,
    "CanaryLatency": _latency,
    "CanaryMatch": _match,
    "CanaryValue": _value,
    "CanaryCookie": _value,
}
