"""Istio's Telemetry and ProxyConfig beyond the form of single fields, as their CRDs judge them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_kubernetes import Rule

_SELECTING: Final = ("selector", "targetRef", "targetRefs")
_TAGS: Final = ("literal", "environment", "header", "formatter")


def _telemetry(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [name for name in _SELECTING if raw.get(name)]
    if len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"


def _tracing(raw: dict[str, Any], at: str) -> Iterator[str]:
    percentage = raw.get("randomSamplingPercentage") or 0
    if not 0 <= percentage <= 100:
        yield f"{at}.randomSamplingPercentage: {percentage} is not between 0 and 100"


def _custom_tag(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [name for name in _TAGS if raw.get(name)]
    if len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"


def _metric(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("metric") and raw.get("customMetric"):
        yield f"{at}.customMetric: may not be given together with metric"


def _tag_override(raw: dict[str, Any], at: str) -> Iterator[str]:
    operation = raw.get("operation") or "UPSERT"
    if raw.get("operation") == "UPSERT" and not raw.get("value"):
        yield f"{at}.value: is required for the operation UPSERT"
    if operation == "REMOVE" and "value" in raw:
        yield f"{at}.value: may not be given for the operation REMOVE"


def _proxy_config(raw: dict[str, Any], at: str) -> Iterator[str]:
    if (raw.get("concurrency") or 0) >= 2**31:
        yield f"{at}.concurrency: {raw['concurrency']} is not a number of threads"


RULES: Final[dict[str, Rule]] = {
    "TmSpec": _telemetry,
    "TmTracing": _tracing,
    "TmCustomTag": _custom_tag,
    "TmMetricSelector": _metric,
    "TmTagOverride": _tag_override,
    "PcSpec": _proxy_config,
}
