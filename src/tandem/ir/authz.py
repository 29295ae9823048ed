"""Who may do what at a pod in the mesh, or at a gateway, as the proxy judges it: policies in order DENY, then ALLOW.

Without ALLOW policies everything is allowed that no DENY policy refuses; with some, one of them must allow it (Istio).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.ir.match import Exact, Prefix, Present, Regex


class Suffix(msgspec.Struct, frozen=True, tag="suffix"):
    """Ends with."""

    value: str


class Contains(msgspec.Struct, frozen=True, tag="contains"):
    """Stands somewhere in it."""

    value: str


class Template(msgspec.Struct, frozen=True, tag="template"):
    """A path template of Envoy's: `*` is one element, `**` any number of them at one place."""

    value: str


Text = Exact | Prefix | Suffix | Contains | Present | Regex | Template


class Action(Enum):
    """What a policy makes of requests that one of its rules matches."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    CUSTOM = "CUSTOM"
    """An external authorizer is asked, and may refuse."""
    AUDIT = "AUDIT"
    """It is told of in the flow."""


ORDER: Final = (Action.AUDIT, Action.CUSTOM, Action.DENY, Action.ALLOW)
"""In which they judge."""


class Attribute(Enum):
    """What of a connection or request is looked at."""

    PRINCIPAL = "principal"
    """The SPIFFE id without `spiffe://`; of a peer that proved it."""
    NAMESPACE = "namespace"
    """Of the identity that was proved."""
    SERVICE_ACCOUNT = "serviceAccount"
    """`NAMESPACE/NAME` of the identity that was proved."""
    TRUST_DOMAIN = "trustDomain"
    PEER_ADDRESS = "peerAddress"
    """Of the connection; values are prefixes."""
    CLIENT_ADDRESS = "clientAddress"
    """What trusted hops say of the client's address, else the connection's. Before a pod there is no such hop."""
    FORWARDED_ADDRESS = "forwardedAddress"
    """The same at a gateway that trusts some: Envoy's own attribute, and no policy's."""
    LOCAL_ADDRESS = "localAddress"
    PORT = "port"
    """Of the pod, or of the gateway's listener."""
    SNI = "sni"
    HOST = "host"
    """`:authority`, in any case."""
    METHOD = "method"
    PATH = "path"
    """Without the query."""
    HEADER = "header"
    QUERY = "query"
    """A parameter of the query, by its name, in large and small letters; a Regex stays within its value."""
    TOKEN_SUBJECT = "tokenSubject"  # noqa: S105 - no secret
    """`ISSUER/SUBJECT` of the valid token that came with the request."""
    CLAIM = "claim"
    """Of that token, or of a provider's: a text, or a list of which one text is enough."""


IDENTITY: frozenset[Attribute] = frozenset(
    {Attribute.PRINCIPAL, Attribute.NAMESPACE, Attribute.SERVICE_ACCOUNT, Attribute.TRUST_DOMAIN}
)
"""What a peer has proved by its certificate."""
ADDRESSES: frozenset[Attribute] = frozenset({Attribute.PEER_ADDRESS, Attribute.CLIENT_ADDRESS})
"""Of who asks."""
TOKEN: frozenset[Attribute] = frozenset({Attribute.TOKEN_SUBJECT, Attribute.CLAIM})
"""What a valid token says; of a request without one, nothing."""
REQUEST: frozenset[Attribute] = TOKEN | {
    Attribute.HOST,
    Attribute.METHOD,
    Attribute.PATH,
    Attribute.HEADER,
    Attribute.QUERY,
}
"""What only a parsed request has."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of `values` (any, where there are none), and none of `refuses`."""

    attribute: Attribute
    name: str = ""
    """Of a header, in lower case; of a parameter as it is."""
    claim: tuple[str, ...] = ()
    """Of a claim: its name, after those of the claims that it is within; none: the token as a whole."""
    provider: str = ""
    """Of a claim: in the token of that JWTProvider, where it is a text and no list; empty: of any other valid token."""
    values: tuple[Text, ...] = ()
    refuses: tuple[Text, ...] = ()
    ignore_case: bool = False
    """Of a header: letters count alike, large or small."""
    own: bool = False
    """Of who asks, where the proxy that judges is the asking pod's own: known, without a certificate that proves it."""


Requirements = tuple[Requirement, ...]
"""All of them must hold."""


class AuthzRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of `sources`, one of `operations` (none given: any), everything of `when`; nothing of `unless`, `spares`."""

    sources: tuple[Requirements, ...] = ()
    operations: tuple[Requirements, ...] = ()
    when: Requirements = ()
    unless: tuple[Requirements, ...] = ()
    """Operations, of a rule that denies: what they let through does not count as the rule's."""
    spares: tuple[Requirements, ...] = ()
    """Sources, likewise."""
    of_requests: bool = False
    """Connections of which only bytes are seen are not judged by it."""
    origin: Origin

    @property
    def parts(self) -> tuple[Requirements, ...]:
        """All that is asked anywhere in it."""
        return (*self.sources, *self.operations, self.when, *self.unless, *self.spares)


class CheckBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So much of a request's body goes along with the question; more is refused, or cut off where `partial`."""

    max_bytes: int
    partial: bool = False
    raw: bool = False
    """As bytes, and not as UTF-8 (gRPC)."""


class ExternalCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is asked, and how: a Service that speaks Envoy's ext_authz over gRPC, or plain HTTP."""

    name: str
    """Of the provider."""
    namespace: str
    service: str
    """Its name, or a host outside, in which there is a dot."""
    port: int
    grpc: bool
    timeout_ms: int
    own: tuple[str, int] | None = None
    """Address and port at the loopback of the pod that is judged, where it is asked in its own namespace."""
    fail_open: bool = False
    """What cannot be asked passes."""
    status_on_error: int = 403
    clear_route_cache: bool = False
    body: CheckBody | None = None
    path_prefix: str = ""
    request_headers: tuple[Text, ...] = ()
    """Of the request, that go along; the next ones are added."""
    added_headers: tuple[tuple[str, str], ...] = ()
    upstream_on_allow: tuple[Text, ...] = ()
    """Of the answer, that the application is told; the next ones, the client."""
    downstream_on_deny: tuple[Text, ...] = ()
    downstream_on_allow: tuple[Text, ...] = ()


class AuthzPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An AuthorizationPolicy that selects a pod. `staged`: what it would do is told, and nothing is done."""

    action: Action
    rules: tuple[AuthzRule, ...]
    origin: Origin
    staged: bool = False
    check: ExternalCheck | None = None
    """Of a CUSTOM policy, and of no other."""
    made_of: tuple[Origin, ...] = ()
    """Other objects that say something of it."""

    @property
    def objects(self) -> frozenset[Origin]:
        """All that it comes from."""
        return frozenset((self.origin, *self.made_of))


def settled(policy: AuthzPolicy, settle: Callable[[Requirements], Requirements | None]) -> AuthzPolicy:
    """The policy where part of what it asks is known. `settle`: what is left to be asked; None: it cannot hold.

    A rule that can never hold is left out; a policy that allows nothing then goes on to do so.
    """
    rules = (_settled(rule, settle) for rule in policy.rules)
    return msgspec.structs.replace(policy, rules=tuple(rule for rule in rules if rule is not None))


def _settled(rule: AuthzRule, settle: Callable[[Requirements], Requirements | None]) -> AuthzRule | None:
    sources, operations = (
        tuple(made for part in parts if (made := settle(part)) is not None) for parts in (rule.sources, rule.operations)
    )
    when = settle(rule.when)
    if when is None or (rule.sources and not sources) or (rule.operations and not operations):
        return None
    return msgspec.structs.replace(rule, sources=sources, operations=operations, when=when)


def holds_at(requirement: Requirement, port: int) -> bool:
    """Whether a requirement about the port holds at this one."""
    here = Exact(str(port))
    return here not in requirement.refuses and (not requirement.values or here in requirement.values)
