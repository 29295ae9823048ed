"""telemetry.istio.io Telemetry and networking.istio.io ProxyConfig (their versions are one form).

What has no effect here is kept raw so that it can be told by name.
"""

from __future__ import annotations

from typing import Any

from tandem.model.meta import Model, Object, Status
from tandem.model.security import TargetRef, WorkloadSelector


class ProviderRef(Model, frozen=True, kw_only=True):
    """The name of a provider of the mesh configuration."""

    name: str = ""


class LogFilter(Model, frozen=True, kw_only=True):
    """AccessLogging.Filter: an expression in CEL; empty: everything is logged."""

    expression: str = ""


class LogSelector(Model, frozen=True, kw_only=True):
    """AccessLogging.LogSelector: CLIENT, SERVER or CLIENT_AND_SERVER."""

    mode: str = "CLIENT_AND_SERVER"


class AccessLogging(Model, frozen=True, kw_only=True):
    """AccessLogging."""

    match: LogSelector = LogSelector()
    providers: tuple[ProviderRef, ...] = ()
    disabled: bool | None = None
    filter: LogFilter | None = None


class TelemetrySpec(Model, frozen=True, kw_only=True):
    """spec."""

    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: tuple[TargetRef, ...] = ()
    tracing: tuple[dict[str, Any], ...] = ()
    metrics: tuple[dict[str, Any], ...] = ()
    access_logging: tuple[AccessLogging, ...] = ()


class Telemetry(Object, frozen=True, kw_only=True):
    """telemetry.istio.io Telemetry."""

    spec: TelemetrySpec = TelemetrySpec()
    status: Status = Status()


class ProxyImage(Model, frozen=True, kw_only=True):
    """ProxyImage."""

    image_type: str = ""


class ProxyConfigSpec(Model, frozen=True, kw_only=True):
    """spec."""

    selector: WorkloadSelector | None = None
    concurrency: int | None = None
    environment_variables: dict[str, str] = {}
    image: ProxyImage | None = None


class ProxyConfig(Object, frozen=True, kw_only=True):
    """networking.istio.io ProxyConfig."""

    spec: ProxyConfigSpec = ProxyConfigSpec()
    status: Status = Status()
