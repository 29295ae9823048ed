"""L7 routing and traffic policy in our vocabulary; front ends (Istio, Gateway API) translate onto it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.ir.authz import AuthzPolicy
from tandem.ir.limits import RateLimit
from tandem.ir.match import ClaimMatch as ClaimMatch  # noqa: PLC0414 - callers need one import
from tandem.ir.match import Exact as Exact  # noqa: PLC0414
from tandem.ir.match import HeaderMatch as HeaderMatch  # noqa: PLC0414
from tandem.ir.match import PathPrefix as PathPrefix  # noqa: PLC0414
from tandem.ir.match import Prefix as Prefix  # noqa: PLC0414
from tandem.ir.match import Present as Present  # noqa: PLC0414
from tandem.ir.match import QueryMatch as QueryMatch  # noqa: PLC0414
from tandem.ir.match import Regex as Regex  # noqa: PLC0414
from tandem.ir.match import RouteMatch as RouteMatch  # noqa: PLC0414
from tandem.ir.match import StringMatch as StringMatch  # noqa: PLC0414
from tandem.ir.traffic import TrafficPolicy

AUTHORITY: Final = frozenset({"host", ":authority"})
"""Under one of these names a HeaderEdit sets the host that a request is for."""


class HeaderEdit(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Header changes: set overwrites, add appends, remove deletes.

    In a value `%` begins what the proxy puts there of a request (`%REQ(x-a)%`), `%%` is the sign itself.
    """

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class Backend(msgspec.Struct, frozen=True, kw_only=True, order=True, omit_defaults=True):
    """Where a share of the requests goes: a port of a Service, or a subset of it. `port` 0: the port dialled."""

    namespace: str
    service: str
    port: int = 0
    subset: str = ""
    weight: int = 1
    request_headers: HeaderEdit = HeaderEdit()
    """Of this share alone, after those of the route."""
    response_headers: HeaderEdit = HeaderEdit()


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Envoy's retry policy terms; `attempts` counts retries, not the first try."""

    attempts: int
    per_try_timeout_ms: int = 0
    retry_on: tuple[str, ...] = ()
    retriable_codes: tuple[int, ...] = ()
    backoff_ms: int = 0
    """Before the first retry, more before each further one; 0: Envoy's 25."""
    previous_hosts: bool | None = None
    """A retry may go to a host that failed before; None: where all requests go to what a hash of them chooses."""
    other_localities: bool = False
    """A retry prefers a locality that was not tried."""


DEFAULT_RETRY: Final = Retry(
    attempts=2,
    retry_on=(
        "connect-failure",
        "refused-stream",
        "reset-before-request",
        "unavailable",
        "cancelled",
    ),
)
"""Istio's policy where nothing is said of retries: a 503 may be the application's own, to what it has begun."""


class Rewrite(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request looks like to the backend. At most one of `path`, `prefix` and `regex` is given."""

    path: str | None = None
    """The whole path; the query stays."""
    prefix: str | None = None
    """In place of the prefix that matched; element-wise where the match is."""
    by_element: bool = False
    """`prefix` is element-wise where the match says nothing of the path, too; else it takes the place of its `/`."""
    regex: tuple[str, str] | None = None
    """RE2 pattern and substitution, on the path alone."""
    host: str = ""
    """`:authority`."""


class Split(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A Canary that has divided what went to its Service, and how its versions are called where they are counted.

    A version is `namespace/service`, or `namespace/service/subset`.
    """

    origin: Origin
    stable: str
    canary: str


class Forward(msgspec.Struct, frozen=True, kw_only=True, tag="forward", omit_defaults=True):
    """Send to one of the backends, by weight.

    A backend that names no Service or subset that exists keeps its share, which is answered with `missing_status`
    (503 for Istio objects, 500 for Gateway API routes).
    """

    backends: tuple[Backend, ...]
    missing_status: int = 503
    rewrite: Rewrite = Rewrite()
    splits: tuple[Split, ...] = ()


DIALLED: Final = -1
"""The port of a redirect: the one that was dialled."""
AS_ASKED: Final = -2
"""The port of a redirect: as the client wrote it, if it did; but not a well-known one that the scheme changes."""


class Redirect(msgspec.Struct, frozen=True, kw_only=True, tag="redirect", omit_defaults=True):
    """Answer with `status` and a Location: what is empty or None stays as the client asked for it."""

    status: int = 302
    scheme: str = ""
    host: str = ""
    port: int = 0
    """0: that of the request where `scheme` is empty too, else the scheme's own; or DIALLED, or AS_ASKED."""
    path: str | None = None
    """The whole path; the query stays."""
    prefix: str | None = None
    """In place of the prefix that matched."""
    by_element: bool = False
    """As of `Rewrite`."""


class Respond(msgspec.Struct, frozen=True, kw_only=True, tag="respond", omit_defaults=True):
    """Answer directly: user's directResponse, or our refusal of what cannot be honoured (fail closed)."""

    status: int
    body: str = ""
    encoded: str = ""
    """In place of `body`: bytes, in base64."""


RouteAction = Forward | Redirect | Respond


class Mirror(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A copy of so many of a million requests, whose answers nobody waits for."""

    backend: Backend
    per_million: int = 1_000_000
    shadow: bool = False
    """`-shadow` is added to the copy's authority, as Istio documents it."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Trouble made on purpose: a delay before the request is sent, an answer in its place."""

    delay_ms: int = 0
    delay_per_million: int = 1_000_000
    abort_status: int = 0
    """An HTTP status; 0: none."""
    abort_grpc: int | None = None
    """A gRPC status in place of an HTTP one."""
    abort_per_million: int = 1_000_000
    origin: Origin | None = None
    """Of a policy that says so; None: the route itself does."""


class Cors(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answers to preflight requests, and what is added to others (Fetch standard)."""

    origins: tuple[StringMatch, ...]
    """`Exact("*")` is every origin."""
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_s: int | None = None
    credentials: bool = False
    forward_unmatched: bool = True
    """Preflights from other origins go to the backend."""


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests of one session go to the endpoint of its first one, for as long as that is there (GEP-1619)."""

    header: str = ""
    """The name of the header that carries the session; empty: a cookie does."""
    cookie: str = ""
    path: str = "/"
    absolute_s: int = 0
    """0: a cookie of the browser's session."""


class RouteCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a gateway asks about a route's requests before they are sent on; without an answer they are refused."""

    backend: Backend
    grpc: bool
    """Envoy's ext_authz; else plain HTTP, where 200 is yes."""
    request_headers: tuple[str, ...] = ()
    """Of the request, that go along; none over gRPC: all."""
    path_prefix: str = ""
    answer_headers: tuple[str, ...] = ()
    """Of the answer over HTTP, that the backend is told; none: all that do not describe the answer itself."""
    max_body_bytes: int = 0
    """So much of a body goes along, and more is refused; 0: none does."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first route with a match that holds decides; `matches == ()` is every request."""

    name: str
    matches: tuple[RouteMatch, ...]
    action: RouteAction
    timeout_ms: int = 0
    """0: no timeout (Istio's default)."""
    idle_ms: int | None = None
    """Without a byte of request or answer; None: Envoy's five minutes, 0: for ever."""
    retry: Retry | None = None
    request_headers: HeaderEdit = HeaderEdit()
    response_headers: HeaderEdit = HeaderEdit()
    mirrors: tuple[Mirror, ...] = ()
    fault: Fault | None = None
    cors: Cors | None = None
    session: Session | None = None
    check: RouteCheck | None = None
    limits: tuple[RateLimit, ...] = ()
    """Of what it is a part of before its own: the first that is reached refuses."""
    authorization: tuple[AuthzPolicy, ...] = ()
    """What judges its requests before the pod's own proxy sends them, in order: an egress gateway's policies."""
    origin: Origin


def sent_to(route: Route) -> tuple[Backend, ...]:
    """Where its requests, copies of them, and questions about them may go."""
    shares = route.action.backends if isinstance(route.action, Forward) else ()
    asked = (route.check.backend,) if route.check is not None else ()
    return (*shares, *(mirror.backend for mirror in route.mirrors), *asked)


class BytesMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must hold of a connection: all that is given."""

    ports: tuple[int, ...] = ()
    source_namespace: str | None = None
    source_labels: tuple[tuple[str, str], ...] = ()
    subnets: tuple[str, ...] = ()
    """Prefixes of which one holds the address that was dialled."""
    server_names: tuple[str, ...] = ()
    """Of which one is asked for in TLS; in lower case, `*.` may begin them."""


class BytesRoute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Connections to ports that are not HTTP, by weight to backends; to one that does not exist they are closed."""

    name: str
    matches: tuple[BytesMatch, ...]
    """None: every connection."""
    backends: tuple[Backend, ...]
    """None: connections are closed."""
    requests: bool = False
    """It is about ports of HTTP, too: their requests are no more than bytes then."""
    authorization: tuple[AuthzPolicy, ...] = ()
    """What judges its connections, as of `Route`."""
    splits: tuple[Split, ...] = ()
    origin: Origin


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """The routes that requests to one Service's address take, in order; no route: all to the Service itself.

    `consumer` limits the table to pods of that namespace (Gateway API consumer routes); a consumer's own table wins.
    """

    namespace: str
    service: str
    consumer: str = ""
    routes: tuple[Route, ...]
    bytes: tuple[BytesRoute, ...] = ()
    """Of connections, before `routes`; what none of them matches goes to the Service itself."""


class MeshIR(msgspec.Struct, frozen=True, kw_only=True):
    """Routing and traffic policy of the whole cluster, keyed by `namespace/service` (`…/service@consumer`)."""

    tables: Mapping[str, RouteTable]
    policies: Mapping[str, TrafficPolicy]
