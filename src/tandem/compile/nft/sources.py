"""Who may dial the addresses of a load balancer: spec.loadBalancerSourceRanges, before translation. Pure.

The rules come first in the chains that translate, which see the first packet of a connection and no other.

`limited4` holds (address . protocol . port) of the fronts that are limited, `sources4` the same with the prefixes that
may dial them. What is limited and comes from elsewhere is dropped, as kube-proxy does: pods and nodes are no exception.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from tandem.compile.nft.families import FAMILIES, Family, of_family, prefixes
from tandem.compile.nft.fronts import Front
from tandem.ir.node import NodeView
from tandem.state import nft
from tandem.state.nft import Field


def source_rules() -> tuple[nft.Rule, ...]:
    """What drops them."""
    return tuple(_rule(family) for family in FAMILIES)


def source_sets(view: NodeView, family: Family, fronts: Iterable[Front]) -> Iterator[nft.Set]:
    """The fronts that are limited, and who may dial each."""
    limited = [front for front in fronts if front.sources is not None]
    types = (family.type, "inet_proto", "inet_service")
    keys = frozenset(front.key for front in limited)
    allowed = frozenset((*front.key, prefix) for front in limited for prefix in _allowed(view, front, family))
    yield nft.Set(name=f"limited{family.version}", type=types, elements=keys)
    yield nft.Set(name=f"sources{family.version}", type=(*types, family.type), interval=True, elements=allowed)


def _rule(family: Family) -> nft.Rule:
    front = (family.daddr, Field.L4PROTO, Field.DPORT)
    return nft.Rule(
        match=(
            nft.InSet(front, f"limited{family.version}"),
            nft.InSet((*front, family.saddr), f"sources{family.version}", negate=True),
        ),
        then=(nft.Counter(), nft.Drop()),
        comment="not in loadBalancerSourceRanges",
    )


def _allowed(view: NodeView, front: Front, family: Family) -> tuple[nft.Prefix, ...]:
    """A node that has the address itself dials from it: that counts as dialling from the node's own address."""
    found = list(front.sources or ())
    own = [ipaddress.ip_address(a) for a in of_family(view.node.addresses, family)]
    if any(a in ipaddress.ip_network(p) for a in own for p in found):
        found.append(str(front.key[0]))
    return prefixes(found, family)
