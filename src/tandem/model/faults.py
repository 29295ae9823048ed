"""tandem.io FaultInjection: trouble made on purpose for requests of a route."""

from __future__ import annotations

from tandem.model.attachment import AttachedStatus, PolicyTarget
from tandem.model.meta import Model, Object


class FaultDelay(Model, frozen=True, kw_only=True):
    """spec.delay: before the request is sent; of so many of a hundred requests."""

    duration: str = ""
    percent: float = 100.0


class FaultAbort(Model, frozen=True, kw_only=True):
    """spec.abort: an answer in place of the backend's. One of the two statuses is given."""

    http_status: int = 0
    grpc_status: str = ""
    percent: float = 100.0


class FaultInjectionSpec(Model, frozen=True, kw_only=True):
    """spec."""

    target_refs: tuple[PolicyTarget, ...] = ()
    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class FaultInjection(Object, frozen=True, kw_only=True):
    """tandem.io FaultInjection."""

    spec: FaultInjectionSpec = FaultInjectionSpec()
    status: AttachedStatus = AttachedStatus()
