"""Listeners of one Gateway that cannot be told apart: which of them are in conflict, and why. Pure.

Within an object none of those wins (Gateway API docs, "Handling indistinct Listeners"). Between objects the first one
does: the Gateway, then its ListenerSets in their order (GEP-1713). Who is told of a conflict with another's listener is
not told whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tandem.model.gateways import Listener

HOSTLESS: Final = frozenset({"TCP", "UDP"})
"""Protocols in which no host is named: a port has one listener of them."""
BY_NAME: Final = frozenset({"HTTPS", "TLS"})
"""Protocols that may share a port: the name in TLS tells their listeners apart."""
UDP: Final = "UDP"
"""Its ports are others than those of all that goes by TCP."""
_ANOTHER: Final = "a listener that comes before it, of the Gateway or of another ListenerSet,"

FIELDS: Final = {"ProtocolConflict": "protocol", "HostnameConflict": "hostname"}
"""By code, the field of the listener that it is told at."""
Clash = tuple[str, str]
"""Code and text."""
Index = tuple[int, int]
"""Of a listener: the object that it is of, in the order of precedence, and its index there."""


def clashes_of(objects: Sequence[Sequence[Listener]], protocols: Mapping[str, object]) -> dict[Index, Clash]:
    """What is in conflict, of the listeners of each object; those of no known protocol take nothing from others."""
    found: dict[Index, Clash] = {}
    holding: list[Listener] = []
    for i, listeners in enumerate(objects):
        known = {(i, j): one for j, one in enumerate(listeners) if one.protocol in protocols}
        for place, one in known.items():
            if lost := next((c for other in holding if (c := _clash(one, other, _ANOTHER))), None):
                found[place] = lost
        # What lost already takes nothing from its own siblings.
        rest = {place: one for place, one in known.items() if place not in found}
        for place, one in rest.items():
            others = (other for other in rest.values() if other is not one)
            if lost := next((c for o in others if (c := _clash(one, o, f"listener {o.name}"))), None):
                found[place] = lost
        holding += rest.values()
    return found


def _clash(one: Listener, other: Listener, whose: str) -> Clash | None:
    if one.port != other.port or (one.protocol == UDP) != (other.protocol == UDP):
        return None
    if one.protocol != other.protocol and not {one.protocol, other.protocol} <= BY_NAME:
        return "ProtocolConflict", f"{whose} has the same port and the protocol {other.protocol}"
    if one.protocol in HOSTLESS or one.hostname == other.hostname:
        host = one.hostname or "every host"
        return "HostnameConflict", f"{whose} of the same port is for {host} too"
    return None
