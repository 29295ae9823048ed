"""policy.linkerd.io: Servers, who may use them, and what their routes are; the fields that we act on."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.model.core import IntOrString
from tandem.model.gateway import HTTPRoute, HttpRouteSpec, ParentReference
from tandem.model.meta import Model, Object, Status
from tandem.model.selectors import LabelSelector

GROUP: Final = "policy.linkerd.io"
_KINDS: Final = ("Server", "HTTPRoute", "GRPCRoute", "Namespace", "ServiceAccount", "MeshTLSAuthentication")
_AS_WRITTEN: Final = {kind.lower(): kind for kind in (*_KINDS, "NetworkAuthentication")}


def named_kind(group: str, kind: str) -> tuple[str, str]:
    """Group and kind of a reference, as they are written elsewhere: to Linkerd, upper and lower case are the same."""
    return group.lower(), _AS_WRITTEN.get(kind.lower(), kind)


class ServerSpec(Model, frozen=True, kw_only=True):
    """spec; no port: every one, which only a Server that is not understood has."""

    pod_selector: LabelSelector | None = None
    external_workload_selector: LabelSelector | None = None
    port: IntOrString | None = None
    proxy_protocol: str = "unknown"
    access_policy: str = "deny"


class Server(Object, frozen=True, kw_only=True):
    """policy.linkerd.io Server: a port of some pods."""

    spec: ServerSpec = ServerSpec()
    status: Status = Status()


class LocalTarget(Model, frozen=True, kw_only=True):
    """targetRef: an object of the same namespace."""

    kind: str = ""
    name: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        _set_kind(self)


class Reference(Model, frozen=True, kw_only=True):
    """requiredAuthenticationRefs[], identityRefs[] and clientRefs[]."""

    kind: str
    name: str = ""
    namespace: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        _set_kind(self)


def _set_kind(reference: LocalTarget | Reference) -> None:
    group, kind = named_kind(reference.group, reference.kind)
    msgspec.structs.force_setattr(reference, "group", group)
    msgspec.structs.force_setattr(reference, "kind", kind)


class LinkerdAuthorizationPolicySpec(Model, frozen=True, kw_only=True):
    """spec."""

    target_ref: LocalTarget = LocalTarget()
    required_authentication_refs: tuple[Reference, ...] = ()


class LinkerdAuthorizationPolicy(Object, frozen=True, kw_only=True):
    """policy.linkerd.io AuthorizationPolicy: who may use a Server, a route of one, or every Server of the namespace."""

    spec: LinkerdAuthorizationPolicySpec = LinkerdAuthorizationPolicySpec()
    status: Status = Status()


class MeshTLSAuthenticationSpec(Model, frozen=True, kw_only=True):
    """spec: one of the two."""

    identities: tuple[str, ...] = ()
    identity_refs: tuple[Reference, ...] = ()


class MeshTLSAuthentication(Object, frozen=True, kw_only=True):
    """policy.linkerd.io MeshTLSAuthentication: clients by the identity that they prove."""

    spec: MeshTLSAuthenticationSpec = MeshTLSAuthenticationSpec()
    status: Status = Status()


class Network(Model, frozen=True, kw_only=True):
    """networks[]."""

    cidr: str
    excepts: tuple[str, ...] = msgspec.field(name="except", default=())


class NetworkAuthenticationSpec(Model, frozen=True, kw_only=True):
    """spec."""

    networks: tuple[Network, ...] = ()


class NetworkAuthentication(Object, frozen=True, kw_only=True):
    """policy.linkerd.io NetworkAuthentication: clients by their address."""

    spec: NetworkAuthenticationSpec = NetworkAuthenticationSpec()
    status: Status = Status()


class ServerReference(Model, frozen=True, kw_only=True):
    """spec.server: one of the two."""

    name: str = ""
    selector: LabelSelector | None = None


class AccountReference(Model, frozen=True, kw_only=True):
    """serviceAccounts[]."""

    name: str
    namespace: str = ""


class ClientTLS(Model, frozen=True, kw_only=True):
    """spec.client.meshTLS."""

    unauthenticated_tls: bool = msgspec.field(name="unauthenticatedTLS", default=False)
    identities: tuple[str, ...] = ()
    service_accounts: tuple[AccountReference, ...] = ()


class AllowedClient(Model, frozen=True, kw_only=True):
    """spec.client."""

    networks: tuple[Network, ...] = ()
    unauthenticated: bool = False
    mesh_tls: ClientTLS | None = msgspec.field(name="meshTLS", default=None)


class ServerAuthorizationSpec(Model, frozen=True, kw_only=True):
    """spec."""

    server: ServerReference = ServerReference()
    client: AllowedClient = AllowedClient()


class ServerAuthorization(Object, frozen=True, kw_only=True):
    """policy.linkerd.io ServerAuthorization: the older way to say who may use a Server."""

    spec: ServerAuthorizationSpec = ServerAuthorizationSpec()
    status: Status = Status()


class PerSecond(Model, frozen=True, kw_only=True):
    """total and identity."""

    requests_per_second: int = 0


class LimitOverride(Model, frozen=True, kw_only=True):
    """overrides[]: these clients share a limit of their own."""

    requests_per_second: int = 0
    client_refs: tuple[Reference, ...] = ()


class HTTPLocalRateLimitPolicySpec(Model, frozen=True, kw_only=True):
    """spec."""

    target_ref: LocalTarget = LocalTarget()
    total: PerSecond | None = None
    identity: PerSecond | None = None
    overrides: tuple[LimitOverride, ...] = ()


class HTTPLocalRateLimitPolicy(Object, frozen=True, kw_only=True):
    """policy.linkerd.io HTTPLocalRateLimitPolicy: how many requests may come to a Server."""

    spec: HTTPLocalRateLimitPolicySpec = HTTPLocalRateLimitPolicySpec()
    status: Status = Status()


class LinkerdParentReference(ParentReference, frozen=True, kw_only=True):
    """parentRefs[], with the defaults of this API."""

    group: str = GROUP


class LinkerdHttpRouteSpec(HttpRouteSpec, frozen=True, kw_only=True):
    """spec."""

    parent_refs: tuple[LinkerdParentReference, ...] = ()


class LinkerdHTTPRoute(HTTPRoute, frozen=True, kw_only=True):
    """policy.linkerd.io HTTPRoute: the Gateway API's, as it was when this API took it over."""

    spec: LinkerdHttpRouteSpec = LinkerdHttpRouteSpec()


def is_server_parent(parent: ParentReference) -> bool:
    """True for parents of routes that are Servers."""
    return (parent.group, parent.kind) == (GROUP, "Server")
