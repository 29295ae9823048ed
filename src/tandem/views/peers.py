"""Why an end is none of the peers of a NetworkPolicy's rule: the labels that are asked for beside those that it has.

In: the World, the rule and the pod. Out: words. A label that is misspelt shows at a glance, and is told where no pod at
all has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.policy import EgressRule, IngressRule, NetworkPolicy, PolicyPeer
from tandem.model.selectors import LabelSelector, matches
from tandem.model.world import World


def unlike(world: World, at: Origin, pod: core.Pod) -> str:
    """Of a rule (`spec.ingress[i]`) of a NetworkPolicy of which the pod is no peer; of anything else nothing."""
    policy = world.get(NetworkPolicy, at.namespace, at.name) if at.kind == "NetworkPolicy" else None
    index = re.fullmatch(r"spec\.(ingress|egress)\[(\d+)\]", at.path)
    if policy is None or index is None:
        return ""
    rules: tuple[IngressRule | EgressRule, ...] = getattr(policy.spec, index[1])
    peers = rules[int(index[2])].peers
    has = ",".join(f"{k}={v}" for k, v in pod.metadata.labels.items()) or "no labels"
    wanted = " or ".join(_told(world, peer, at.namespace) for peer in peers)
    return f"{'/'.join(pod.key)} has {has}, and meant are {wanted}"


def _told(world: World, peer: PolicyPeer, home: str) -> str:
    if peer.ip_block is not None:
        return f"addresses in {peer.ip_block.cidr}"
    pods = f"pods with {_text(peer.pod_selector)}" if peer.pod_selector is not None else "pods"
    where = f"of namespace {home}"
    if peer.namespace_selector is not None:
        where = f"of namespaces with {_text(peer.namespace_selector)}"
    nobody = "" if any(_chosen(world, peer, home)) else " (there is none)"
    return f"{pods} {where}{nobody}"


def _chosen(world: World, peer: PolicyPeer, home: str) -> Iterator[core.Pod]:
    for pod in world.all(core.Pod).values():
        space = pod.metadata.namespace
        if peer.namespace_selector is None:
            here = space == home
        else:
            here = matches(peer.namespace_selector, world.namespace_labels.get(space, {}))
        if here and (peer.pod_selector is None or matches(peer.pod_selector, pod.metadata.labels)):
            yield pod


def _text(selector: LabelSelector) -> str:
    parts = [f"{k}={v}" for k, v in selector.match_labels.items()]
    for asked in selector.match_expressions:
        values = f" ({', '.join(asked.values)})" if asked.values else ""
        parts.append(f"{asked.key} {asked.operator}{values}")
    return ",".join(parts) or "any labels"
