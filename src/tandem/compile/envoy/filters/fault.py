"""Delays and errors made on purpose, for routes that ask for them."""

from __future__ import annotations

from typing import Any, Final

from tandem.compile.envoy.proto import Json, any_of, extension, fraction, milliseconds
from tandem.ir.mesh import Route

NAME: Final = "envoy.filters.http.fault"
_TYPE: Final = "extensions.filters.http.fault.v3.HTTPFault"


def disabled() -> Json:
    """Its place in the chain."""
    return extension(NAME, _TYPE)


def of(route: Route) -> Json | None:
    """An HTTPFault; None where the route has none."""
    fault = route.fault
    if fault is None:
        return None
    body: dict[str, Any] = {}
    if fault.delay_ms:
        delay = {"fixed_delay": milliseconds(fault.delay_ms), "percentage": fraction(fault.delay_per_million)}
        body["delay"] = delay
    if fault.abort_grpc is not None:
        body["abort"] = {"grpc_status": fault.abort_grpc, "percentage": fraction(fault.abort_per_million)}
    elif fault.abort_status:
        body["abort"] = {"http_status": fault.abort_status, "percentage": fraction(fault.abort_per_million)}
    return any_of(_TYPE, body)
