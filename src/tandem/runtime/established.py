"""Which established connections a change of policy denies: their conntrack entries are deleted, so that they end.

In: the view before and now. Out: connections ended. The verdict is that of the compiled rules, followed by the tracer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tandem.base.ids import PolicySetId
from tandem.base.members import changes
from tandem.compile.addresses import node_address
from tandem.compile.nft.node import compile_nft
from tandem.drivers.envoy.sockets import Peer, abort_upstream
from tandem.drivers.nft.trace import LOCAL, OUTSIDE, Packet, trace
from tandem.ir.node import AttachedPod, NodeView
from tandem.observe.conntrack import Connection, end_connections, forget_addresses
from tandem.runtime.vanished import forget_vanished

TRACKED: Final = frozenset({"TCP", "UDP", "SCTP"})


def policy_changed(before: NodeView, now: NodeView) -> bool:
    """True if some verdict on a connection that exists may differ: a pod that comes or goes has none to lose."""
    if before.sets is not now.sets and before.sets != now.sets:
        return True
    if before.groups is not now.groups and before.groups != now.groups:
        return True
    _, other = changes(before.pods, now.pods)
    old = {p.container_id: p for p in before.pods} if other else {}
    return any(_sides(old.get(pod.container_id, pod)) != _sides(pod) for pod in other)


def _sides(pod: AttachedPod) -> tuple[PolicySetId | None, PolicySetId | None]:
    return pod.pod.ingress, pod.pod.egress


def gone_addresses(before: NodeView, now: NodeView) -> frozenset[str]:
    """Addresses whose pod left this node: the next pod with such an address must not inherit its connections."""
    gone = [address for pod in changes(before.pods, now.pods)[0] for address in pod.addresses]
    return frozenset(gone) - frozenset(_addresses(now)) if gone else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A connection that was ended; `prefix` is the log prefix of the rule that denies it now."""

    connection: Connection
    prefix: str


def end_denied(before: NodeView, now: NodeView) -> tuple[Ended, ...]:
    """End what is denied now, what belonged to pods that are gone and what leads to endpoints that are gone.

    Returns what was denied.
    """
    forget_addresses(gone_addresses(before, now))
    forget_vanished(before, now)
    if not policy_changed(before, now):
        return ()
    ended = end_where(denied_by(now))
    for netns, peers in _proxied(now, ended).items():
        abort_upstream(netns, peers)
    return ended


def end_where(verdict: Callable[[Connection], str | None]) -> tuple[Ended, ...]:
    """End the connections for which there is a log prefix; those whose prefix is not empty, which policy denies."""
    ended: list[Ended] = []

    def denied(connection: Connection) -> bool:
        prefix = verdict(connection)
        if prefix:
            ended.append(Ended(connection=connection, prefix=prefix))
        return prefix is not None

    end_connections(denied)
    return tuple(ended)


def packet_of(connection: Connection, *, iifname: str) -> Packet:
    """The packet that would open it now; `iifname`: the link by which it would come, empty from the node itself."""
    return Packet(
        saddr=connection.source,
        daddr=connection.destination,
        protocol=connection.protocol.lower(),
        dport=connection.port,
        iifname=iifname,
    )


def _proxied(view: NodeView, ended: Iterable[Ended]) -> dict[str, frozenset[Peer]]:
    """By namespace of a meshed source: where its Envoy must not keep pooled connections to."""
    owners = {address: pod.netns for pod in view.pods if pod.pod.meshed for address in pod.addresses}
    found: dict[str, set[Peer]] = {}
    for one in ended:
        if one.connection.source in owners:
            peer = (one.connection.destination, one.connection.port)
            found.setdefault(owners[one.connection.source], set()).add(peer)
    return {netns: frozenset(peers) for netns, peers in found.items()}


def denied_by(view: NodeView) -> Callable[[Connection], str | None]:
    """Whether a connection would be dropped if it were opened now: the log prefix that goes with the drop, or None.

    The prefix is empty where no policy is to blame: an address that no pod has any more.
    """
    ruleset = compile_nft(view)
    links = {address: pod.host_ifname for pod in view.pods if pod.foreign is None for address in pod.addresses}
    own = {node_address(cidr) for cidr in view.node.pod_cidrs} | {*view.node.addresses, *view.config.dns_addresses}
    prefixes = [ipaddress.ip_network(cidr) for cidr in view.node.pod_cidrs]
    lent = {address for node in view.nodes.values() for address in node.borrowed}

    def route(address: str) -> str:
        return links.get(address) or (LOCAL if address in own else OUTSIDE)

    def denied(connection: Connection) -> str | None:
        if connection.protocol not in TRACKED or not {connection.source, connection.destination} & links.keys():
            return None
        if _stray(connection.source) or _stray(connection.destination):
            return ""
        packet = packet_of(connection, iifname="" if connection.source in own else route(connection.source))
        found = trace(ruleset, packet, route=route)
        return found.log if found.verdict == "drop" else None

    def _stray(address: str) -> bool:
        """In this node's prefix, but no pod of it (any more)."""
        inside = any(ipaddress.ip_address(address) in p for p in prefixes)
        return inside and address not in links and address not in own and address not in lent

    return denied


def _addresses(view: NodeView) -> list[str]:
    return [address for pod in view.pods for address in pod.addresses]
