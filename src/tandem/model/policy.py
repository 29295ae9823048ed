"""networking.k8s.io/v1 NetworkPolicy.

Emptiness, settled here: `ingress`/`egress` absent, null or `[]` are one thing, as are `from`/`to` and `ports`
(API docs: "If this field is empty or missing, this rule matches all sources"). `podSelector` absent is `{}`.
"""

from __future__ import annotations

import msgspec

from tandem.model.core import IntOrString
from tandem.model.meta import Model, Object, Status
from tandem.model.selectors import LabelSelector


class IpBlock(Model, frozen=True, kw_only=True):
    """ipBlock: `cidr` less `except`."""

    cidr: str
    excepts: tuple[str, ...] = msgspec.field(name="except", default=())


class PolicyPeer(Model, frozen=True, kw_only=True):
    """One entry of `from` or `to`; ipBlock excludes the selectors."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


class PolicyPort(Model, frozen=True, kw_only=True):
    """One entry of `ports`; `port` unset is every port of the protocol."""

    protocol: str = "TCP"
    port: IntOrString | None = None
    end_port: int | None = None


class IngressRule(Model, frozen=True, kw_only=True):
    """spec.ingress[]."""

    peers: tuple[PolicyPeer, ...] = msgspec.field(name="from", default=())
    ports: tuple[PolicyPort, ...] = ()


class EgressRule(Model, frozen=True, kw_only=True):
    """spec.egress[]."""

    peers: tuple[PolicyPeer, ...] = msgspec.field(name="to", default=())
    ports: tuple[PolicyPort, ...] = ()


class NetworkPolicySpec(Model, frozen=True, kw_only=True):
    """spec; `policy_types` empty is: Ingress, and Egress iff there are egress rules."""

    pod_selector: LabelSelector = LabelSelector()
    policy_types: tuple[str, ...] = ()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()


class NetworkPolicy(Object, frozen=True, kw_only=True):
    """networking.k8s.io/v1 NetworkPolicy."""

    spec: NetworkPolicySpec = NetworkPolicySpec()
    status: Status = Status()

    @property
    def types(self) -> frozenset[str]:
        """`Ingress` and/or `Egress`, with the API's default where the field is empty."""
        if self.spec.policy_types:
            return frozenset(self.spec.policy_types)
        return frozenset({"Ingress", "Egress"} if self.spec.egress else {"Ingress"})
