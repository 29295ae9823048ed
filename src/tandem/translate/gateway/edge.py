"""What the parts of gateways' translation hand to each other, and what status is written from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir import gateway as ir
from tandem.model.gateways import Gateway, RouteKind
from tandem.model.listenersets import ListenerSet
from tandem.model.world import Key

NOT_ACCEPTED: Final = frozenset(
    {"UnsupportedProtocol", "UnsupportedValue", "HostnameConflict", "ProtocolConflict", "NoValidCACertificate"}
)
"""Codes of mistakes after which a listener is not accepted."""
CONFLICTS: Final = ("HostnameConflict", "ProtocolConflict")
UNRESOLVED: Final = (
    "InvalidCertificateRef",
    "RefNotPermitted",
    "InvalidRouteKinds",
    "InvalidCACertificateRef",
    "InvalidCACertificateKind",
)
"""Codes of references, and kinds, of a listener that cannot be used."""
UNPLACED: Final = ("AddressNotUsable", "AddressNotAssigned")
"""Codes of a gateway that is accepted and has no address."""


Holder = Gateway | ListenerSet
"""Who has listeners. Those of a ListenerSet are its Gateway's too."""


class ListenerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a listener beside what is wrong with it."""

    name: str
    kinds: tuple[RouteKind, ...]
    attached: int
    valid: bool
    """It could be served: nothing of it is wrong or missing."""
    serves: bool
    """It is among what nodes are sent."""
    governed: str = ""
    """Where in the Gateway else is said what holds for it: mistakes there are its own."""
    overlaps: str = ""
    """What is told of it where another listener of its port with TLS is for some of its hosts."""


class GatewayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a gateway, and how many ListenerSets are attached to it: those that are accepted."""

    addresses: tuple[str, ...]
    listeners: tuple[ListenerFacts, ...]
    sets: int = 0
    named: frozenset[Key] = frozenset()
    """Services, there or not, that routes name as backends."""
    falls_back: bool = False
    """Some clients are let in without a valid certificate that they are asked for."""


class SetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a ListenerSet of that Gateway; one that the Gateway does not take has no listeners."""

    gateway: Key
    listeners: tuple[ListenerFacts, ...] = ()


class Ancestor(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A Gateway whose routes lead to targets of a policy: which of its targetRefs."""

    gateway: Key
    targets: tuple[int, ...]


class IngressFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of the gateway that Istio's Gateways share."""

    addresses: tuple[str, ...] = ()
    serves: bool = False
    """It is among what nodes are sent."""
    within: bool = False
    """It has no address: what it says is done by the proxies of its clients."""


WITHIN: Final = IngressFacts(serves=True, within=True)
"""Of a Gateway that selects the egress gateway."""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """All gateways of a World. `facts`: of each Gateway that is ours; `gateways`: what is sent (`namespace/name`).

    `sets`: of each ListenerSet whose Gateway is ours; `ingress`: of each of Istio's Gateways that is served here.
    """

    gateways: Mapping[str, ir.Gateway] = MappingProxyType({})
    facts: Mapping[Key, GatewayFacts] = MappingProxyType({})
    sets: Mapping[Key, SetFacts] = MappingProxyType({})
    ancestors: Mapping[Key, tuple[Ancestor, ...]] = MappingProxyType({})
    """Of each BackendTLSPolicy that says something of a gateway of ours."""
    ingress: Mapping[Key, IngressFacts] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()
