"""World -> PolicyIR and Problems: NetworkPolicy v1, both directions, both address families. Pure.

Per pod and side the union of all policies that select it becomes one policy set; pods with an equal set share it.
Equal Worlds give byte-equal results.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tandem.base.digest import digest
from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin, Problem
from tandem.ir.policy import PolicyIR, PolicySet, Rule, Side
from tandem.model import core
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from tandem.translate.policy import warn
from tandem.translate.policy.rules import NamedPorts, Translator
from tandem.translate.policy.select import Population, named_ports

_FIELDS = {Side.INGRESS: ("Ingress", "spec.ingress"), Side.EGRESS: ("Egress", "spec.egress")}


def translate_policy(
    world: World, *, dns_addresses: tuple[str, ...] = ("10.96.0.10",)
) -> tuple[PolicyIR, tuple[Problem, ...]]:
    """Every policy set, the address groups they refer to, and which pod each judges."""
    population = Population(world, dns_addresses)
    translator = Translator(population)
    selected = {
        p.key: population.selected(p.metadata.namespace, p.spec.pod_selector) for p in world.sorted(NetworkPolicy)
    }
    by_pod = _policies_by_pod(world, selected)
    sets: dict[PolicySetId, PolicySet] = {}
    sides: dict[Side, dict[str, PolicySetId]] = {Side.INGRESS: {}, Side.EGRESS: {}}
    # Pods of the same policies and named ports have the same set: it is made once.
    known: dict[tuple[Side, NamedPorts, tuple[tuple[str, str], ...]], PolicySet | None] = {}
    for uid, (pod, policies) in by_pod.items():
        ports, keys = named_ports(pod), tuple(p.key for p in policies)
        for side, judged in sides.items():
            if (side, ports, keys) not in known:
                known[side, ports, keys] = _policy_set(policies, ports, side=side, translator=translator)
            found = known[side, ports, keys]
            if found is not None:
                sets[found.id] = found
                judged[uid] = found.id
    ir = PolicyIR(
        sets={k: sets[k] for k in sorted(sets)},
        groups=translator.groups,
        ingress=dict(sorted(sides[Side.INGRESS].items())),
        egress=dict(sorted(sides[Side.EGRESS].items())),
    )
    for policy in world.sorted(NetworkPolicy):
        warn.about_policy(policy, world, subjects=selected[policy.key], translator=translator)
    warn.about_dns(ir, dns_addresses, translator)
    return ir, translator.problems


def _policies_by_pod(
    world: World, selected: Mapping[tuple[str, str], tuple[core.Pod, ...]]
) -> dict[str, tuple[core.Pod, list[NetworkPolicy]]]:
    found: dict[str, tuple[core.Pod, list[NetworkPolicy]]] = {}
    for policy in world.sorted(NetworkPolicy):
        for pod in selected[policy.key]:
            found.setdefault(pod.metadata.uid, (pod, []))[1].append(policy)
    return found


def _policy_set(
    policies: list[NetworkPolicy], ports: NamedPorts, *, side: Side, translator: Translator
) -> PolicySet | None:
    kind, field = _FIELDS[side]
    isolating = [p for p in policies if kind in p.types]
    if not isolating:
        return None
    rules = tuple(r for p in isolating for r in _rules(p, ports, side=side, translator=translator))
    isolated_by = tuple(p.origin(field) for p in isolating)
    return PolicySet(id=_set_id(side, rules, isolated_by), side=side, rules=rules, isolated_by=isolated_by)


def _rules(policy: NetworkPolicy, ports: NamedPorts, *, side: Side, translator: Translator) -> list[Rule]:
    namespace = policy.metadata.namespace
    found: list[Rule] = []
    if side is Side.INGRESS:
        for i, ingress in enumerate(policy.spec.ingress):
            origin = policy.origin(f"spec.ingress[{i}]")
            found += translator.ingress(ingress, origin, namespace=namespace, subject_ports=ports)
    else:
        for i, egress in enumerate(policy.spec.egress):
            found += translator.egress(egress, policy.origin(f"spec.egress[{i}]"), namespace=namespace)
    return found


def _set_id(side: Side, rules: tuple[Rule, ...], isolated_by: tuple[Origin, ...]) -> PolicySetId:
    """Content decides, Origins included: equal rules of different policies must not answer for one another."""
    return PolicySetId(digest(msgspec.json.encode((side, rules, isolated_by), order="deterministic"), 12))
