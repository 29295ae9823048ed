"""NodeView -> what iptables' chain FORWARD of others has to let through. Pure.

All of it is judged by our own chains too, whatever their order: an accept ends one base chain, a drop ends all. So this
lets through nothing that policy denies.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Final

from tandem.base.addresses import FAMILIES, IPV4, family
from tandem.ir.node import NodeView
from tandem.state.firewall import LINKS, Accept, Openings

_BY_LINK: Final = (
    Accept(matches=("-i", LINKS), why="what pods send, judged by table inet tandem"),
    Accept(matches=("-o", LINKS), why="what is for pods, judged by table inet tandem"),
)
_TRANSLATED: Final = ("-m", "conntrack", "--ctstate", "DNAT")


def compile_openings(view: NodeView) -> Openings:
    """Nothing, where the cluster leaves such chains alone."""
    if not view.config.network.opens_firewalls:
        return {}
    own = {family(prefix) for prefix in view.node.prefixes}
    return {version: (*_BY_LINK, *_by_service(view, version)) for version in FAMILIES if version in own}


def _by_service(view: NodeView, version: int) -> Iterator[Accept]:
    """What this node leads to pods of other nodes, for clients outside, and the answers: it meets no link of pods."""
    for prefix in _cluster(view, version):
        yield Accept(matches=("-d", prefix, *_TRANSLATED), why=f"Services with endpoints in {prefix}")
        yield Accept(matches=("-s", prefix, *_TRANSLATED), why=f"answers of endpoints in {prefix}")


def _cluster(view: NodeView, version: int) -> tuple[str, ...]:
    """The prefixes of all nodes' pods, joined where they can be."""
    found = {prefix for node in (view.node, *view.nodes.values()) for prefix in node.prefixes}
    of_family = [prefix for prefix in found if family(prefix) == version]
    if version == IPV4:
        return tuple(map(str, collapse_addresses(map(IPv4Network, of_family))))
    return tuple(map(str, collapse_addresses(map(IPv6Network, of_family))))
