"""What is counted at Services -> what is counted at a pod behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tandem.ir.limits import RateLimit
from tandem.model.core import Pod, Service
from tandem.model.selected import target_port
from tandem.translate.limits.found import Limits, counted_ports


def limits_of_pod(pod: Pod, services: Iterable[Service], limits: Limits) -> tuple[RateLimit, ...]:
    """What is counted at a pod, each at its own ports; `services`: those that select it."""
    found: list[RateLimit] = []
    for service in services:
        for name, limit in limits.services.get(service.key, ()):
            offered = counted_ports(service.spec.ports, str(name or ""))
            numbers = {target_port(port, pod) for port in service.spec.ports if port.port in offered}
            ports = tuple(sorted(number for number in numbers if number is not None))
            if ports:
                found.append(msgspec.structs.replace(limit, ports=ports))
    return tuple(found)
