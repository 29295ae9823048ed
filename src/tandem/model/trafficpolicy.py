"""tandem.io TrafficPolicy: how requests and connections to a Service are spread and limited."""

from __future__ import annotations

from tandem.model.attachment import AttachedStatus, PolicyTarget
from tandem.model.gateway import SessionPersistence
from tandem.model.meta import Model, Object


class HashPart(Model, frozen=True, kw_only=True):
    """spec.loadBalancer.hashBy[]; a cookie with a `ttl` is given out where a request has none, for `path`."""

    type: str
    name: str = ""
    path: str = ""
    ttl: str = ""


class WarmUp(Model, frozen=True, kw_only=True):
    """spec.loadBalancer.warmUp: a new endpoint gets its share little by little."""

    duration: str
    minimum_percent: float = 10.0
    aggression: float = 1.0


class Balancer(Model, frozen=True, kw_only=True):
    """spec.loadBalancer."""

    type: str = "LeastRequest"
    hash_by: tuple[HashPart, ...] = ()
    table_size: int = 0
    warm_up: WarmUp | None = None


class CircuitBreaker(Model, frozen=True, kw_only=True):
    """spec.circuitBreaker: what a node has at most; None: no limit."""

    connections: int | None = None
    pending_requests: int | None = None
    requests: int | None = None
    retries: int | None = None


class RetryBudget(Model, frozen=True, kw_only=True):
    """spec.retryBudget: of a hundred requests under way, or of those within `interval`, so many may be retries."""

    percent: float = 20.0
    minimum_retries: int = 3
    interval: str = ""


class OutlierDetection(Model, frozen=True, kw_only=True):
    """spec.outlierDetection; a count of 0: that kind of error lets nobody rest."""

    consecutive_errors: int = 5
    consecutive_gateway_errors: int = 0
    consecutive_local_errors: int | None = None
    interval: str = "10s"
    rest: str = "30s"
    maximum_percent: int = 50
    minimum_healthy_percent: int = 0


class Connections(Model, frozen=True, kw_only=True):
    """spec.connections."""

    connect_timeout: str = "10s"
    maximum_duration: str = ""
    idle_timeout: str = ""
    requests: int = 0
    streams: int = 0


class TrafficPolicySpec(Model, frozen=True, kw_only=True):
    """spec; what is not given is left as it is."""

    target_refs: tuple[PolicyTarget, ...] = ()
    load_balancer: Balancer | None = None
    circuit_breaker: CircuitBreaker | None = None
    retry_budget: RetryBudget | None = None
    outlier_detection: OutlierDetection | None = None
    connections: Connections | None = None
    session_persistence: SessionPersistence | None = None


class TrafficPolicy(Object, frozen=True, kw_only=True):
    """tandem.io TrafficPolicy."""

    spec: TrafficPolicySpec = TrafficPolicySpec()
    status: AttachedStatus = AttachedStatus()
