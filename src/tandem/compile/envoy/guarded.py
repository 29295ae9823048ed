"""What judges requests and connections at a pod or at a gateway, as the filters ask for it. Pure.

A gateway's listener is at a port and an address of the node's own. What rules say of ports and addresses of the gateway
is settled before Envoy sees it: so nobody who dials the node's own address is judged by another rule.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable, Mapping
from typing import Protocol

import msgspec

from tandem.base.addresses import family
from tandem.base.ids import PodUid
from tandem.compile import names
from tandem.ir.authn import JwtRule
from tandem.ir.authz import (
    IDENTITY,
    Action,
    Attribute,
    AuthzPolicy,
    Requirement,
    Requirements,
    Text,
    holds_at,
    settled,
)
from tandem.ir.gateway import Gateway
from tandem.ir.match import Exact


class Guarded(Hashable, Protocol):
    """A pod of the mesh, or a gateway."""

    @property
    def uid(self) -> PodUid: ...  # noqa: D102 - under what it stands beside pods
    @property
    def authorization(self) -> tuple[AuthzPolicy, ...]: ...  # noqa: D102 - what judges it, in order
    @property
    def authentication(self) -> tuple[JwtRule, ...]: ...  # noqa: D102 - whose tokens it takes


class GuardedGateway(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway, or one port of it."""

    uid: PodUid
    authorization: tuple[AuthzPolicy, ...]
    authentication: tuple[JwtRule, ...]


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a gateway. `addresses`: own address of the node -> those of the gateway that lead to it."""

    port: int
    addresses: Mapping[str, tuple[str, ...]]
    trusted_hops: int
    proved: bool
    """Certificates that clients show there were verified."""


def guard_of(gateway: Gateway) -> GuardedGateway:
    """The whole gateway: whose tokens it takes, and whom it asks."""
    return GuardedGateway(
        uid=names.gateway_client(gateway.namespace, gateway.name),
        authorization=gateway.authorization,
        authentication=gateway.authentication,
    )


def guard_at(gateway: Gateway, port: int, own: Iterable[str]) -> GuardedGateway:
    """One port of it, which listens at `own`: the node's own addresses of the gateway's families."""
    addresses = {at: tuple(a for a in gateway.addresses if family(a) == family(at)) for at in own}
    listeners = (listener for one in gateway.ports if one.port == port for listener in one.listeners)
    proved = not any(one.terms.clients.lenient for one in listeners if one.terms.clients is not None)
    place = _Place(port=port, addresses=addresses, trusted_hops=gateway.trusted_hops, proved=proved)
    return msgspec.structs.replace(
        guard_of(gateway), authorization=tuple(_settled(policy, place) for policy in gateway.authorization)
    )


def _settled(policy: AuthzPolicy, place: _Place) -> AuthzPolicy:
    return settled(policy, lambda part: _part(part, policy.action, place))


def _part(part: Requirements, action: Action, place: _Place) -> Requirements | None:
    """None: it cannot hold."""
    made: list[Requirement] = []
    for requirement in part:
        match requirement.attribute:
            case Attribute.PORT:
                if not holds_at(requirement, place.port):
                    return None
            case Attribute.LOCAL_ADDRESS:
                found = _address(requirement, action, place)
                if requirement.values and not found.values:
                    return None
                made.append(found)
            case Attribute.CLIENT_ADDRESS if place.trusted_hops:
                made.append(msgspec.structs.replace(requirement, attribute=Attribute.FORWARDED_ADDRESS))
            case identity if identity in IDENTITY and not place.proved:
                # Envoy would take what an unverified certificate says for proved.
                if requirement.values:
                    return None
            case _:
                made.append(requirement)
    return tuple(made)


def _address(requirement: Requirement, action: Action, place: _Place) -> Requirement:
    """The node's own addresses in place of the gateway's. Where several lead to one, what closes needs one of them."""
    opens = action is Action.ALLOW
    return msgspec.structs.replace(
        requirement,
        values=_own(requirement.values, place, every=opens),
        refuses=_own(requirement.refuses, place, every=not opens),
    )


def _own(values: tuple[Text, ...], place: _Place, *, every: bool) -> tuple[Text, ...]:
    networks = [ipaddress.ip_network(v.value, strict=False) for v in values if isinstance(v, Exact)]
    judge = all if every else any
    return tuple(
        Exact(at)
        for at, addresses in place.addresses.items()
        if networks and addresses and judge(any(ipaddress.ip_address(a) in n for n in networks) for a in addresses)
    )
