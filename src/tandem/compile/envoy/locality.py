"""How near endpoints are to a node -> the bands of an assignment: priorities, or weights of localities. Pure.

The rules are Istio's (DestinationRule, LocalityLoadBalancerSetting). All clients of a node share its proxy, so the node
stands for them: what it compiles for itself is what each sidecar there would have been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from tandem.base.ids import NodeName
from tandem.ir.fabric import Endpoint, Endpoints, Node
from tandem.ir.locality import NOWHERE, Distribution, Locality, LocalityBalancing, Preference

T = TypeVar("T")
_STEPS: Final = 5
"""Of `_distance`."""
_PARTS: Final = {
    "topology.kubernetes.io/region": "region",
    "topology.kubernetes.io/zone": "zone",
    "topology.istio.io/subzone": "subzone",
}
_HOST: Final = "kubernetes.io/hostname"


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """Where clients are, and what that means for one port."""

    node: NodeName
    locality: Locality
    balancing: LocalityBalancing


class Band(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Endpoints that are equally near; priority 0 is the nearest. `weight`: among localities, 0 for none."""

    priority: int = 0
    locality: Locality = NOWHERE
    weight: int = 0


def located(members: Endpoints, nodes: Mapping[str, Node]) -> Endpoints:
    """The same endpoints, each with its own locality, else that of its node."""
    return msgspec.structs.replace(members, endpoints=tuple(_located(e, nodes) for e in members.endpoints))


def _located(endpoint: Endpoint, nodes: Mapping[str, Node]) -> Endpoint:
    node = nodes.get(endpoint.node) if endpoint.node is not None and endpoint.locality is None else None
    return msgspec.structs.replace(endpoint, locality=node.locality) if node is not None else endpoint


def grouped(members: Sequence[tuple[T, Endpoint]], outlook: Outlook) -> list[tuple[Band, list[T]]]:
    """The bands of located endpoints, nearest first; those to which nothing is shared out are in none."""
    near = outlook.balancing
    if near.distribute:
        rule = next((d for d in near.distribute if d.clients.covers(outlook.locality)), None)
        return sorted(_shared_out(members, rule), key=lambda found: found[0])
    ranks = [(_rank(endpoint, outlook), _where(endpoint)) for _, endpoint in members]
    order = {rank: i for i, rank in enumerate(sorted({rank for rank, _ in ranks}))}
    bands: dict[Band, list[T]] = {}
    for (member, _), (rank, where) in zip(members, ranks, strict=True):
        bands.setdefault(Band(priority=order[rank], locality=where), []).append(member)
    return sorted(bands.items(), key=lambda found: found[0])


def _shared_out(members: Sequence[tuple[T, Endpoint]], rule: Distribution | None) -> Iterator[tuple[Band, list[T]]]:
    """Without a rule for the client, localities weigh what their endpoints do."""
    found: dict[Locality, list[T]] = {}
    weights: dict[Locality, int] = {}
    for member, endpoint in members:
        where = _where(endpoint)
        found.setdefault(where, []).append(member)
        weights[where] = weights.get(where, 0) + endpoint.weight
    if rule is None:
        yield from ((Band(locality=where, weight=weights[where]), group) for where, group in found.items())
        return
    for portion in rule.portions:
        inside = [where for where in found if portion.to.covers(where)]
        total = sum(weights[where] for where in inside)
        for where in inside:
            share = -(-weights[where] * portion.percent // total)
            yield Band(locality=where, weight=share), found[where]


def _rank(endpoint: Endpoint, outlook: Outlook) -> int:
    """The lower, the sooner it is used: by preferences, then (with failover, or without preferences) by distance."""
    near = outlook.balancing
    if not near.preferences:
        return _distance(endpoint, outlook)
    missed = next((i for i, p in enumerate(near.preferences) if not _preferred(p, endpoint, outlook)), None)
    rank = 0 if missed is None else len(near.preferences) - missed
    return rank * _STEPS + (_distance(endpoint, outlook) if near.failover else 0)


def _distance(endpoint: Endpoint, outlook: Outlook) -> int:
    """0 to 3, and 4 for regions beside the one to which clients turn first."""
    where = _where(endpoint)
    far = outlook.locality.distance(where)
    wanted = next((f.to for f in outlook.balancing.failover if f.region == outlook.locality.region), where.region)
    return far + 1 if far == _STEPS - 2 and where.region != wanted else far


def _preferred(wanted: Preference, endpoint: Endpoint, outlook: Outlook) -> bool:
    value = wanted.value
    if value is None:
        value = _label(wanted.label, outlook.locality, outlook.node, {})
    return _label(wanted.label, _where(endpoint), endpoint.node, dict(endpoint.labels)) == value


def _label(name: str, where: Locality, node: NodeName | None, labels: Mapping[str, str]) -> str:
    """A label; those of topology are known of everybody, also where they are not written."""
    known = node if name == _HOST else getattr(where, _PARTS[name]) if name in _PARTS else ""
    return known or labels.get(name, "")


def _where(endpoint: Endpoint) -> Locality:
    return endpoint.locality if endpoint.locality is not None else NOWHERE
