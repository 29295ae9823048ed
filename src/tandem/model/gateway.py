"""gateway.networking.k8s.io HTTPRoute, the fields that we act on."""

from __future__ import annotations

from typing import Any

from tandem.model.meta import Condition, Model, Object


class ParentReference(Model, frozen=True, kw_only=True):
    """parentRefs[]; a mesh route's parent is a Service (`group: ""`, `kind: Service`)."""

    name: str
    group: str = "gateway.networking.k8s.io"
    kind: str = "Gateway"
    namespace: str = ""
    port: int | None = None
    section_name: str = ""


class PathMatch(Model, frozen=True, kw_only=True):
    """path; type Exact, PathPrefix or RegularExpression."""

    type: str = "PathPrefix"
    value: str = "/"


class HeaderMatch(Model, frozen=True, kw_only=True):
    """headers[]; type Exact or RegularExpression."""

    name: str
    value: str
    type: str = "Exact"


class QueryMatch(Model, frozen=True, kw_only=True):
    """queryParams[]; type Exact or RegularExpression."""

    name: str
    value: str
    type: str = "Exact"


class HttpRouteMatch(Model, frozen=True, kw_only=True):
    """matches[]."""

    path: PathMatch = PathMatch()
    headers: tuple[HeaderMatch, ...] = ()
    query_params: tuple[QueryMatch, ...] = ()
    method: str = ""


class NamedValue(Model, frozen=True, kw_only=True):
    """HTTPHeader."""

    name: str
    value: str


class HeaderFilter(Model, frozen=True, kw_only=True):
    """HTTPHeaderFilter."""

    set: tuple[NamedValue, ...] = ()
    add: tuple[NamedValue, ...] = ()
    remove: tuple[str, ...] = ()


class PathModifier(Model, frozen=True, kw_only=True):
    """HTTPPathModifier; `type` says which of the two is meant."""

    type: str
    replace_full_path: str = ""
    replace_prefix_match: str = ""


class RequestRedirect(Model, frozen=True, kw_only=True):
    """HTTPRequestRedirectFilter."""

    scheme: str = ""
    hostname: str = ""
    path: PathModifier | None = None
    port: int = 0
    status_code: int = 302


class UrlRewrite(Model, frozen=True, kw_only=True):
    """HTTPURLRewriteFilter."""

    hostname: str = ""
    path: PathModifier | None = None


class BackendObject(Model, frozen=True, kw_only=True):
    """BackendObjectReference."""

    name: str
    group: str = ""
    kind: str = "Service"
    namespace: str = ""
    port: int | None = None


class Fraction(Model, frozen=True, kw_only=True):
    """A part of all requests."""

    numerator: int
    denominator: int = 100


class RequestMirror(Model, frozen=True, kw_only=True):
    """HTTPRequestMirrorFilter; neither `percent` nor `fraction`: every request."""

    backend_ref: BackendObject
    percent: int | None = None
    fraction: Fraction | None = None


class CorsFilter(Model, frozen=True, kw_only=True):
    """HTTPCORSFilter."""

    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 5


class HeadersOfQuestion(Model, frozen=True, kw_only=True):
    """GRPCAuthConfig, and what HTTPAuthConfig has beside: none is all over gRPC, and over HTTP none but the usual."""

    allowed_headers: tuple[str, ...] = ()
    path: str = ""
    allowed_response_headers: tuple[str, ...] = ()


class ForwardBody(Model, frozen=True, kw_only=True):
    """ForwardBodyConfig; 0: no body goes along."""

    max_size: int = 0


class ExternalAuth(Model, frozen=True, kw_only=True):
    """HTTPExternalAuthFilter (GEP-1494, experimental)."""

    protocol: str
    backend_ref: BackendObject
    grpc: HeadersOfQuestion | None = None
    http: HeadersOfQuestion | None = None
    forward_body: ForwardBody = ForwardBody()


class HttpFilter(Model, frozen=True, kw_only=True):
    """filters[]; what we do not enforce is kept raw so that it can be refused by name."""

    type: str
    request_header_modifier: HeaderFilter | None = None
    response_header_modifier: HeaderFilter | None = None
    request_mirror: RequestMirror | None = None
    request_redirect: RequestRedirect | None = None
    url_rewrite: UrlRewrite | None = None
    extension_ref: dict[str, Any] | None = None
    cors: CorsFilter | None = None
    external_auth: ExternalAuth | None = None


class BackendRef(BackendObject, frozen=True, kw_only=True):
    """backendRefs[]."""

    weight: int = 1
    filters: tuple[HttpFilter, ...] = ()


class Timeouts(Model, frozen=True, kw_only=True):
    """HTTPRouteTimeouts, Gateway API durations (`500ms`, `2s`)."""

    request: str = ""
    backend_request: str = ""


class RouteRetry(Model, frozen=True, kw_only=True):
    """HTTPRouteRetry (GEP-1731)."""

    codes: tuple[int, ...] = ()
    attempts: int | None = None
    backoff: str = ""


class SessionCookie(Model, frozen=True, kw_only=True):
    """sessionPersistence.cookie."""

    name: str = ""
    path: str = ""
    lifetime_type: str = "Session"


class SessionHeader(Model, frozen=True, kw_only=True):
    """sessionPersistence.header."""

    name: str


class SessionPersistence(Model, frozen=True, kw_only=True):
    """SessionPersistence (GEP-1619)."""

    type: str = "Cookie"
    cookie: SessionCookie = SessionCookie()
    header: SessionHeader | None = None
    absolute_timeout: str = ""


class HttpRouteRule(Model, frozen=True, kw_only=True):
    """rules[]."""

    name: str = ""
    matches: tuple[HttpRouteMatch, ...] = (HttpRouteMatch(),)
    filters: tuple[HttpFilter, ...] = ()
    backend_refs: tuple[BackendRef, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: RouteRetry | None = None
    session_persistence: SessionPersistence | None = None


class HttpRouteSpec(Model, frozen=True, kw_only=True):
    """spec."""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: str = ""
    hostnames: tuple[str, ...] = ()
    rules: tuple[HttpRouteRule, ...] = (HttpRouteRule(),)


class RouteParentStatus(Model, frozen=True, kw_only=True):
    """status.parents[]: what one controller says of the route under one parent."""

    parent_ref: ParentReference
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Model, frozen=True, kw_only=True):
    """status; entries of other controllers are kept as they are."""

    parents: tuple[RouteParentStatus, ...] = ()


class HTTPRoute(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io HTTPRoute."""

    spec: HttpRouteSpec = HttpRouteSpec()
    status: RouteStatus = RouteStatus()
