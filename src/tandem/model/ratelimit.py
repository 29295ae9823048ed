"""tandem.io RateLimit: how many requests may come to a Service, by a route or by a gateway."""

from __future__ import annotations

from tandem.model.gateway import BackendObject, HeaderMatch, PathMatch
from tandem.model.meta import Condition, Model, Object, Status


class LimitTarget(Model, frozen=True, kw_only=True):
    """spec.targetRefs[]: an object of the same namespace; `section_name`: a port, a rule or a listener of it."""

    group: str = ""
    kind: str = ""
    name: str = ""
    section_name: str = ""


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

    target_refs: tuple[LimitTarget, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    retry_after: bool = True
    limit_headers: bool = False
    counter: LimitCounter | None = None


class PolicyAncestor(Model, frozen=True, kw_only=True):
    """status.ancestors[] (GEP-713): what holds of the policy at one of its targets."""

    ancestor_ref: LimitTarget
    controller_name: str
    conditions: tuple[Condition, ...] = ()


class RateLimitStatus(Status, frozen=True, kw_only=True):
    """status: of the whole, and by target."""

    ancestors: tuple[PolicyAncestor, ...] = ()


class RateLimit(Object, frozen=True, kw_only=True):
    """tandem.io RateLimit."""

    spec: RateLimitSpec = RateLimitSpec()
    status: RateLimitStatus = RateLimitStatus()
