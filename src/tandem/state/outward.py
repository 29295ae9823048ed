"""What a node shows to its neighbours, as values: addresses that it answers for, and ports that tell its health."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HealthCheck:
    """A port of the node that tells load balancers whether a Service has ready endpoints here."""

    port: int
    namespace: str
    service: str
    endpoints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """Both parts are sorted."""

    addresses: tuple[str, ...] = ()
    checks: tuple[HealthCheck, ...] = ()
