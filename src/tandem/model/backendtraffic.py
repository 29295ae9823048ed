"""gateway.networking.x-k8s.io XBackendTrafficPolicy: sessions and a budget of retries of Services."""

from __future__ import annotations

from tandem.model.backendtls import LocalReference, PolicyStatus
from tandem.model.gateway import SessionPersistence
from tandem.model.meta import Model, Object


class BudgetDetails(Model, frozen=True, kw_only=True):
    """spec.retryConstraint.budget: of a hundred requests within the interval so many may be retries."""

    percent: int = 20
    interval: str = "10s"


class RequestRate(Model, frozen=True, kw_only=True):
    """spec.retryConstraint.minRetryRate: so many retries within the interval are always allowed."""

    count: int = 10
    interval: str = "1s"


class RetryConstraint(Model, frozen=True, kw_only=True):
    """spec.retryConstraint."""

    budget: BudgetDetails = BudgetDetails()
    min_retry_rate: RequestRate = RequestRate()


class BackendTrafficSpec(Model, frozen=True, kw_only=True):
    """spec; what is not given is left as it is."""

    target_refs: tuple[LocalReference, ...] = ()
    retry_constraint: RetryConstraint | None = None
    session_persistence: SessionPersistence | None = None


class XBackendTrafficPolicy(Object, frozen=True, kw_only=True):
    """gateway.networking.x-k8s.io XBackendTrafficPolicy."""

    spec: BackendTrafficSpec = BackendTrafficSpec()
    status: PolicyStatus = PolicyStatus()
