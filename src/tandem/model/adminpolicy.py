"""policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy and BaselineAdminNetworkPolicy: before ClusterNetworkPolicy.

Subjects and peers are those of ClusterNetworkPolicy; ports and actions are written otherwise.
"""

from __future__ import annotations

import msgspec

from tandem.model.clusterpolicy import ClusterPeer, Subject
from tandem.model.meta import Model, Object, Status


class AdminPortNumber(Model, frozen=True, kw_only=True):
    """ports[].portNumber."""

    port: int
    protocol: str = "TCP"


class AdminPortRange(Model, frozen=True, kw_only=True):
    """ports[].portRange: both ends are in the range."""

    start: int
    end: int
    protocol: str = "TCP"


class AdminPort(Model, frozen=True, kw_only=True):
    """One entry of `ports`: exactly one is set."""

    port_number: AdminPortNumber | None = None
    port_range: AdminPortRange | None = None
    named_port: str = ""


class AdminIngressRule(Model, frozen=True, kw_only=True):
    """spec.ingress[]; the action is Allow, Deny or (not in a baseline) Pass."""

    action: str = ""
    name: str = ""
    peers: tuple[ClusterPeer, ...] = msgspec.field(name="from", default=())
    ports: tuple[AdminPort, ...] = ()


class AdminEgressRule(Model, frozen=True, kw_only=True):
    """spec.egress[]."""

    action: str = ""
    name: str = ""
    peers: tuple[ClusterPeer, ...] = msgspec.field(name="to", default=())
    ports: tuple[AdminPort, ...] = ()


class AdminNetworkPolicySpec(Model, frozen=True, kw_only=True):
    """spec of an AdminNetworkPolicy."""

    priority: int = 0
    subject: Subject = Subject()
    ingress: tuple[AdminIngressRule, ...] = ()
    egress: tuple[AdminEgressRule, ...] = ()


class AdminNetworkPolicy(Object, frozen=True, kw_only=True):
    """policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy."""

    spec: AdminNetworkPolicySpec = AdminNetworkPolicySpec()
    status: Status = Status()


class BaselineAdminNetworkPolicySpec(Model, frozen=True, kw_only=True):
    """spec of the BaselineAdminNetworkPolicy."""

    subject: Subject = Subject()
    ingress: tuple[AdminIngressRule, ...] = ()
    egress: tuple[AdminEgressRule, ...] = ()


class BaselineAdminNetworkPolicy(Object, frozen=True, kw_only=True):
    """policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy; the one of a cluster is named `default`."""

    spec: BaselineAdminNetworkPolicySpec = BaselineAdminNetworkPolicySpec()
    status: Status = Status()
