"""Pools that cannot be beside what is there, because an address would belong to two. Pure.

In: a pool, and what else has addresses. Out: `path: text` lines. Two pools of pods that share addresses would hold one
block twice; a Service, a node or a load balancer with the address of a pod would never be reached.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from tandem.base.block import span
from tandem.model.pools import parse_block

Raw = dict[str, Any]
KINDS: Final = ("IPPool", "LoadBalancerPool")


class Part(NamedTuple):
    """Addresses of one family, both ends included, and where they are written."""

    version: int
    first: int
    last: int
    text: str
    path: str

    def meets(self, other: Part) -> bool:
        """True if they have an address in common."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def clashes(pool: Raw, others: Iterable[Raw], *, services: Iterable[str], nodes: Iterable[Raw]) -> list[str]:
    """What the pool shares with `others` (both KINDS, without itself), with the networks of Services and with nodes."""
    taken = [(part, f"{o['kind']} {o['metadata']['name']}") for o in others for part in _parts(o) if _two(pool, o)]
    if pool["kind"] == "IPPool":
        taken += [(_prefix(cidr, ""), "the network of Services") for cidr in services]
        taken += [(_prefix(a, ""), f"node {n['metadata']['name']}") for n in nodes for a in _addresses(n)]
    return [
        f"{mine.path}: {mine.text} has addresses of {theirs.text}, which {whose} has already"
        for mine in _parts(pool)
        for theirs, whose in taken
        if mine.meets(theirs)
    ]


def _two(one: Raw, other: Raw) -> bool:
    """Pools of load balancers may share addresses: each address is given once."""
    return "IPPool" in {one["kind"], other["kind"]}


def _parts(pool: Raw) -> Iterator[Part]:
    if pool["kind"] == "IPPool":
        yield _prefix(pool["spec"]["cidr"], "spec.cidr")
        return
    for i, text in enumerate(pool["spec"]["addresses"]):
        block = parse_block(text)
        yield Part(block.version, block.first, block.last, text, f"spec.addresses[{i}]")


def _prefix(text: str, path: str) -> Part:
    return Part(*span(text), text, path)


def _addresses(node: Raw) -> Iterator[str]:
    for entry in (node.get("status") or {}).get("addresses") or ():
        try:
            yield str(ipaddress.ip_address(entry["address"]))
        except ValueError:  # a name
            continue
