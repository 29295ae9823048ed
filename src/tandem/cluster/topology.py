"""Hints of topology in EndpointSlices: which zones and nodes should use an endpoint. Pure.

`trafficDistribution` gives each endpoint to its own zone (PreferSameZone, PreferClose) or node (PreferSameNode); the
annotation `topology-mode: Auto` spreads endpoints over the zones in proportion to their CPUs, and gives no hints where
a zone would be loaded more than a fifth above its share, as Kubernetes does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from tandem.model import core
from tandem.model.world import World

MODE: Final = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OVERLOAD: Final = Fraction(1, 5)
Raw = dict[str, Any]


def zones_of(world: World) -> dict[str, str]:
    """Node name -> zone, of the nodes that have one."""
    return {n.metadata.name: z for n in world.sorted(core.Node) if (z := n.metadata.labels.get(core.ZONE, ""))}


def shares(world: World) -> dict[str, Fraction]:
    """Zone -> its share of the CPUs of all workers that are ready; empty where a node has no zone.

    Where a node does not tell its CPUs, nodes are counted.
    """
    nodes = [n for n in world.sorted(core.Node) if _works(n)]
    if not nodes or any(core.ZONE not in n.metadata.labels for n in nodes):
        return {}
    told = [_cpus(str(n.status.allocatable.get("cpu", ""))) for n in nodes]
    weights: Counter[str] = Counter()
    for node, cpus in zip(nodes, told, strict=True):
        weights[node.metadata.labels[core.ZONE]] += cpus if all(told) else 1
    return {zone: Fraction(weight, sum(weights.values())) for zone, weight in sorted(weights.items())}


def with_hints(service: core.Service, endpoints: Sequence[Raw], parts: Mapping[str, Fraction]) -> list[Raw]:
    """The endpoints of one family, with the hints that the Service asks for; only ready ones get hints."""
    ready = [e for e in endpoints if e["conditions"]["ready"]]
    if any(service.metadata.annotations.get(name) in {"Auto", "auto"} for name in MODE):
        found = _spread([e.get("zone", "") for e in ready], parts)
        hints = [{"forZones": [{"name": zone}]} for zone in found] if found else [{} for _ in ready]
    else:
        hints = [_own_place(e, service.spec.traffic_distribution) for e in ready]
    given = {id(e): hint for e, hint in zip(ready, hints, strict=True) if hint}
    return [{**e, "hints": given[id(e)]} if id(e) in given else e for e in endpoints]


def _own_place(endpoint: Raw, wish: str) -> Raw:
    hints: Raw = {}
    if wish in {"PreferClose", "PreferSameZone", "PreferSameNode"} and endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if wish == "PreferSameNode" and endpoint.get("nodeName"):
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints


def _spread(zones: Sequence[str], parts: Mapping[str, Fraction]) -> list[str]:
    """A zone for each endpoint (which are in `zones`); empty where they cannot be spread."""
    total = len(zones)
    if len(parts) < 2 or total < len(parts) or any(zone not in parts for zone in zones):
        return []
    if sum(math.ceil(part * total / (1 + OVERLOAD)) for part in parts.values()) > total:
        return []
    have = Counter(zones)
    over = {zone: have[zone] - part * total for zone, part in parts.items()}
    moves: list[tuple[str, str]] = []
    while True:
        giver, taker = max(over, key=lambda z: over[z]), min(over, key=lambda z: over[z])
        if over[giver] < 1 and over[taker] > -1:
            break
        moves.append((giver, taker))
        over[giver] -= 1
        over[taker] += 1
    found = list(zones)
    for giver, taker in moves:  # the last endpoint of a zone that is still its own goes
        place = max(i for i, zone in enumerate(found) if zone == giver and zones[i] == giver)
        found[place] = taker
    return found if set(found) == set(parts) else []


def _works(node: core.Node) -> bool:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return ready and not any(label in node.metadata.labels for label in CONTROL_PLANE)


def _cpus(text: str) -> int:
    """Thousandths of a CPU; 0: not told."""
    try:
        return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)
    except ValueError:
        return 0
