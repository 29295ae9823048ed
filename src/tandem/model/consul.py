"""consul.hashicorp.com of Consul on Kubernetes: who may call a service. Every field, also those that are refused."""

from __future__ import annotations

from tandem.model.meta import Model, Object, Status

ANY = "*"
"""A name, or a namespace, that stands for all."""


class IntentionDestination(Model, frozen=True, kw_only=True):
    """spec.destination; without a namespace it is the object's own."""

    name: str = ""
    namespace: str = ""


class ClaimVerification(Model, frozen=True, kw_only=True):
    """A claim that a token must have."""

    path: tuple[str, ...] = ()
    value: str = ""


class JwtProviderRef(Model, frozen=True, kw_only=True):
    """A JWTProvider by its name."""

    name: str = ""
    verify_claims: tuple[ClaimVerification, ...] = ()


class JwtRequirement(Model, frozen=True, kw_only=True):
    """Whose tokens are asked for."""

    providers: tuple[JwtProviderRef, ...] = ()


class HeaderPermission(Model, frozen=True, kw_only=True):
    """permissions[].http.header[]: one of `present` to `regex`."""

    name: str = ""
    present: bool = False
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    contains: str = ""
    regex: str = ""
    invert: bool = False
    ignore_case: bool = False


class HttpPermission(Model, frozen=True, kw_only=True):
    """permissions[].http: all that is given must hold."""

    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    header: tuple[HeaderPermission, ...] = ()
    methods: tuple[str, ...] = ()


class IntentionPermission(Model, frozen=True, kw_only=True):
    """sources[].permissions[]; without `http` it is about every request."""

    action: str = ""
    http: HttpPermission | None = None
    jwt: JwtRequirement | None = None


class IntentionSource(Model, frozen=True, kw_only=True):
    """spec.sources[]; without a namespace it is that of the destination."""

    name: str = ""
    namespace: str = ""
    partition: str = ""
    peer: str = ""
    sameness_group: str = ""
    action: str = ""
    permissions: tuple[IntentionPermission, ...] = ()
    description: str = ""


class ServiceIntentionsSpec(Model, frozen=True, kw_only=True):
    """spec."""

    destination: IntentionDestination = IntentionDestination()
    sources: tuple[IntentionSource, ...] = ()
    jwt: JwtRequirement | None = None


class ServiceIntentions(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceIntentions."""

    spec: ServiceIntentionsSpec = ServiceIntentionsSpec()
    status: Status = Status()
