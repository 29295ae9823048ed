"""gateway.networking.k8s.io UDPRoute, the fields that we act on."""

from __future__ import annotations

from tandem.model.gateway import ParentReference, RouteStatus
from tandem.model.meta import Model, Object
from tandem.model.tcproute import ConnectionRule


class UdpRouteSpec(Model, frozen=True, kw_only=True):
    """spec; v1 has one rule, v1alpha2 may have several."""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: str = ""
    rules: tuple[ConnectionRule, ...] = ()


class UDPRoute(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io UDPRoute."""

    spec: UdpRouteSpec = UdpRouteSpec()
    status: RouteStatus = RouteStatus()
