"""gateway.networking.k8s.io TCPRoute, the fields that we act on."""

from __future__ import annotations

from tandem.model.gateway import BackendObject, ParentReference, RouteStatus
from tandem.model.meta import Model, Object


class WeightedRef(BackendObject, frozen=True, kw_only=True):
    """backendRefs[] of a route of connections: without filters."""

    weight: int = 1


class ConnectionRule(Model, frozen=True, kw_only=True):
    """rules[]; without matches, so that only the first is ever used."""

    name: str = ""
    backend_refs: tuple[WeightedRef, ...] = ()


class TcpRouteSpec(Model, frozen=True, kw_only=True):
    """spec."""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: str = ""
    rules: tuple[ConnectionRule, ...] = ()


class TCPRoute(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io TCPRoute."""

    spec: TcpRouteSpec = TcpRouteSpec()
    status: RouteStatus = RouteStatus()
