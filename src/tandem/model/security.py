"""security.istio.io, the fields that we act on (v1beta1 and v1 are one form)."""

from __future__ import annotations

import msgspec

from tandem.model.meta import Model, Object, Status


class MutualTls(Model, frozen=True, kw_only=True):
    """PeerAuthentication.MutualTLS."""

    mode: str = "UNSET"


class WorkloadSelector(Model, frozen=True, kw_only=True):
    """selector.matchLabels; absent selects the whole namespace."""

    match_labels: dict[str, str] = {}


class TargetRef(Model, frozen=True, kw_only=True):
    """PolicyTargetReference: what a policy is attached to in place of a selector; `namespace` empty: its own."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class PeerAuthenticationSpec(Model, frozen=True, kw_only=True):
    """spec; `port_level_mtls` keys are port numbers of the workload as text, and need a selector."""

    selector: WorkloadSelector | None = None
    mtls: MutualTls = MutualTls()
    port_level_mtls: dict[str, MutualTls] = {}


class PeerAuthentication(Object, frozen=True, kw_only=True):
    """security.istio.io PeerAuthentication."""

    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()
    status: Status = Status()


class Source(Model, frozen=True, kw_only=True):
    """Source of a rule: every field given must hold, one of its values, and none of the values of a `not` field."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    not_trust_domains: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()


class Operation(Model, frozen=True, kw_only=True):
    """Operation of a rule, likewise."""

    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


class RuleFrom(Model, frozen=True, kw_only=True):
    """Rule.From."""

    source: Source = Source()


class RuleTo(Model, frozen=True, kw_only=True):
    """Rule.To."""

    operation: Operation = Operation()


class RuleWhen(Model, frozen=True, kw_only=True):
    """Condition."""

    key: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


class AuthorizationRule(Model, frozen=True, kw_only=True):
    """Rule: one of `sources`, one of `operations` and every condition; an empty list asks nothing."""

    sources: tuple[RuleFrom, ...] = msgspec.field(name="from", default=())
    operations: tuple[RuleTo, ...] = msgspec.field(name="to", default=())
    when: tuple[RuleWhen, ...] = ()


class ExtensionProvider(Model, frozen=True, kw_only=True):
    """Which of the mesh configuration's extensionProviders is asked."""

    name: str = ""


class AuthorizationPolicySpec(Model, frozen=True, kw_only=True):
    """spec; no rules with the action ALLOW: nothing is allowed."""

    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: tuple[TargetRef, ...] = ()
    rules: tuple[AuthorizationRule, ...] = ()
    action: str = "ALLOW"
    provider: ExtensionProvider | None = None


class AuthorizationPolicy(Object, frozen=True, kw_only=True):
    """security.istio.io AuthorizationPolicy."""

    spec: AuthorizationPolicySpec = AuthorizationPolicySpec()
    status: Status = Status()


class JwtHeader(Model, frozen=True, kw_only=True):
    """Where a token is looked for: the header, and what stands before the token in it."""

    name: str
    prefix: str = ""


class ClaimToHeader(Model, frozen=True, kw_only=True):
    """A claim of a valid token (`a.b` is nested) that is told to the application in a header."""

    header: str
    claim: str


class JwtRule(Model, frozen=True, kw_only=True):
    """JWTRule: whose tokens are valid, by which keys, where they are looked for and what becomes of them."""

    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks_uri: str = ""
    jwks: str = ""
    from_headers: tuple[JwtHeader, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    output_payload_to_header: str = ""
    forward_original_token: bool = False
    output_claim_to_headers: tuple[ClaimToHeader, ...] = ()
    timeout: str = ""
    space_delimited_claims: tuple[str, ...] = ()


class RequestAuthenticationSpec(Model, frozen=True, kw_only=True):
    """spec."""

    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: tuple[TargetRef, ...] = ()
    jwt_rules: tuple[JwtRule, ...] = ()


class RequestAuthentication(Object, frozen=True, kw_only=True):
    """security.istio.io RequestAuthentication."""

    spec: RequestAuthenticationSpec = RequestAuthenticationSpec()
    status: Status = Status()
