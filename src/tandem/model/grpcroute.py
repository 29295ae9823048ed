"""gateway.networking.k8s.io GRPCRoute, the fields that we act on."""

from __future__ import annotations

from tandem.model.gateway import (
    BackendRef,
    HeaderMatch,
    HttpFilter,
    ParentReference,
    RouteStatus,
    SessionPersistence,
)
from tandem.model.meta import Model, Object


class MethodMatch(Model, frozen=True, kw_only=True):
    """method; type Exact or RegularExpression, of the service, the method or both."""

    type: str = "Exact"
    service: str = ""
    method: str = ""


class GrpcRouteMatch(Model, frozen=True, kw_only=True):
    """matches[]."""

    method: MethodMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()


class GrpcRouteRule(Model, frozen=True, kw_only=True):
    """rules[]; filters are those of HTTPRoute that gRPC has."""

    name: str = ""
    matches: tuple[GrpcRouteMatch, ...] = ()
    """None: every gRPC request."""
    filters: tuple[HttpFilter, ...] = ()
    backend_refs: tuple[BackendRef, ...] = ()
    session_persistence: SessionPersistence | None = None


class GrpcRouteSpec(Model, frozen=True, kw_only=True):
    """spec."""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: str = ""
    hostnames: tuple[str, ...] = ()
    rules: tuple[GrpcRouteRule, ...] = ()


class GRPCRoute(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io GRPCRoute."""

    spec: GrpcRouteSpec = GrpcRouteSpec()
    status: RouteStatus = RouteStatus()
