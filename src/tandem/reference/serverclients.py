"""Whom Linkerd's authorizations mean, as its documents say: by identity, by address, and by default policies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from tandem.base.problems import Origin
from tandem.model.gateways import GROUP as GATEWAY_API
from tandem.model.linkerd import (
    GROUP,
    AccountReference,
    LinkerdAuthorizationPolicy,
    LinkerdHTTPRoute,
    MeshTLSAuthentication,
    Network,
    NetworkAuthentication,
    Reference,
    Server,
    ServerAuthorization,
)
from tandem.model.selectors import matches
from tandem.model.world import World
from tandem.reference.attached import AnyRoute
from tandem.reference.authorization import Asked

POLICIES = (
    "deny",
    "audit",
    "all-authenticated",
    "all-unauthenticated",
    "cluster-authenticated",
    "cluster-unauthenticated",
)
CLUSTER = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")


def clients_of_server(world: World, server: Server, asked: Asked, trust_domain: str) -> Iterator[tuple[Origin, bool]]:
    """The authorizations of a Server as a whole, and whether each lets the client in."""
    home, name = server.key
    for policy in world.sorted(LinkerdAuthorizationPolicy):
        ref = policy.spec.target_ref
        whole = ref.group in {"", "core"} and (ref.kind, ref.name) == ("Namespace", home)
        if policy.metadata.namespace == home and (whole or _names(policy, GROUP, "Server", name)):
            yield policy.origin(), _authorizes(world, policy, asked, trust_domain)
    for older in world.sorted(ServerAuthorization):
        target = older.spec.server
        chosen = target.selector is not None and matches(target.selector, server.metadata.labels)
        if older.metadata.namespace == home and (chosen or target.name == name):
            yield older.origin(), _authorizes_as_before(older, asked, trust_domain)


def clients_of_route(world: World, route: AnyRoute, asked: Asked, trust_domain: str) -> Iterator[tuple[Origin, bool]]:
    """The same of those of a route."""
    group, kind = (GROUP, "HTTPRoute") if isinstance(route, LinkerdHTTPRoute) else (GATEWAY_API, route.kind)
    for policy in world.sorted(LinkerdAuthorizationPolicy):
        if policy.metadata.namespace == route.metadata.namespace and _names(policy, group, kind, route.metadata.name):
            yield policy.origin(), _authorizes(world, policy, asked, trust_domain)


def _names(policy: LinkerdAuthorizationPolicy, group: str, kind: str, name: str) -> bool:
    ref = policy.spec.target_ref
    return (ref.group, ref.kind, ref.name) == (group, kind, name)


def _authorizes(world: World, policy: LinkerdAuthorizationPolicy, asked: Asked, trust_domain: str) -> bool:
    """All that is required must hold."""
    home = policy.metadata.namespace
    return all(
        _authenticates(world, ref, home, (asked, trust_domain)) for ref in policy.spec.required_authentication_refs
    )


def _authenticates(world: World, ref: Reference, home: str, seen: tuple[Asked, str]) -> bool:
    asked, trust_domain = seen
    namespace = ref.namespace or home
    if ref.kind == "ServiceAccount":
        return asked.principal == f"{trust_domain}/ns/{namespace}/sa/{ref.name}"
    if ref.kind == "NetworkAuthentication":
        found = world.get(NetworkAuthentication, namespace, ref.name)
        return found is not None and _within(found.spec.networks, asked.source)
    tls = world.get(MeshTLSAuthentication, namespace, ref.name)
    return tls is not None and (
        any(_is_named(one, asked.principal) for one in tls.spec.identities)
        or any(_is_meant(one, namespace, asked.principal, trust_domain) for one in tls.spec.identity_refs)
    )


def _is_named(name: str, principal: str) -> bool:
    """As Linkerd would call whoever proved this; in which namespace its control plane was says nothing."""
    if not principal or name == "*":
        return bool(principal)
    if name.startswith("spiffe://"):
        return name == f"spiffe://{principal}"
    domain, _, rest = principal.partition("/ns/")
    namespace, _, account = rest.partition("/sa/")
    end = name.removeprefix("*").split(".")
    plane = len(end) - len(domain.split(".")) - 1
    if plane >= 0:
        end[plane] = end[plane] and "linkerd"
    called = f"{account}.{namespace}.serviceaccount.identity.linkerd.{domain}"
    return called.endswith(".".join(end)) if name.startswith("*") else called == ".".join(end)


def _is_meant(ref: Reference, home: str, principal: str, trust_domain: str) -> bool:
    if ref.kind == "Namespace":
        return principal.startswith(f"{trust_domain}/ns/{ref.name}/sa/")
    return principal == f"{trust_domain}/ns/{ref.namespace or home}/sa/{ref.name}"


def _authorizes_as_before(policy: ServerAuthorization, asked: Asked, trust_domain: str) -> bool:
    client = policy.spec.client
    if not (_within(client.networks, asked.source) if client.networks else _of_cluster(asked)):
        return False
    if client.unauthenticated:
        return True
    if client.mesh_tls is None:
        return False
    accounts = [f"{trust_domain}/ns/{a.namespace or policy.metadata.namespace}/sa/{a.name}" for a in _accounts(policy)]
    named = any(_is_named(one, asked.principal) for one in client.mesh_tls.identities)
    return named or asked.principal in accounts or (client.mesh_tls.unauthenticated_tls and bool(asked.principal))


def _accounts(policy: ServerAuthorization) -> tuple[AccountReference, ...]:
    tls = policy.spec.client.mesh_tls
    return tls.service_accounts if tls is not None else ()


def admits(policy: str, asked: Asked) -> bool:
    """Whether a default policy lets the client in; an audit does not, it only tells."""
    if policy not in POLICIES[2:]:
        return False
    who, _, how = policy.partition("-")
    return (who == "all" or _of_cluster(asked)) and (how == "unauthenticated" or bool(asked.principal))


def _of_cluster(asked: Asked) -> bool:
    return any(_inside(prefix, asked.source) for prefix in CLUSTER)


def _within(networks: tuple[Network, ...], source: str) -> bool:
    return any(_inside(n.cidr, source) and not any(_inside(e, source) for e in n.excepts) for n in networks)


def _inside(prefix: str, address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)
