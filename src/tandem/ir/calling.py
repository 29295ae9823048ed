"""What pods of one Service may take of others: limits, outliers and times of its calls alone."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.ir.traffic import Limits, Outlier, PortTraffic, Subset, Traffic, TrafficPolicy

_replace = msgspec.structs.replace


class CallLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of the calls to one Service; None and 0: what holds for everybody."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    connect_ms: int = 0
    outlier: Outlier | None = None

    def over(self, policy: TrafficPolicy) -> TrafficPolicy:
        """A Service's policy as these callers see it."""
        return _replace(
            policy,
            traffic=self._traffic(policy.traffic),
            ports=self._ports(policy.ports),
            subsets=tuple(map(self._subset, policy.subsets)),
        )

    def _subset(self, subset: Subset) -> Subset:
        own = self._traffic(subset.traffic) if subset.traffic is not None else None
        return _replace(subset, traffic=own, ports=self._ports(subset.ports))

    def _ports(self, ports: tuple[PortTraffic, ...]) -> tuple[PortTraffic, ...]:
        return tuple(PortTraffic(port=one.port, traffic=self._traffic(one.traffic)) for one in ports)

    def _traffic(self, traffic: Traffic) -> Traffic:
        return _replace(
            traffic,
            limits=self._limits(traffic.limits),
            connect_timeout_ms=self.connect_ms or traffic.connect_timeout_ms,
            outlier=self.outlier or traffic.outlier,
        )

    def _limits(self, limits: Limits) -> Limits:
        given = {"connections": self.connections, "pending": self.pending, "requests": self.requests}
        return _replace(limits, **{name: value for name, value in given.items() if value is not None})


class Calling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of the pods of a Service of a node together: by whom they are called, in order of their names."""

    namespace: str
    service: str
    named: tuple[tuple[str, CallLimits], ...] = ()
    """By `namespace/service`."""
    general: CallLimits | None = None
    """Of all others."""
    origin: Origin

    def of(self, namespace: str, service: str) -> CallLimits | None:
        """What holds of calls to a Service; None: what holds for everybody. Hosts outside have no such thing."""
        if "." in service:
            return None
        return dict(self.named).get(f"{namespace}/{service}", self.general)
