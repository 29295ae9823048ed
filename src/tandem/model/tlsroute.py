"""gateway.networking.k8s.io TLSRoute, the fields that we act on."""

from __future__ import annotations

from tandem.model.gateway import ParentReference, RouteStatus
from tandem.model.meta import Model, Object
from tandem.model.tcproute import ConnectionRule


class TlsRouteSpec(Model, frozen=True, kw_only=True):
    """spec; `hostnames` are names in TLS (SNI), of which v1alpha2 needs none: then it is for every name."""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: str = ""
    hostnames: tuple[str, ...] = ()
    rules: tuple[ConnectionRule, ...] = ()


class TLSRoute(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io TLSRoute."""

    spec: TlsRouteSpec = TlsRouteSpec()
    status: RouteStatus = RouteStatus()
