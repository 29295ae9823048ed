"""tandem.io RateLimit: how many requests may come to a Service, by a route or by a gateway."""

from __future__ import annotations

from tandem.model.attachment import AttachedStatus, PolicyTarget
from tandem.model.gateway import BackendObject, HeaderMatch, PathMatch
from tandem.model.meta import Model, Object


class LimitKey(Model, frozen=True, kw_only=True):
    """spec.limits[].by[]; `name`: of a header, or of a claim (`a.b` is b within a)."""

    type: str
    name: str = ""


class LimitMatch(Model, frozen=True, kw_only=True):
    """spec.limits[].matches[]: all of it must hold."""

    path: PathMatch | None = None
    method: str = ""
    headers: tuple[HeaderMatch, ...] = ()


class LimitRule(Model, frozen=True, kw_only=True):
    """spec.limits[]; without a burst it is as large as `requests`."""

    requests: int = 0
    unit: str = "Second"
    burst: int | None = None
    by: tuple[LimitKey, ...] = ()
    matches: tuple[LimitMatch, ...] = ()


class LimitCounter(Model, frozen=True, kw_only=True):
    """spec.counter: who counts for all proxies together."""

    backend_ref: BackendObject
    domain: str = "tandem"
    timeout: str = ""
    on_failure: str = "Deny"
    """Deny or Allow: what becomes of a request about which there is no answer."""


class RateLimitSpec(Model, frozen=True, kw_only=True):
    """spec."""

    target_refs: tuple[PolicyTarget, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    retry_after: bool = True
    limit_headers: bool = False
    counter: LimitCounter | None = None


class RateLimit(Object, frozen=True, kw_only=True):
    """tandem.io RateLimit."""

    spec: RateLimitSpec = RateLimitSpec()
    status: AttachedStatus = AttachedStatus()
