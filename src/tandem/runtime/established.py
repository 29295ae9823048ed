"""Which established connections a change of policy denies: they end, in the kernel and in Envoy.

In: the view before and now. Out: connections ended. Only what is in force counts: a staged policy ends nothing, and
what an annotation keeps goes on. The conntrack entry is deleted, so that the next packet is judged as a first one, or
dropped where a connection cannot begin in the middle; a meshed pod's Envoy loses its end of it as well, and so does a
gateway. Each node ends what its own pods have: egress rules at the source's node, ingress rules at the destination's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tandem.base.entries import Given, joined_values
from tandem.base.ids import PolicySetId
from tandem.base.members import changes
from tandem.base.netns import OWN_NETNS
from tandem.base.problems import Origin
from tandem.base.table import changes as differences
from tandem.compile.addresses import edge_sources, node_address
from tandem.compile.judge import Denial, Judge, refusing_groups
from tandem.drivers.envoy.sockets import Pair, abort
from tandem.ir.domains import for_established
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import PolicySet, Side
from tandem.observe.conntrack import Connection, end, forget_addresses, tracked
from tandem.runtime.vanished import forget_vanished


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A connection that was ended, and the rules of the side that denies it now."""

    connection: Connection
    side: Side
    rules: tuple[Origin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """The connection has an end that no pod has any more: no policy is to blame."""


Verdict = Denial | Stray | None
"""Of a connection, if it were opened now; None: it goes on."""
STRAY: Final = Stray()


def policy_changed(before: NodeView, now: NodeView) -> bool:
    """True if some connection that exists may be denied now and was not before.

    A pod that comes or goes has none to lose, and who joins a group of rules that accept loses nothing.
    """
    if before.sets is not now.sets and _other_sets(before, now):
        return True
    if before.groups is not now.groups and _may_refuse(before, now):
        return True
    if not now.learned.keys() <= before.learned.keys():
        return True  # before, nobody could say what these names lack
    gone, other = changes(before.pods, now.pods)
    old = {p.container_id: p for p in gone}
    return any(_sides(old.get(pod.container_id, pod)) != _sides(pod) for pod in other)


def _other_sets(before: NodeView, now: NodeView) -> bool:
    """Some set is another one in what it enforces; most are the very same objects."""
    return any(
        old is None or new is None or _enforced(old) != _enforced(new)
        for old, new in differences(before.sets, now.sets).values()
    )


def _enforced(policy_set: PolicySet) -> PolicySet:
    """Without what is only looked at."""
    return msgspec.structs.replace(policy_set, preview=None)


def _may_refuse(before: NodeView, now: NodeView) -> bool:
    changed = differences(before.groups, now.groups)
    refusing = frozenset(_refusing(now.sets)[0]) if changed else frozenset()
    for name, (old, new) in changed.items():
        if old is None or (new is not None and name in refusing and old != new):
            return True
        if new is None or _loses(old.addresses, new.addresses):
            return True
    return False


def _loses(before: tuple[str, ...], now: tuple[str, ...]) -> bool:
    gone, come = changes(before, now)  # between two that came all others may be told as both
    return not frozenset(gone) <= frozenset(come)


@joined_values(1)
def _refusing(policy_set: PolicySet) -> Given:
    return ({group: group for group in refusing_groups(policy_set)},)


def _sides(pod: AttachedPod) -> tuple[PolicySetId | None, PolicySetId | None]:
    return pod.pod.ingress, pod.pod.egress


def gone_addresses(before: NodeView, now: NodeView) -> frozenset[str]:
    """Addresses whose pod left this node: the next pod with such an address must not inherit its connections."""
    gone = [address for pod in changes(before.pods, now.pods)[0] for address in pod.addresses]
    return frozenset(gone) - frozenset(_addresses(now)) if gone else frozenset()


def end_denied(before: NodeView | None, now: NodeView, gone: Collection[str] = ()) -> tuple[Ended, ...]:
    """End what is denied now, what belonged to pods that are gone and what leads to endpoints that are gone.

    Returns what was denied. `before` is None for an agent that has just started: anything may have changed meanwhile.
    `gone`: addresses whose pod left in between, also where another pod has one of them by now.
    """
    left = gone_addresses(before, now) if before is not None else frozenset[str]()
    forget_addresses(left.union(gone))
    if before is not None:
        forget_vanished(before, now)
        if not policy_changed(before, now):
            return ()
    found = verdicts(tracked(), denied_by(now))
    denied = ended_of(found)
    # While the kernel still knows the connection, so that the proxy at the other end hears of it, also on another node.
    meshed = {address: pod.netns for pod in now.pods if pod.pod.meshed for address in pod.addresses}
    for netns, pairs in proxied(denied, meshed, edge_sources(now.config.service_cidrs)).items():
        abort(netns, pairs)
    end(connection for connection, _ in found)
    return denied


def verdicts(
    connections: Iterable[Connection], verdict: Callable[[Connection], Verdict]
) -> list[tuple[Connection, Denial | Stray]]:
    """The connections that must end, and why."""
    found: list[tuple[Connection, Denial | Stray]] = []
    for connection in connections:
        said = None if connection.over else verdict(connection)
        if said is not None:
            found.append((connection, said))
    return found


def ended_of(found: Iterable[tuple[Connection, Denial | Stray]]) -> tuple[Ended, ...]:
    """Those that policy denies."""
    return tuple(
        Ended(connection=connection, side=said.side, rules=said.rules)
        for connection, said in found
        if isinstance(said, Denial)
    )


def proxied(
    ended: Iterable[Ended], meshed: Mapping[str, str], gateways: Collection[str] = ()
) -> dict[str, frozenset[Pair]]:
    """By namespace of a meshed pod, or the node's: the connections of its Envoy among these, either way.

    `meshed` is where the pod with an address is; pods see gateways of their node as one of `gateways`.
    """
    found: dict[str, set[Pair]] = {}
    for connection in (one.connection for one in ended if one.connection.protocol == "TCP"):
        if netns := meshed.get(connection.source):
            own = connection.source, connection.source_port
            found.setdefault(netns, set()).add((own, (connection.dialled, connection.dialled_port)))
        if netns := meshed.get(connection.destination):
            own = connection.destination, connection.port
            found.setdefault(netns, set()).add((own, connection.seen_as))
        if connection.seen_as[0] in gateways:
            own = connection.source, connection.source_port
            found.setdefault(OWN_NETNS, set()).add((own, (connection.dialled, connection.dialled_port)))
    return {netns: frozenset(pairs) for netns, pairs in found.items()}


def denied_by(view: NodeView) -> Callable[[Connection], Verdict]:
    """Whether a connection would be denied if it were opened now, by what does not keep it."""
    pods = {address: pod for pod in view.pods if pod.foreign is None for address in pod.addresses}
    own = {node_address(cidr) for cidr in view.node.pod_cidrs} | {*view.node.addresses, *view.config.dns_addresses}
    prefixes = [ipaddress.ip_network(cidr) for cidr in view.node.pod_cidrs]
    lent = {address for node in view.nodes.values() for address in node.borrowed}
    gateways = edge_sources(view.config.service_cidrs)
    judges = Judges(view)
    known: dict[tuple[str, str, str, int], Verdict] = {}

    def denied(connection: Connection) -> Verdict:
        if connection.source not in pods and connection.destination not in pods:
            return None
        # The node's own address is nobody's whom policy means, but for what its gateways open.
        source = connection.seen_as[0] if connection.seen_as[0] in gateways else connection.source
        key = source, connection.destination, connection.protocol, connection.port
        if key not in known:
            known[key] = judged(*key)
        return known[key]

    def judged(source: str, destination: str, protocol: str, port: int) -> Verdict:
        if stray(source) or stray(destination):
            return STRAY
        if source == destination or source in own:
            return None
        sender, receiver = pods.get(source), pods.get(destination)
        said = judges.denial(sender.pod.egress, destination, protocol, port) if sender is not None else None
        if said is None and receiver is not None:
            said = judges.denial(receiver.pod.ingress, source, protocol, port)
        return said

    def stray(address: str) -> bool:
        """In this node's prefix, but no pod of it (any more)."""
        if address in pods or address in own or address in lent:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in p for p in prefixes)

    return denied


class Judges:
    """Those of one view, each made when it is first asked."""

    def __init__(self, view: NodeView) -> None:
        self._view = for_established(view)
        self._made: dict[PolicySetId, Judge | None] = {}

    def denial(self, policy_set: PolicySetId | None, peer: str, protocol: str, port: int) -> Denial | None:
        """What ends a connection with this peer; None also where it is kept, and where not all is known yet."""
        if policy_set is None:
            return None
        if policy_set not in self._made:
            found = self._view.sets.get(policy_set)
            self._made[policy_set] = Judge(found, self._view.groups, self._view.learned) if found is not None else None
        judge = self._made[policy_set]
        if judge is None or not judge.complete:
            return None
        said = judge.denial(peer, protocol, port)
        return said if said is not None and not said.keeps else None


def _addresses(view: NodeView) -> list[str]:
    return [address for pod in view.pods for address in pod.addresses]
