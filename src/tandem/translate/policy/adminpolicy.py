"""AdminNetworkPolicy and BaselineAdminNetworkPolicy as the ClusterNetworkPolicies that they stand for. Pure.

Rules keep their places, so that paths into one are paths into the other, but for `ports`, which became `protocols`.
"""

from __future__ import annotations

from tandem.model.adminpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminPort,
    AdminPortNumber,
    AdminPortRange,
    BaselineAdminNetworkPolicy,
)
from tandem.model.clusterpolicy import (
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicySpec,
    ClusterProtocol,
    DestinationPort,
    OfProtocol,
    PortRange,
)

LAST = 1001
"""The priority of the BaselineAdminNetworkPolicy, which has none: after every other policy of its tier."""


def as_cluster(policy: AdminNetworkPolicy | BaselineAdminNetworkPolicy) -> ClusterNetworkPolicySpec:
    """The spec of a ClusterNetworkPolicy that says the same; an action Allow is written Accept."""
    admin = isinstance(policy, AdminNetworkPolicy)
    return ClusterNetworkPolicySpec(
        tier="Admin" if admin else "Baseline",
        priority=policy.spec.priority if isinstance(policy, AdminNetworkPolicy) else LAST,
        subject=policy.spec.subject,
        ingress=tuple(_ingress(r) for r in policy.spec.ingress),
        egress=tuple(_egress(r) for r in policy.spec.egress),
    )


def _ingress(rule: AdminIngressRule) -> ClusterIngressRule:
    protocols = tuple(_protocol(p) for p in rule.ports)
    return ClusterIngressRule(action=_action(rule.action), name=rule.name, peers=rule.peers, protocols=protocols)


def _egress(rule: AdminEgressRule) -> ClusterEgressRule:
    protocols = tuple(_protocol(p) for p in rule.ports)
    return ClusterEgressRule(action=_action(rule.action), name=rule.name, peers=rule.peers, protocols=protocols)


def _action(action: str) -> str:
    """Accept is no action of the old kinds: it becomes one that nobody knows."""
    return {"Allow": "Accept", "Accept": "(Accept)"}.get(action, action)


def _protocol(port: AdminPort) -> ClusterProtocol:
    """A port of which not exactly one field is set, or with another protocol, becomes a protocol of none."""
    given = [f for f in (port.port_number, port.port_range, port.named_port or None) if f is not None]
    if len(given) != 1:
        return ClusterProtocol()
    match given[0]:
        case AdminPortNumber(port=number, protocol=protocol):
            destination = DestinationPort(number=number)
        case AdminPortRange(start=start, end=end, protocol=protocol):
            destination = DestinationPort(range=PortRange(start=start, end=end))
        case name:
            return ClusterProtocol(destination_named_port=name)
    match protocol:
        case "TCP":
            return ClusterProtocol(tcp=OfProtocol(destination_port=destination))
        case "UDP":
            return ClusterProtocol(udp=OfProtocol(destination_port=destination))
        case "SCTP":
            return ClusterProtocol(sctp=OfProtocol(destination_port=destination))
    return ClusterProtocol()
