"""Listeners of UDP and their UDPRoutes -> ports whose datagrams the kernel hands on; those that policies silence. Pure.

No rule of the security API is looked at in the kernel. Where one judges a gateway, a datagram that it would refuse must
not pass: none does, and the policy and the route say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.authz import Action
from tandem.ir.gateway import DatagramPort, Gateway
from tandem.model.udproute import UDPRoute
from tandem.translate.gateway.connections import Given
from tandem.translate.gateway.listeners import Read
from tandem.translate.mesh.attach import is_gateway_parent


def parents_refused(source: UDPRoute) -> Iterator[Problem]:
    """Parents that have no listeners: what goes to Services is not routed by UDPRoutes here."""
    for i, parent in enumerate(source.spec.parent_refs):
        if not is_gateway_parent(parent):
            kind = f"{parent.group}/{parent.kind}" if parent.group else parent.kind
            text = f"parents of kind {kind} are not supported for a UDPRoute, only Gateway and ListenerSet"
            yield Problem(at=source.origin(f"spec.parentRefs[{i}]"), code="InvalidKind", text=text)


def port_of(read: Read, given: Iterable[Given]) -> DatagramPort:
    """The port of a listener: the first of the routes that it has been given has all its datagrams."""
    route = next((connections for _, connections in given), None)
    origin = read.holder.origin(f"spec.listeners[{read.index}]")
    return DatagramPort(port=read.listener.port, route=route, origin=origin)


def silence(gateway: Gateway) -> tuple[Gateway, tuple[Problem, ...]]:
    """The gateway, whose datagrams lead nowhere if a policy in force is about it."""
    judging = [policy for policy in gateway.authorization if not policy.staged and policy.action is not Action.AUDIT]
    if not gateway.datagrams or not judging:
        return gateway, ()
    where = f"Gateway {gateway.namespace}/{gateway.name}"
    routes = (port.route for port in gateway.datagrams if port.route is not None)
    problems = [
        Problem(
            at=route.origin,
            code="DatagramsDropped",
            text=f"{judging[0].origin} judges {where}, and datagrams are not judged: all are dropped",
            severity=Severity.WARNING,
        )
        for route in routes
    ]
    problems += [
        Problem(
            at=policy.origin,
            code="DatagramsDropped",
            text=f"{where} has a listener of UDP, and datagrams are not judged: all are dropped there",
            severity=Severity.WARNING,
        )
        for policy in judging
    ]
    silent = tuple(msgspec.structs.replace(port, route=None) for port in gateway.datagrams)
    return msgspec.structs.replace(gateway, datagrams=silent), tuple(problems)
