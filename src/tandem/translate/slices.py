"""Translation -> what one node is sent (type URL -> resource name -> value). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tandem.base.ids import GroupId, PolicySetId
from tandem.ir import wire
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, Node, Service
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import RouteTable
from tandem.ir.names import Names
from tandem.ir.policy import AddressGroup, PolicySet, every_rule, groups_of
from tandem.ir.traffic import TrafficPolicy
from tandem.translate.world import Translation

Slice = dict[str, dict[str, wire.Value]]
SHARED: Final = tuple(wire.URLS[cls] for cls in (MeshConfig, Node, Service, Endpoints, Names))
"""Types that every node is sent all of: a node without pods answers on its node ports and for addresses of the pool."""
MESH: Final = (wire.URLS[RouteTable], wire.URLS[TrafficPolicy])
"""Types that a node with meshed pods is sent all of, and others nothing."""
EDGE: Final = (wire.URLS[TrafficPolicy], wire.URLS[Gateway])
"""Types that a node which may answer for addresses of gateways is sent all of, while there is a gateway."""


def slice_for(node: str, translation: Translation) -> Slice:
    """Everything `node` needs and nothing else; every type is there, also with nothing in it."""
    values = values_of(translation)
    found: Slice = {url: dict(values[url]) if url in SHARED else {} for url in wire.TYPES}
    pods = {uid: pod for uid, pod in translation.pods.items() if translation.pod_nodes[uid] == node}
    found[wire.URLS[LocalPod]].update(pods)
    named = {s for pod in pods.values() for s in (pod.ingress, pod.egress) if s is not None}
    named = named.union(*(referred(translation.policy.sets[s])[0] for s in named))
    found[wire.URLS[PolicySet]].update({s: translation.policy.sets[s] for s in sorted(named)})
    groups = {g for s in named for g in referred(translation.policy.sets[s])[1]}
    found[wire.URLS[AddressGroup]].update({g: translation.policy.groups[g] for g in sorted(groups)})
    if any(pod.meshed for pod in pods.values()):
        found.update({url: dict(values[url]) for url in MESH})
    if node in serving(translation):
        found.update({url: dict(values[url]) for url in EDGE})
    return found


def serving(translation: Translation) -> frozenset[str]:
    """The nodes that serve gateways: those that may answer for addresses of load balancers; none without a gateway."""
    if not translation.edge.gateways:
        return frozenset()
    return frozenset(name for name, node in translation.nodes.items() if node.announces)


def values_of(translation: Translation) -> Mapping[str, Mapping[str, wire.Value]]:
    """All that there is to send, by type URL and name."""
    by_type: dict[type, Mapping[Any, wire.Value]] = {
        MeshConfig: {"mesh": translation.config},
        Node: translation.nodes,
        AddressGroup: translation.policy.groups,
        PolicySet: translation.policy.sets,
        Service: translation.services,
        TrafficPolicy: translation.mesh.policies,
        RouteTable: translation.mesh.tables,
        Endpoints: translation.endpoints,
        Names: translation.names,
        Gateway: translation.edge.gateways,
        LocalPod: translation.pods,
    }
    return {wire.URLS[cls]: values for cls, values in by_type.items()}


def referred(policy_set: PolicySet) -> tuple[frozenset[PolicySetId], frozenset[GroupId]]:
    """The sets and groups that a set refers to."""
    own = frozenset([policy_set.preview] if policy_set.preview is not None else [])
    return own, groups_of(every_rule(policy_set))
