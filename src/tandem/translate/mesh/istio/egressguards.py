"""Policies of Istio's security API at the egress gateway -> what judges there, or why nothing may be sent. Pure.

A policy of the root namespace judges at the gateway unless its selector is about other pods. The gateway is the proxy
of the pod that asks (docs/design/0062): who asks is known without a certificate, and the port is that of the gateway's
server. Of what has no meaning without a second hop the reason is told, and whoever asked sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.ir.authz import (
    ADDRESSES,
    IDENTITY,
    REQUEST,
    TOKEN,
    Action,
    Attribute,
    AuthzPolicy,
    Requirements,
    holds_at,
    settled,
)
from tandem.model.istiogateway import Server
from tandem.model.schemas.rules_istiogateway import PLAIN, SECURE
from tandem.model.security import AuthorizationPolicy, RequestAuthentication
from tandem.model.world import World
from tandem.translate.mesh.istio.authorization import in_order, is_staged, read_authorization
from tandem.translate.mesh.istio.domains import read_domains
from tandem.translate.mesh.istio.scoped import Policy, is_of_gateways, is_of_services, refs_of
from tandem.translate.options import Options

LABELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"app": ("istio-egressgateway", "istio-egress"), "istio": ("egressgateway", "egress")}
)
"""Those of Istio's installations, by istioctl and by Helm."""
_OWN: Final = IDENTITY | ADDRESSES
_REWRITTEN: Final = REQUEST - TOKEN


class Use(Enum):
    """What a server of an egress Gateway takes."""

    REQUESTS = auto()
    SESSIONS = auto()
    """TLS of the client's own, by its name."""
    BYTES = auto()
    NOTHING = auto()


def use_of(server: Server) -> Use:
    """TLS between the pod and the gateway is of the mesh, or the client's own: certificates have no place there."""
    protocol = server.port.protocol.upper()
    mode = server.tls.mode if server.tls is not None else "PASSTHROUGH"
    if protocol in PLAIN:
        return Use.REQUESTS
    if protocol not in SECURE:
        return Use.BYTES
    if mode == "ISTIO_MUTUAL":
        return Use.REQUESTS if protocol == "HTTPS" else Use.BYTES
    return Use.SESSIONS if mode == "PASSTHROUGH" else Use.NOTHING


def has_labels(wanted: Mapping[str, str]) -> bool:
    """Whether the gateway's pods would match."""
    return all(value in LABELS.get(name, ()) for name, value in wanted.items())


class Guards(msgspec.Struct, frozen=True, kw_only=True):
    """What judges at a server. `trouble`: why nothing may be sent there; empty: nothing stands against it."""

    policies: tuple[AuthzPolicy, ...] = ()
    trouble: str = ""


def guards_at(server: Server, world: World, options: Options, *, rewritten: bool = False) -> Guards:
    """At one server. `rewritten`: what the gateway would see of a request is not what the pod sent."""
    judging: list[AuthzPolicy] = []
    domains = read_domains(world, options)
    for policy in _judging(world, options.root_namespace):
        if isinstance(policy, RequestAuthentication):
            return Guards(trouble=f"{policy.origin()} would read tokens at the egress gateway, where nobody does")
        if policy.spec.action == Action.CUSTOM.value:
            if is_staged(policy):
                continue
            return Guards(
                trouble=f"{policy.origin()} would have somebody asked at the egress gateway: nobody asks there"
            )
        judges = settled(
            read_authorization(policy, world, ({}, domains)), lambda part: _known(part, server.port.number)
        )
        asked = {r.attribute for rule in judges.rules for part in rule.parts for r in part}
        if wrong := _unknown(asked, use_of(server), rewritten=rewritten):
            return Guards(trouble=f"{policy.origin()} judges at the egress gateway by {wrong}")
        judging.append(judges)
    return Guards(policies=in_order(judging))


def _judging(world: World, root_namespace: str) -> Iterator[Policy]:
    policies: tuple[Policy, ...] = (*world.sorted(AuthorizationPolicy), *world.sorted(RequestAuthentication))
    yield from (p for p in policies if p.metadata.namespace == root_namespace and _concerns(p))


def _concerns(policy: Policy) -> bool:
    """One that is attached to what nobody knows denies everything in its namespace, also there."""
    refs = [ref for _, ref in refs_of(policy)]
    labels = policy.spec.selector.match_labels if policy.spec.selector is not None else {}
    return any(not (is_of_gateways(ref) or is_of_services(ref)) for ref in refs) or (not refs and has_labels(labels))


def _unknown(asked: set[Attribute], use: Use, *, rewritten: bool) -> str:
    """What of all this nobody can tell, as there is no connection to the gateway; empty: nothing."""
    if Attribute.LOCAL_ADDRESS in asked:
        return "destination.ip, and it has no address"
    if Attribute.SNI in asked and use is not Use.SESSIONS:
        return "connection.sni, and only TLS of the client's own has a name there"
    if rewritten and asked & _REWRITTEN:
        return "what the route to it rewrites (rewrite, headers)"
    return ""


def _known(part: Requirements, port: int) -> Requirements | None:
    if not all(holds_at(r, port) for r in part if r.attribute is Attribute.PORT):
        return None
    left = (r for r in part if r.attribute is not Attribute.PORT)
    return tuple(msgspec.structs.replace(r, own=True) if r.attribute in _OWN else r for r in left)
