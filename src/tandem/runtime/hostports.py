"""Connections over UDP that a change of host ports makes wrong: their conntrack entries are deleted.

A sender that never pauses keeps its entry for ever, so a port that comes would not be reached, and one that has moved
would lead to the pod that is gone. TCP and SCTP end by themselves.
"""

from __future__ import annotations

from tandem.base.addresses import UNSPECIFIED, family
from tandem.base.members import changes
from tandem.ir.node import AttachedPod, NodeView
from tandem.observe.conntrack import Connection, end_connections

Front = tuple[str, int]
"""Host address (as in a PortMapping) and port."""


def changed_udp(before: NodeView | None, now: NodeView) -> frozenset[Front]:
    """The UDP host ports that lead elsewhere now, came or went."""
    gone, come = changes(before.pods if before is not None else (), now.pods)
    old, new = _udp(gone), _udp(come)
    return frozenset(front for front in old.keys() | new.keys() if old.get(front) != new.get(front))


def flush_udp(before: NodeView | None, now: NodeView) -> int:
    """Delete the entries of such ports; the number of those."""
    changed = changed_udp(before, now)
    if not changed:
        return 0

    def stale(connection: Connection) -> bool:
        general = UNSPECIFIED[family(connection.dialled)]
        fronts = {(address, connection.dialled_port) for address in ("", general, connection.dialled)}
        return connection.protocol == "UDP" and bool(fronts & changed)

    return end_connections(stale)


def _udp(pods: tuple[AttachedPod, ...]) -> dict[Front, tuple[tuple[str, ...], int]]:
    return {
        (m.host_ip, m.host_port): (pod.addresses, m.container_port)
        for pod in pods
        for m in pod.port_mappings
        if m.protocol == "udp" and pod.addresses
    }
