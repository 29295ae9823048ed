"""The domain names that a policy is about, and the addresses that nodes know them to have: for `describe`. Pure.

In: the policy as the API has it, the nodes of `tandem status`. Out: lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tandem.ir.domains import patterns_of
from tandem.model.meta import RawObject

SHOWN: Final = 8
"""Addresses of one name."""


def patterns_in(policy: RawObject) -> frozenset[str]:
    """Every `domainNames` of its rules, as the IR writes them."""
    spec = policy.get("spec") or {}
    peers = (peer for rule in spec.get("egress") or () for peer in rule.get("to") or ())
    return frozenset(name.lower().removesuffix(".") for peer in peers for name in peer.get("domainNames") or ())


def names_of(policy: RawObject, nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """`NAME on NODE: ADDRESS, …` of each name that is known somewhere, by name."""
    wanted = patterns_in(policy)
    found = []
    for node in nodes:
        for name, addresses in ((node.get("names") or {}).get("addresses") or {}).items():
            if not wanted.isdisjoint(patterns_of(name)):
                more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
                found.append((name, node["name"], ", ".join(addresses[:SHOWN]) + more))
    return [f"{name} on {node}: {addresses}" for name, node, addresses in sorted(found)]
