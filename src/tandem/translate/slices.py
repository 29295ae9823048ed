"""Translation -> what one node is sent (type URL -> resource name -> value). Pure."""

from __future__ import annotations

from tandem.ir import wire
from tandem.ir.fabric import LocalPod, MeshConfig, Node, Service
from tandem.ir.mesh import RouteTable, TrafficPolicy
from tandem.ir.policy import AddressGroup, Group, PolicySet
from tandem.translate.world import Translation

Slice = dict[str, dict[str, wire.Value]]


def slice_for(node: str, translation: Translation) -> Slice:
    """Everything `node` needs and nothing else; every type is there, also with nothing in it.

    Services are for every node: one without pods answers on its node ports and for addresses of the pool. A node
    without meshed pods gets no routing.
    """
    found: Slice = {url: {} for url in wire.TYPES}
    found[wire.URLS[MeshConfig]]["mesh"] = translation.config
    found[wire.URLS[Node]].update(translation.nodes)
    found[wire.URLS[Service]].update(translation.services)
    found[wire.PREFIX + "Endpoints"].update(translation.endpoints)
    pods = {uid: pod for uid, pod in translation.pods.items() if translation.pod_nodes[uid] == node}
    if not pods:
        return found
    found[wire.URLS[LocalPod]].update(pods)
    named = {s for pod in pods.values() for s in (pod.ingress, pod.egress) if s is not None}
    named |= {p for s in named if (p := translation.policy.sets[s].preview) is not None}
    sets: dict[str, PolicySet] = {s: translation.policy.sets[s] for s in sorted(named)}
    found[wire.URLS[PolicySet]].update(sets)
    groups = {
        peer.id
        for policy_set in sets.values()
        for rule in (*policy_set.admin, *policy_set.rules, *policy_set.baseline)
        for peer in rule.peers
        if isinstance(peer, Group)
    }
    found[wire.URLS[AddressGroup]].update({g: translation.policy.groups[g] for g in sorted(groups)})
    if any(pod.meshed for pod in pods.values()):
        found[wire.URLS[RouteTable]].update(translation.mesh.tables)
        found[wire.URLS[TrafficPolicy]].update(translation.mesh.policies)
    return found
