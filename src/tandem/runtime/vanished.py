"""UDP flows to endpoints that a Service or gateway no longer has: conntrack would send every packet there for ever.

In: the view before and now. Out: which tracked connections are to be forgotten. TCP ends by itself, UDP does not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tandem.compile.gateways import gateway_fronts
from tandem.compile.nft.families import FAMILIES
from tandem.compile.nft.fronts import Front, Lane, Target, fronts
from tandem.ir.node import NodeView
from tandem.observe.conntrack import Connection, end_connections

Ends = dict[str, set[Target]]
"""By the address that is dialled; empty for the node's own."""


def services_changed(before: NodeView, now: NodeView) -> bool:
    """True if some front may have other endpoints."""
    # The same object is the usual case, and dictionaries do not look for that themselves.
    parts = ((before.endpoints, now.endpoints), (before.services, now.services), (before.gateways, now.gateways))
    return any(old is not new and old != new for old, new in parts)


def forget_vanished(before: NodeView, now: NodeView) -> int:
    """Ends the UDP flows to endpoints that are gone; the number of those."""
    stale = stale_flows(before, now)
    return end_connections(stale) if stale else 0


def stale_flows(before: NodeView, now: NodeView) -> Callable[[Connection], bool] | None:
    """Which connections are stale; None if none can be.

    So is a flow to a Service's own address that was not translated, once there is an endpoint for it.
    """
    if not services_changed(before, now):
        return None
    old, new = _ends(before), _ends(now)
    gone = {address: ends - new.get(address, set()) for address, ends in old.items()}
    first = {address for address, ends in new.items() if ends and not old.get(address)}
    if not any(gone.values()) and not first:
        return None
    addresses = (old.keys() | new.keys()) - {""}

    def stale(connection: Connection) -> bool:
        if connection.protocol != "UDP":
            return False
        if connection.dialled == connection.destination:
            return connection.dialled in first
        dialled = connection.dialled if connection.dialled in addresses else ""
        return (connection.destination, connection.port) in gone.get(dialled, set())

    return stale


def _ends(view: NodeView) -> Ends:
    found: Ends = {}
    udp = {name: service for name, service in view.services.items() if any(p.protocol == "UDP" for p in service.ports)}
    behind = {name: view.endpoints[name] for name in udp if name in view.endpoints}
    for service, endpoints in gateway_fronts(view):
        name = f"{service.namespace}/{service.name}"
        udp[name], behind[name] = service, endpoints
    view = msgspec.structs.replace(view, services=udp, endpoints=behind)
    for family in FAMILIES:
        for front in fronts(view, family):
            if "udp" in front.key:
                found.setdefault(_address(front), set()).update(front.targets, front.outside or ())
    return found


def _address(front: Front) -> str:
    return str(front.key[0]) if front.lane is Lane.ADDRESS else ""
