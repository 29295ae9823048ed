"""World -> PolicyIR and Problems: every kind of policy, both directions, both address families. Pure.

Per pod and side what all policies that select it say becomes one policy set; pods with an equal set share it. Where a
staged policy selects the pod as well, a second set says what would be if it were in force. Equal Worlds give byte-equal
results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.base.ids import PolicySetId
from tandem.base.memo import each_as_before
from tandem.base.problems import Problem
from tandem.ir.policy import PolicyIR, PolicySet, Rule, Side
from tandem.model import core
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from tandem.translate.policy import warn
from tandem.translate.policy.clusterpolicy import draft_clusterpolicy
from tandem.translate.policy.draft import Draft, Tier
from tandem.translate.policy.networkpolicy import draft_networkpolicy
from tandem.translate.policy.resolve import NamedPorts, Resolver
from tandem.translate.policy.select import Population, named_ports

Selected = Mapping[tuple[int, tuple[int | str, ...]], tuple[core.Pod, ...]]
_network_drafts: Final = each_as_before(draft_networkpolicy)
_cluster_drafts: Final = each_as_before(draft_clusterpolicy)


def translate_policy(
    world: World, *, dns_addresses: tuple[str, ...] = ("10.96.0.10",)
) -> tuple[PolicyIR, tuple[Problem, ...]]:
    """Every policy set, the address groups they refer to, and which pod each judges."""
    population = Population(world, dns_addresses)
    resolver = Resolver(population)
    drafts = drafts_of(world)
    selected = {d.key: population.selected(d.subject) for d in drafts}
    sets: dict[PolicySetId, PolicySet] = {}
    sides: dict[Side, dict[str, PolicySetId]] = {Side.INGRESS: {}, Side.EGRESS: {}}
    # Pods of the same policies and named ports have the same set: it is made once.
    known: dict[object, tuple[PolicySet, ...]] = {}
    for uid, (pod, judges) in _by_pod(drafts, selected).items():
        ports, keys = named_ports(pod), tuple(d.key for d in judges)
        for side, judged in sides.items():
            if (side, ports, keys) not in known:
                known[side, ports, keys] = sets_for(judges, side, ports, resolver)
            made = known[side, ports, keys]
            if made:
                sets.update({s.id: s for s in made})
                judged[uid] = made[0].id
    ir = PolicyIR(
        sets={k: sets[k] for k in sorted(sets)},
        groups=resolver.groups,
        ingress=dict(sorted(sides[Side.INGRESS].items())),
        egress=dict(sorted(sides[Side.EGRESS].items())),
    )
    for draft in drafts:
        for problem in draft.problems:
            resolver.report(problem)
        subjects = {named_ports(pod) for pod in selected[draft.key]}
        warn.about_policy(draft, world, subjects=subjects, resolver=resolver)
    warn.about_dns(ir, dns_addresses, resolver)
    return ir, resolver.problems


def drafts_of(world: World) -> tuple[Draft, ...]:
    """Every policy, in the order in which policies are judged."""
    found = [
        *_network_drafts(world.sorted(NetworkPolicy)),
        *_cluster_drafts(
            (
                *world.sorted(ClusterNetworkPolicy),
                *world.sorted(AdminNetworkPolicy),
                *world.sorted(BaselineAdminNetworkPolicy),
            )
        ),
    ]
    return tuple(sorted(found, key=lambda d: d.key))


def _by_pod(drafts: Iterable[Draft], selected: Selected) -> dict[str, tuple[core.Pod, list[Draft]]]:
    found: dict[str, tuple[core.Pod, list[Draft]]] = {}
    for draft in drafts:
        for pod in selected[draft.key]:
            found.setdefault(pod.metadata.uid, (pod, []))[1].append(draft)
    return found


def sets_for(drafts: Sequence[Draft], side: Side, ports: NamedPorts, resolver: Resolver) -> tuple[PolicySet, ...]:
    """The set that these drafts make for a pod with these named ports, and after it its preview if there is one.

    Empty: nothing judges this side.
    """
    judging = [d for d in drafts if d.side(side) is not None]
    enforced = _policy_set([d for d in judging if not d.staged], side, ports, resolver)
    if all(not d.staged for d in judging):
        return (enforced,) if enforced is not None else ()
    preview = _policy_set(judging, side, ports, resolver)
    if preview is None or (enforced is not None and preview.id == enforced.id):
        return (enforced,) if enforced is not None else ()
    enforced = enforced or PolicySet(id=PolicySetId(""), side=side, rules=(), isolated_by=())
    return _identified(msgspec.structs.replace(enforced, preview=preview.id)), preview


def _policy_set(drafts: Sequence[Draft], side: Side, ports: NamedPorts, resolver: Resolver) -> PolicySet | None:
    """None: the drafts say nothing, not even that the pod is isolated."""
    rules: dict[Tier, list[Rule]] = {tier: [] for tier in Tier}
    for draft in drafts:
        rules[draft.tier] += resolver.rules(draft, side, ports)
    isolating = [d for d in drafts if d.tier is Tier.NETWORK]
    if not isolating and not rules[Tier.ADMIN] and not rules[Tier.BASELINE]:
        return None
    return _identified(
        PolicySet(
            id=PolicySetId(""),
            side=side,
            rules=tuple(rules[Tier.NETWORK]),
            isolated_by=tuple(j.origin for d in isolating if (j := d.side(side)) is not None),
            admin=tuple(rules[Tier.ADMIN]),
            # A pod that some NetworkPolicy isolates is never judged by tier Baseline.
            baseline=() if isolating else tuple(rules[Tier.BASELINE]),
            rejects=bool(isolating) and all(d.rejects for d in isolating),
            keeps=bool(isolating) and all(d.keeps for d in isolating),
        )
    )


def _identified(policy_set: PolicySet) -> PolicySet:
    """Content decides, Origins included: equal rules of different policies must not answer for one another."""
    said: tuple[object, ...] = (policy_set.side, policy_set.rules, policy_set.isolated_by)
    tiers = (policy_set.admin, policy_set.baseline, policy_set.rejects, policy_set.keeps, policy_set.preview)
    if any(tiers):
        said = (*said, *tiers)
    return msgspec.structs.replace(
        policy_set, id=PolicySetId(digest(msgspec.json.encode(said, order="deterministic"), 12))
    )
