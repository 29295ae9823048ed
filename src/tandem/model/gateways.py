"""gateway.networking.k8s.io GatewayClass, Gateway and ReferenceGrant, the fields that we act on or refuse by name."""

from __future__ import annotations

import msgspec

from tandem.model.meta import Condition, Model, Object
from tandem.model.selectors import LabelSelector

GROUP = "gateway.networking.k8s.io"
CONTROLLER = "tandem.io/controller"
"""controllerName of the classes and meshes that are ours, and who writes status."""


class ParametersRef(Model, frozen=True, kw_only=True):
    """parametersRef: an object of an implementation's own kind."""

    group: str
    kind: str
    name: str
    namespace: str = ""


class GatewayClassSpec(Model, frozen=True, kw_only=True):
    """spec."""

    controller_name: str = ""
    parameters_ref: ParametersRef | None = None


class SupportedFeature(Model, frozen=True, kw_only=True, order=True):
    """status.supportedFeatures[]."""

    name: str


class GatewayClassStatus(Model, frozen=True, kw_only=True):
    """status."""

    conditions: tuple[Condition, ...] = ()
    supported_features: tuple[SupportedFeature, ...] = ()


class GatewayClass(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io GatewayClass."""

    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


class SecretReference(Model, frozen=True, kw_only=True):
    """certificateRefs[]; no namespace: that of the Gateway."""

    name: str
    group: str = ""
    kind: str = "Secret"
    namespace: str = ""


class ListenerTls(Model, frozen=True, kw_only=True):
    """ListenerTLSConfig."""

    mode: str = "Terminate"
    certificate_refs: tuple[SecretReference, ...] = ()
    options: dict[str, str] = {}


class RouteNamespaces(Model, frozen=True, kw_only=True):
    """allowedRoutes.namespaces; `from` is Same, All, Selector or None."""

    from_: str = msgspec.field(default="Same", name="from")
    selector: LabelSelector | None = None


class RouteKind(Model, frozen=True, kw_only=True, order=True):
    """RouteGroupKind."""

    kind: str
    group: str = GROUP


class AllowedRoutes(Model, frozen=True, kw_only=True):
    """allowedRoutes; without `kinds` those of the protocol."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteKind, ...] = ()


class Listener(Model, frozen=True, kw_only=True):
    """listeners[]; an empty hostname is every host."""

    name: str
    port: int
    protocol: str
    hostname: str = ""
    tls: ListenerTls | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Model, frozen=True, kw_only=True, order=True):
    """addresses[]; an empty value: one of the implementation's choice."""

    type: str = "IPAddress"
    value: str = ""


class Infrastructure(Model, frozen=True, kw_only=True):
    """spec.infrastructure."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    parameters_ref: ParametersRef | None = None


class ObjectReference(Model, frozen=True, kw_only=True):
    """caCertificateRefs[] of a Gateway; no namespace: that of the Gateway."""

    group: str
    kind: str
    name: str
    namespace: str = ""


class ClientValidation(Model, frozen=True, kw_only=True):
    """FrontendTLSValidation; `mode` is AllowValidOnly or AllowInsecureFallback."""

    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    mode: str = "AllowValidOnly"


class TlsConfig(Model, frozen=True, kw_only=True):
    """TLSConfig; without a validation nothing is asked of clients."""

    validation: ClientValidation | None = None


class PortTls(Model, frozen=True, kw_only=True):
    """perPort[]: in place of the default for the listeners of one port."""

    port: int
    tls: TlsConfig = TlsConfig()


class FrontendTls(Model, frozen=True, kw_only=True):
    """spec.tls.frontend."""

    default: TlsConfig = TlsConfig()
    per_port: tuple[PortTls, ...] = ()


class BackendTls(Model, frozen=True, kw_only=True):
    """spec.tls.backend."""

    client_certificate_ref: SecretReference | None = None


class GatewayTls(Model, frozen=True, kw_only=True):
    """spec.tls."""

    backend: BackendTls = BackendTls()
    frontend: FrontendTls = FrontendTls()


class ListenerNamespaces(RouteNamespaces, frozen=True, kw_only=True):
    """allowedListeners.namespaces; `from` as in `RouteNamespaces`."""

    from_: str = msgspec.field(default="None", name="from")


class AllowedListeners(Model, frozen=True, kw_only=True):
    """allowedListeners: whose ListenerSets add listeners; without it nobody's."""

    namespaces: ListenerNamespaces = ListenerNamespaces()


class GatewaySpec(Model, frozen=True, kw_only=True):
    """spec."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()
    infrastructure: Infrastructure = Infrastructure()
    tls: GatewayTls = GatewayTls()
    allowed_listeners: AllowedListeners = AllowedListeners()
    default_scope: str = ""


class ListenerStatus(Model, frozen=True, kw_only=True):
    """status.listeners[]."""

    name: str
    supported_kinds: tuple[RouteKind, ...] = ()
    attached_routes: int = 0
    conditions: tuple[Condition, ...] = ()


class GatewayStatus(Model, frozen=True, kw_only=True):
    """status."""

    addresses: tuple[GatewayAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    attached_listener_sets: int = 0


class Gateway(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io Gateway."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class GrantFrom(Model, frozen=True, kw_only=True):
    """ReferenceGrantFrom: who may refer."""

    group: str
    kind: str
    namespace: str


class GrantTo(Model, frozen=True, kw_only=True):
    """ReferenceGrantTo: to what; without a name to all of the kind in the grant's namespace."""

    group: str
    kind: str
    name: str = ""


class ReferenceGrantSpec(Model, frozen=True, kw_only=True):
    """spec."""

    from_: tuple[GrantFrom, ...] = msgspec.field(default=(), name="from")
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io ReferenceGrant."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()
