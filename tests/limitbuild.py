"""Builders of limits in our vocabulary."""

from __future__ import annotations

from typing import Any

from tandem.base.problems import Origin
from tandem.ir.limits import CountedBy, Counter, Key, Limit, RateLimit
from tandem.ir.match import RouteMatch

HOUR = 3600
"""So long that nothing flows back into a bucket while a test counts."""


def by(key: Key, name: str = "", claim: str = "") -> CountedBy:
    return CountedBy(key=key, name=name, claim=tuple(claim.split(".")) if claim else ())


def limit(
    requests: int, *keys: CountedBy, matches: tuple[RouteMatch, ...] = (), index: int = 0, **fields: Any
) -> Limit:
    origin = Origin(kind="RateLimit", namespace="shop", name=fields.pop("name", "few"), path=f"spec.limits[{index}]")
    base: dict[str, Any] = {"requests": requests, "seconds": HOUR, "burst": requests}
    return Limit(by=keys, matches=matches, origin=origin, **base | fields)


def limited(*limits: Limit, name: str = "few", target: int = 0, **fields: Any) -> RateLimit:
    origin = Origin(kind="RateLimit", namespace="shop", name=name, path=f"spec.targetRefs[{target}]")
    return RateLimit(name=f"shop/{name}/{target}", limits=limits, origin=origin, **fields)


def counter(**fields: Any) -> Counter:
    base: dict[str, Any] = {"namespace": "shop", "service": "counter", "port": 8081}
    return Counter(**base | {"domain": "tandem", "timeout_ms": 100} | fields)
