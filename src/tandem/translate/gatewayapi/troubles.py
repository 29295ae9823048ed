"""Faults of routes -> FaultInjections of our own, attached to the rules that were written for them. Pure."""

from __future__ import annotations

from typing import Any, Final

from tandem.base.grpc import STATUSES
from tandem.ir.mesh import Fault
from tandem.model.meta import RawObject
from tandem.translate.gatewayapi.shapes import lasting

_MILLION: Final = 1_000_000


def trouble(fault: Fault, group: str, route: RawObject, rule: str) -> RawObject:
    """The object for one rule of an HTTPRoute, by its name."""
    meta = route["metadata"]
    spec: dict[str, Any] = {
        "targetRefs": [{"group": group, "kind": "HTTPRoute", "name": meta["name"], "sectionName": rule}]
    }
    if fault.delay_ms:
        spec["delay"] = {"duration": lasting(fault.delay_ms), **_percent(fault.delay_per_million)}
    if fault.abort_grpc is not None:
        spec["abort"] = {"grpcStatus": STATUSES[fault.abort_grpc], **_percent(fault.abort_per_million)}
    elif fault.abort_status:
        spec["abort"] = {"httpStatus": fault.abort_status, **_percent(fault.abort_per_million)}
    return {
        "apiVersion": "tandem.io/v1",
        "kind": "FaultInjection",
        "metadata": {"name": f"{meta['name']}-{rule}", "namespace": meta["namespace"]},
        "spec": spec,
    }


def _percent(per_million: int) -> dict[str, float]:
    return {} if per_million == _MILLION else {"percent": per_million * 100 / _MILLION}
