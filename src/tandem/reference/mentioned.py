"""Every port and prefix that some policy mentions: between two of them, no policy can tell addresses or ports apart.

In: policies. Out: ranges of ports, and prefixes. Whoever judges one port of each range between the bounds, and one
address of each region between the prefixes, has judged all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tandem.model.adminpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminPort,
    BaselineAdminNetworkPolicy,
)
from tandem.model.clusterpolicy import (
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterProtocol,
)
from tandem.model.policy import EgressRule, IngressRule, NetworkPolicy, PolicyPort
from tandem.model.world import World

_Rule = IngressRule | EgressRule | ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule
Policy = NetworkPolicy | ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
Ports = tuple[str, int, int]
"""Protocol, first and last."""


def policies_of(world: World) -> Iterator[Policy]:
    """Every policy of every kind."""
    yield from world.all(NetworkPolicy).values()
    yield from world.all(ClusterNetworkPolicy).values()
    yield from world.all(AdminNetworkPolicy).values()
    yield from world.all(BaselineAdminNetworkPolicy).values()


def ports(policies: Iterable[Policy]) -> frozenset[Ports]:
    """The ranges of the numbers that rules give; names of ports are the pods' own to resolve."""
    return frozenset(found for rule in _rules(policies) for entry in _entries(rule) for found in _ranges(entry))


def prefixes(policies: Iterable[Policy]) -> frozenset[str]:
    """The CIDRs of ipBlocks, with their exceptions, and of networks, as they are written."""
    return frozenset(_prefixes(policies))


def _rules(policies: Iterable[Policy]) -> Iterator[_Rule]:
    for policy in policies:
        yield from policy.spec.ingress
        yield from policy.spec.egress


def _entries(rule: _Rule) -> tuple[PolicyPort | ClusterProtocol | AdminPort, ...]:
    return rule.protocols if isinstance(rule, ClusterIngressRule | ClusterEgressRule) else rule.ports


def _ranges(entry: PolicyPort | ClusterProtocol | AdminPort) -> Iterator[Ports]:
    if isinstance(entry, PolicyPort):
        if isinstance(entry.port, int):
            yield entry.protocol, entry.port, entry.end_port or entry.port
    elif isinstance(entry, AdminPort):
        if entry.port_number is not None:
            yield entry.port_number.protocol, entry.port_number.port, entry.port_number.port
        if entry.port_range is not None:
            yield entry.port_range.protocol, entry.port_range.start, entry.port_range.end
    else:
        for protocol, found in (("TCP", entry.tcp), ("UDP", entry.udp), ("SCTP", entry.sctp)):
            port = found.destination_port if found is not None else None
            if port is not None and port.number is not None:
                yield protocol, port.number, port.number
            elif port is not None and port.range is not None:
                yield protocol, port.range.start, port.range.end


def _prefixes(policies: Iterable[Policy]) -> Iterator[str]:
    for rule in _rules(policies):
        for peer in rule.peers:
            if isinstance(peer, ClusterPeer):
                yield from peer.networks
            elif peer.ip_block is not None:
                yield peer.ip_block.cidr
                yield from peer.ip_block.excepts
