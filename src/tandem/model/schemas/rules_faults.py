"""FaultInjection of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.base.grpc import STATUSES
from tandem.model.gateways import GROUP
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.rules_ratelimit import targets

LONGEST: Final = 3_600_000
"""Milliseconds of a delay."""


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from targets(raw, at)
    if not raw.get("delay") and not raw.get("abort"):
        yield f"{at}: delay or abort is required"


def _target(raw: dict[str, Any], at: str) -> Iterator[str]:
    group, kind = raw.get("group") or "", raw["kind"]
    if group != GROUP or kind not in {"HTTPRoute", "GRPCRoute"}:
        yield f"{at}: {group}/{kind} is neither HTTPRoute nor GRPCRoute of {GROUP}"


def _delay(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 1 <= milliseconds(raw["duration"]) <= LONGEST:
        yield f"{at}.duration: {raw['duration']!r} is not between 1ms and 1h"
    yield from _percent(raw, at)


def _abort(raw: dict[str, Any], at: str) -> Iterator[str]:
    http, grpc = raw.get("httpStatus"), raw.get("grpcStatus")
    if (http is None) is (grpc is None):
        yield f"{at}: one of httpStatus and grpcStatus is required"
    if http is not None and not 200 <= http <= 599:
        yield f"{at}.httpStatus: {http} is not between 200 and 599"
    if grpc is not None and grpc not in STATUSES:
        yield f"{at}.grpcStatus: {grpc!r} is none of {', '.join(STATUSES)}"
    yield from _percent(raw, at)


def _percent(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("percent", 100) <= 100:
        yield f"{at}.percent: {raw['percent']} is not between 0 and 100"


RULES: Final[dict[str, Rule]] = {
    "FaultInjectionSpec": _spec,
    "FaultTarget": _target,
    "FaultDelay": _delay,
    "FaultAbort": _abort,
}
